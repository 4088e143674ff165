"""A Stamp is what every table and figure of a run must carry, lest it travel as something better than it is.

It does not know how it is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scoring.doubts import accepted

MOCK, ACCEPTED = "MOCK DATA", "INVALID, ACCEPTED"
MEANING = {
    MOCK: "simulated endpoints; this says nothing about any cloud",
    ACCEPTED: "our side disturbed the measurement; ranked nevertheless, by --accept-invalid",
}


def stamps(summary: Mapping[str, Any]) -> list[str]:
    ranked_invalid = any(accepted(provider) for tag in summary["tags"] for provider in tag["providers"])
    return [stamp for stamp, due in ((MOCK, summary["run"]["mock"]), (ACCEPTED, ranked_invalid)) if due]

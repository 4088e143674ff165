"""What a run's probe found, as figures: how many fixed questions a provider answered, got right, agreed on with others.

No figure of the score; it does not know how answers were judged (``providers.probe``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.notation import figure
from providers.probe import SAME_MODEL, Finding, interval
from scoring.metrics import Figure

METRICS = ("probe_answered", "probe_right", "probe_agreement")


def finding_of(manifest: Mapping[str, Any], provider: str) -> Finding | None:
    """None without ``--probe``, and of a provider that has no model."""
    entry = (manifest.get("probe") or {}).get(provider)
    return Finding(**entry) if entry else None


def probed(finding: Finding) -> dict[str, Figure]:
    """Shares with Wilson's 95 % intervals: of the questions asked, and of those that another answered, too."""
    answered, right = (_share(count, finding.asked) for count in (finding.answered, finding.right))
    agreement = Figure(finding.agreement, "share", finding.answered, finding.lo, finding.hi)
    return dict(zip(METRICS, (answered, right, agreement), strict=True))


def _share(count: int, asked: int) -> Figure:
    return Figure(count / asked, "share", asked, *interval(count, asked)) if asked else Figure(None, "share", 0)


def different(findings: Mapping[str, Finding]) -> list[str]:
    """Whose agreement is too low for one model. Two that disagree accuse each other: the less right one is named."""
    compared = {name: finding for name, finding in findings.items() if finding.agreement is not None}
    accused = [name for name, finding in compared.items() if finding.differs]
    if len(compared) > 2:
        return accused
    rights = {name: compared[name].right / compared[name].answered for name in accused}
    return [name for name in accused if rights[name] == min(rights.values())]


def words_of(finding: Finding) -> str:
    """Why ``different`` names it."""
    agreement, lo, hi, same = (
        figure(s or 0.0, "share") for s in (finding.agreement, finding.lo, finding.hi, SAME_MODEL)
    )
    return (
        f"answers to fixed questions agree with the others' on {agreement} ({lo} to {hi}; one model: {same}), and"
        f" {finding.right} of {finding.answered} are right"
    )

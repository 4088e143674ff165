"""The Pages by address: one file each, a pure function from a card to what is shown.

They do not know which run it is, nor the states without a card: that is the frame's. Dash's own page registry is a
global that wants an app while modules are imported; a mapping keeps ``create_app`` free of both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dashboard.pages import scorecard
from scoring.card import Card

PAGES: dict[str, Callable[[Card], list[Any]]] = {
    "/": scorecard.layout,
}

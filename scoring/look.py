"""A Look is how a provider is drawn on every screen and on paper: never by colour alone.

It follows from the name, so that a ranking that changes repaints nobody. It does not know what is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

# Okabe and Ito's colours without black and yellow, which vanish on dark and on light paper.
_COLOURS = ("#009E73", "#D55E00", "#0072B2", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = (
    ("diamond", "◆"), ("triangle-up", "▲"), ("square", "■"),
    ("triangle-down", "▼"), ("circle", "●"), ("pentagon", "⬟"),
)  # fmt: skip
SHADES = ("#8a93a1", "#a9b0bb", "#c4c9d1", "#dfe2e7")  # of dimensions; dark ink reads on each of them


@dataclass(frozen=True, slots=True)
class Look:
    """How a provider is drawn, everywhere: never by colour alone."""

    colour: str
    marker: str
    glyph: str


def looks(names: Sequence[str]) -> dict[str, Look]:
    """A name's hash chooses; two names that choose alike take the next free look, in the order of the alphabet."""
    taken: dict[int, str] = {}
    for name in sorted(names):
        first = int(sha256(name.encode()).hexdigest(), 16) % len(_COLOURS)
        laps = range(0, len(names) + len(_COLOURS), len(_COLOURS))
        slots = [lap + (first + step) % len(_COLOURS) for lap in laps for step in range(len(_COLOURS))]
        taken[next(slot for slot in slots if slot not in taken)] = name
    return {name: _look(slot) for slot, name in taken.items()}


def _look(slot: int) -> Look:
    """The second lap repeats the colours with other markers."""
    lap, colour = divmod(slot, len(_COLOURS))
    marker, glyph = _MARKERS[(colour + lap) % len(_MARKERS)]
    return Look(_COLOURS[colour], marker, glyph)

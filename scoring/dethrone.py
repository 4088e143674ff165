"""Dethroning: the smallest change of weights under which another provider would lead.

It knows dimensions and their points, not how these came about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dethroning:
    """``moved`` of the whole weight goes to dimension ``to``, and then ``rival`` draws level under ``weights``."""

    rival: str
    moved: float
    to: str
    weights: dict[str, float]


def smallest_change(
    leader: str, shares: Mapping[str, Mapping[str, float]], weights: Mapping[str, float]
) -> Dethroning | None:
    """Over all rivals; None when nobody is better than the leader in any dimension."""
    rivals = [name for name in shares if name != leader]
    found = [change for rival in rivals if (change := _against(rival, shares[leader], shares[rival], weights))]
    return min(found, key=lambda change: (change.moved, change.rival), default=None)


def _against(
    rival: str, leader: Mapping[str, float], other: Mapping[str, float], weights: Mapping[str, float]
) -> Dethroning | None:
    """Weight moves from where the leader gains most to where the rival does: greedy is optimal for one constraint."""
    gain = {name: leader[name] - other[name] for name in weights}
    best_for_rival = min(gain, key=lambda name: gain[name])
    lead = sum(weights[name] * gain[name] for name in weights)
    if gain[best_for_rival] >= 0:
        return None
    changed, moved = dict(weights), 0.0
    for name in sorted(gain, key=lambda name: -gain[name]):
        step = gain[name] - gain[best_for_rival]
        if lead <= 0 or step <= 0:
            break
        part = min(changed[name], lead / step)
        changed[name] -= part
        changed[best_for_rival] += part
        lead -= part * step
        moved += part
    return Dethroning(rival, moved, best_for_rival, changed)

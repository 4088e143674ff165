"""The Verdict: can this measurement be trusted? Each figure beyond a limit becomes a Reason, and the worst decides.

The closed list and its limits are ``providers.reasons``; where the figures come from is ``scoring.evidence``'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from providers.reasons import LEVELS, NOTE, RULES, VALID, Limits


@dataclass(frozen=True, slots=True)
class Reason:
    """None in ``capability``, ``provider`` or ``region`` means all of them."""

    code: str
    level: str
    text: str
    remedy: str
    capability: str | None = None
    provider: str | None = None
    region: str | None = None
    figure: float | None = None
    limit: float | None = None
    unit: str = ""

    def concerns(self, capability: str, provider: str, region: str | None = None) -> bool:
        return (
            self.capability in (None, capability)
            and self.provider in (None, provider)
            and (region is None or self.region in (None, region))
        )


@dataclass(frozen=True, slots=True)
class Where:
    capability: str | None = None
    provider: str | None = None
    region: str | None = None


def judge(
    code: str,
    figure: float | None = None,
    where: Where | None = None,
    *,
    limits: Limits | None = None,
    about: str = "",
) -> list[Reason]:
    """The reason, if the figure lies beyond a limit of its rule. ``limits`` stand in for the rule's own."""
    rule = RULES[code]
    where = where or Where()
    level, limit = rule.breach(figure, limits or rule.limits())
    if level is None:
        return []
    says = rule.said(figure, limit)
    text = f"{about}: {says}" if about else says
    unit = rule.unit
    return [Reason(code, level, text, rule.remedy, where.capability, where.provider, where.region, figure, limit, unit)]


def worst(reasons: Iterable[Reason]) -> str:
    """VALID, DEGRADED or INVALID; notes leave it untouched."""
    level = max((reason.level for reason in reasons), key=LEVELS.index, default=VALID)
    return VALID if level == NOTE else level

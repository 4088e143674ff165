"""A Quantile of latencies, some of which are only known to be longer than their limit.

Inverted CDF, k = ceil(p n). What is right-censored hands its mass on to what is longer (Kaplan and Meier 1958), which
changes nothing where every censored value is longer than the quantile. It does not know which requests were censored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# The smallest n at which a two-sided 95 % upper bound by order statistics exists; below it a figure is n/a.
FLOORS: dict[float, int] = {0.5: 6, 0.9: 36, 0.95: 72, 0.99: 368}
SLACK = 1e-9  # below any 1/n we meet, above the rounding of a sum


@dataclass(frozen=True, slots=True)
class Distribution:
    """``cumulative`` is the mass at or below each of the sorted, uncensored ``values``; ``limit`` the longest wait."""

    values: Floats
    cumulative: Floats
    n: int
    limit: float

    def quantile(self, p: float) -> tuple[float, bool]:
        """The value, and whether it is only a lower bound."""
        k = int(np.searchsorted(self.cumulative, p - SLACK))
        return (self.limit, True) if k == len(self.values) else (float(self.values[k]), False)


def distribution(parts: list[Floats], censored: list[Flags]) -> Distribution:
    """The mixture of ``parts`` with equal mass each; parts that hold nothing have no say."""
    filled = [(part, flags) for part, flags in zip(parts, censored, strict=True) if len(part)]
    if not filled:
        return Distribution(np.empty(0), np.empty(0), 0, float("nan"))
    values = np.concatenate([part for part, _ in filled])
    hidden = np.concatenate([flags for _, flags in filled])
    mass = np.concatenate([np.full(len(part), 1 / (len(part) * len(filled))) for part, _ in filled])
    order = np.lexsort((hidden, values))  # at equal times what ended comes before what only waited
    values, hidden, mass = values[order], hidden[order], mass[order]
    cumulative = event_mass(np.where(hidden, 0, mass), np.where(hidden, mass, 0)) if hidden.any() else np.cumsum(mass)
    return Distribution(values[~hidden], cumulative[~hidden], len(values), float(values[-1]))


def event_mass(events: Floats, censored: Floats) -> Floats:
    """Kaplan-Meier: 1 - product of (1 - events / at risk) along the last axis; at one place events come first."""
    at_risk = np.cumsum((events + censored)[..., ::-1], axis=-1)[..., ::-1]
    hazard = np.divide(events, at_risk, out=np.zeros_like(events), where=events > 0)
    survival: Floats = np.cumprod(1 - np.minimum(hazard, 1), axis=-1)
    return 1 - survival


def sample_quantile(values: Floats, p: float) -> float:
    """The same rule for plain values; nan when there are none."""
    return distribution([values], [np.zeros(len(values), dtype=bool)]).quantile(p)[0] if len(values) else float("nan")

"""An Estimate is what is believed of one figure of one provider: a prior that fades slowly, evidence that fades fast.

Evidence loses its weight with ``FADE_S`` and the prior returns; that return is itself the probe that finds a recovered
provider. Shrinkage: (k x prior + w x live) / (k + w), with k the prior's weight in observations. It reads no clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

FADE_S = 20.0  # evidence this old counts 1/e
PRIOR_WEIGHT = 3.0  # a fresh prior counts like this many observations
HALF_LIFE_S = 7 * 86400.0  # of a scorecard's say
_WEIGHT_LIMIT = 50.0


def prior_weight(age_s: float) -> float:
    """Observations that a prior of this age is worth."""
    return float(PRIOR_WEIGHT * 0.5 ** (max(0.0, age_s) / HALF_LIFE_S))


@dataclass(slots=True)
class Estimate:
    """``live`` is an average of what was seen, ``weight`` how much of it is left at ``at_s`` (monotonic seconds)."""

    live: float = 0.0
    weight: float = 0.0
    at_s: float = 0.0

    def note(self, value: float, now_s: float) -> None:
        self.weight = min(_WEIGHT_LIMIT, self.left(now_s) + 1.0)
        self.live += (value - self.live) / self.weight
        self.at_s = now_s

    def left(self, now_s: float) -> float:
        """The evidence's weight now."""
        return self.weight * math.exp(-(now_s - self.at_s) / FADE_S) if self.weight else 0.0

    def believed(self, prior: float, strength: float, now_s: float) -> float:
        if not self.weight:
            return prior
        left = self.weight * math.exp((self.at_s - now_s) / FADE_S)
        return (strength * prior + left * self.live) / (strength + left)

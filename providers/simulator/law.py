"""Draws from a Law: seconds, by the two percentiles that were declared."""

from __future__ import annotations

import math
import random

from providers.spec import Law

_Z95 = 1.6448536269514722  # the normal's 95th percentile: places p95 of a lognormal


def draw(law: Law, rng: random.Random) -> float:
    if law.dist == "constant" or law.p95 == law.p50:
        return law.p50
    if law.dist == "uniform":
        width = (law.p95 - law.p50) / 0.45  # p95 lies 45 % of the width above the median
        return max(0.0, law.p50 + width * (rng.random() - 0.5))
    return law.p50 * math.exp(math.log(law.p95 / law.p50) / _Z95 * rng.gauss(0.0, 1.0))

"""A Knee is where a provider stops keeping its promise as the offered load rises: one law, for whoever holds the rows.

Pure standard library, so that the load process that stops at it and the analysis that reports it cannot differ. It
knows no files, no clock and no SLO: only which requests met theirs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, median

ALPHA = 0.05  # of a whole sweep: each step is tested at ALPHA / steps (Bonferroni)
SETTLE_SHARE = 0.2  # of a step, left out at its start: what was there before has not gone yet
BLOCKS = 24  # a step's requests are averaged into so many before a trend is sought
MIN_BLOCKS = 8
MIN_RISE = 0.25  # over the step, of its median: a significant but small trend is no saturation


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of a step: when, whether it met every SLO, how many it ran beside, how long its first token took."""

    at_s: float
    good: bool
    in_flight: float
    ttft_s: float | None


@dataclass(frozen=True, slots=True)
class Step:
    """``state``: ``met`` or ``failed`` (shown at the level), ``open`` (the requests cannot tell), ``saturated``."""

    rate_rps: float
    n: int
    good: int
    state: str

    @property
    def share(self) -> float | None:
        return self.good / self.n if self.n else None

    @property
    def over(self) -> bool:
        return self.state in ("failed", "saturated")


@dataclass(frozen=True, slots=True)
class Knee:
    """The highest rate that meets the target below the first step shown to fail; ``lo_rps`` was shown to meet it,
    ``hi_rps`` shown not to. None: no such step.
    """

    rate_rps: float | None
    lo_rps: float | None
    hi_rps: float | None


def judge(rate_rps: float, asks: Sequence[Ask], target: float, steps: int) -> Step:
    """What one of ``steps`` steps shows, at ALPHA / steps."""
    alpha, n, good = ALPHA / steps, len(asks), sum(ask.good for ask in asks)
    if saturating(asks, alpha):
        state = "saturated"
    elif at_most(good, n, target) <= alpha:
        state = "failed"
    elif at_least(good, n, target) <= alpha:
        state = "met"
    else:
        state = "open"
    return Step(rate_rps, n, good, state)


def find(steps: Sequence[Step], target: float) -> Knee:
    """From steps in rising order."""
    first = next((index for index, step in enumerate(steps) if step.over), len(steps))
    below = [step for step in steps[:first] if step.n]
    meeting = [step.rate_rps for step in below if step.good >= target * step.n]
    shown = [step.rate_rps for step in below if step.state == "met"]
    over = steps[first].rate_rps if first < len(steps) else None
    return Knee(max(meeting, default=None), max(shown, default=None), over)


def saturating(asks: Sequence[Ask], alpha: float) -> bool:
    """Requests in flight and TTFT both rise within the step: work comes faster than it is done."""
    known = sorted((ask.at_s, ask.in_flight, ask.ttft_s) for ask in asks if ask.ttft_s is not None)
    count = min(BLOCKS, len(known) // 2)
    if count < MIN_BLOCKS:
        return False
    blocks = [known[len(known) * k // count : len(known) * (k + 1) // count] for k in range(count)]
    series = ([sum(row[column] for row in block) / len(block) for block in blocks] for column in (1, 2))
    return all(_rises(values, alpha) for values in series)


def _rises(values: Sequence[float], alpha: float) -> bool:
    rise = slope(values) * (len(values) - 1)
    return rise >= MIN_RISE * median(values) and rising(values) <= alpha


def rising(values: Sequence[float]) -> float:
    """One-sided p of Mann and Kendall's trend test (1945), normal with ties and continuity."""
    n = len(values)
    s = sum((b > a) - (b < a) for k, a in enumerate(values) for b in values[k + 1 :])
    ties = [values.count(value) for value in set(values)]
    variance = (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18
    if variance <= 0 or s <= 0:
        return 1.0
    return NormalDist().cdf(-(s - 1) / math.sqrt(variance))


def slope(values: Sequence[float]) -> float:
    """Theil and Sen's: the median of all slopes between two points one apart in index."""
    return median((b - a) / (j - k) for k, a in enumerate(values) for j, b in enumerate(values[k + 1 :], k + 1))


def at_most(good: int, n: int, share: float) -> float:
    """P(X <= good), X binomial: small when the true share is below."""
    return sum(_chance(k, n, share) for k in range(good + 1))


def at_least(good: int, n: int, share: float) -> float:
    return sum(_chance(k, n, share) for k in range(good, n + 1))


def _chance(k: int, n: int, share: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(share) + (n - k) * math.log1p(-share))

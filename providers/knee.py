"""A Knee is the highest offered rate at which a provider still meets its SLOs, found by a staircase of rising rates.

One law for two readers: the load process stops a provider by it, scoring finds the same from the rows, offline. It
does not know what an SLO is, nor where requests come from.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from providers.trend import p_rising

ALPHA = 0.05  # of a whole sweep of one provider: the chance that any of its tests is wrong
_ROUNDING_S = 1e-5  # files keep six decimals: an arrival on an edge belongs to the later side, there and in the run
_BINS = 12  # of a step, in which load and TTFT are told
MEETS, UNCLEAR, FAILS, SATURATED = "meets", "unclear", "fails", "saturated"
BEYOND = (FAILS, SATURATED)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request; seconds since the first step began. ``good``: met every SLO; None: cut off, or not known yet."""

    at_s: float
    until_s: float
    ttft_s: float | None
    good: bool | None


@dataclass(frozen=True, slots=True)
class Staircase:
    """What is climbed: each rate for ``step_s``, of which the first ``settle_s`` do not count."""

    rates_rps: tuple[float, ...]
    step_s: float
    settle_s: float
    attainment: float  # the share of requests that must be good

    def step(self, at_s: float) -> int | None:
        """The step an instant belongs to; None outside of all."""
        index = math.floor((at_s + _ROUNDING_S) / self.step_s)
        return index if 0 <= index < len(self.rates_rps) else None

    def part(self, index: int) -> tuple[float, float]:
        """The seconds of a step that count."""
        return index * self.step_s + self.settle_s, (index + 1) * self.step_s

    def counts(self, index: int, at_s: float) -> bool:
        return self.step(at_s) == index and at_s + _ROUNDING_S >= self.part(index)[0]

    @property
    def alpha(self) -> float:
        """Of each of the four tests of a step (Bonferroni): it meets, it fails, its load rises, its TTFT rises."""
        return ALPHA / (4 * len(self.rates_rps))


@dataclass(frozen=True, slots=True)
class Step:
    """One rate, judged. ``p_meets`` and ``p_fails`` are those of the two exact binomial tests against the target."""

    rate_rps: float
    n: int
    good: int
    p_meets: float
    p_fails: float
    p_load_rises: float
    p_ttft_rises: float
    outcome: str

    @property
    def attainment(self) -> float | None:
        return self.good / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class Knee:
    """``rate_rps``: the highest rate that met the target as observed; None if the first already did not.

    ``lo_rps`` is the highest rate shown to meet it, ``hi_rps`` the lowest shown not to; None where nothing was shown.
    ``steps`` end with the first that lies beyond.
    """

    rate_rps: float | None
    lo_rps: float | None
    hi_rps: float | None
    cause: str | None  # fails | saturated
    steps: tuple[Step, ...]


def judge(stairs: Staircase, index: int, requests: Sequence[Asked], unknown: int = 0, *, complete: bool = True) -> Step:
    """One step from all requests of a provider; ``unknown`` more of this step count as good: they may yet be.

    While it is not ``complete`` (some asked up to its end still run) trends cannot be told.
    """
    own = [request for request in requests if stairs.counts(index, request.at_s)]
    known = [request.good for request in own if request.good is not None]
    n, good = len(known) + unknown, sum(known) + unknown
    p_meets, p_fails = binomial_tail(n, good, stairs.attainment), binomial_head(n, good, stairs.attainment)
    load, ttft = _trends(stairs.part(index), own, requests) if complete else (1.0, 1.0)
    outcome = UNCLEAR
    if p_fails <= stairs.alpha:
        outcome = FAILS
    elif max(load, ttft) <= stairs.alpha:
        outcome = SATURATED
    elif p_meets <= stairs.alpha:
        outcome = MEETS
    return Step(stairs.rates_rps[index], n, good, p_meets, p_fails, load, ttft, outcome)


def knee(stairs: Staircase, requests: Sequence[Asked], steps: int | None = None) -> Knee:
    """The knee from all requests of a provider; ``steps`` is how many of the staircase it was asked in full."""
    judged: list[Step] = []
    for index in range(len(stairs.rates_rps) if steps is None else steps):
        judged.append(judge(stairs, index, requests))
        if judged[-1].outcome in BEYOND:
            break
    return knee_of(stairs, judged)


def knee_of(stairs: Staircase, judged: Sequence[Step]) -> Knee:
    beyond = judged[-1] if judged and judged[-1].outcome in BEYOND else None
    below = judged[:-1] if beyond else judged
    kept = [step.rate_rps for step in below if step.n and step.good >= stairs.attainment * step.n]
    shown = [step.rate_rps for step in below if step.outcome == MEETS]
    return Knee(
        max(kept, default=None), max(shown, default=None),
        beyond.rate_rps if beyond else None, beyond.outcome if beyond else None, tuple(judged),
    )  # fmt: skip


def binomial_head(n: int, k: int, p: float) -> float:
    """P(at most k of n), each with chance p: small where k is too few for p."""
    return min(1.0, math.fsum(_binomial(n, i, p) for i in range(k + 1)))


def binomial_tail(n: int, k: int, p: float) -> float:
    """P(at least k of n): small where k is too many for p."""
    return min(1.0, math.fsum(_binomial(n, i, p) for i in range(k, n + 1)))


def _binomial(n: int, k: int, p: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(p) + (n - k) * math.log1p(-p))


def _trends(part: tuple[float, float], own: Sequence[Asked], requests: Sequence[Asked]) -> tuple[float, float]:
    """How likely chance makes the requests in flight rise so, and TTFT, within a step, from bins of equal length."""
    begin_s, end_s = part
    width_s = (end_s - begin_s) / _BINS
    middles = [begin_s + (number + 0.5) * width_s for number in range(_BINS)]
    load = [float(sum(1 for r in requests if r.at_s <= middle < r.until_s)) for middle in middles]
    first = sorted((r.at_s, r.ttft_s) for r in own if r.ttft_s is not None)
    edges = [bisect_left(first, (begin_s + number * width_s, -1.0)) for number in range(_BINS)]
    ttft = [median(t for _, t in first[i:j]) for i, j in pairwise([*edges, len(first)]) if j > i]
    return p_rising(load), p_rising(ttft)

"""Arrivals are a seeded, endless sequence of instants: the offered load, decided before any provider answers.

Pure: the same (kind, rate, seed) gives the same instants on every worker of a fleet. It knows no clock.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from itertools import accumulate

OPEN_KINDS = ("constant", "poisson", "gamma")
Steps = Sequence[tuple[float, float]]  # (until_s, rate_rps) each: the rate up to that second of the load


def offsets_s(kind: str, rate_rps: float, seed: int, burstiness: float = 1.0) -> Iterator[float]:
    """Seconds since the start of the load, rising, one per arrival.

    ``constant`` has gaps of 1/rate; ``poisson`` exponential ones; ``gamma`` gaps of the same mean with shape
    ``burstiness`` (1 is Poisson, below 1 comes in bursts, above 1 is smoother; vLLM's convention).
    """
    return (unit / rate_rps for unit in _units(kind, seed, burstiness))


def stepped(steps: Steps, kind: str, seed: int, burstiness: float = 1.0) -> Iterator[float]:
    """The same under a rate that changes from step to step; it ends with the last one. A rate may be 0.

    The law runs in units of expected arrivals and the steps bend time: exact also in an arrival that crosses a step.
    """
    units = _units(kind, seed, burstiness)
    due, begin_s, passed = next(units), 0.0, 0.0
    for until_s, rate_rps in steps:
        expected = passed + (until_s - begin_s) * rate_rps
        while due < expected:
            yield begin_s + (due - passed) / rate_rps
            due = next(units)
        begin_s, passed = until_s, expected


def _units(kind: str, seed: int, burstiness: float) -> Iterator[float]:
    """Arrivals of a law with a rate of 1."""
    return accumulate(_gaps(kind, random.Random(f"arrivals:{seed}"), burstiness))


def _gaps(kind: str, rng: random.Random, burstiness: float) -> Iterator[float]:
    while True:
        if kind == "constant":
            yield 1.0
        elif kind == "poisson":
            yield rng.expovariate(1.0)
        else:
            yield rng.gammavariate(burstiness, 1 / burstiness)


def busiest(offsets: Sequence[float], seconds: float) -> int:
    """The most arrivals within any stretch of so many seconds."""
    first = most = 0
    for last, at_s in enumerate(offsets):
        while at_s - offsets[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def owner(seed: int, index: int, workers: int) -> int:
    """The worker that fires arrival ``index``: random thinning keeps the fleet's law exact for every kind."""
    if workers == 1:
        return 0
    digest = hashlib.blake2b(f"{seed}:{index}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % workers


def firing_order(names: list[str], seed: int, index: int) -> list[str]:
    """Seeded random order in which one arrival reaches the providers, so that none is always first."""
    return random.Random(f"order:{seed}:{index}").sample(names, len(names))

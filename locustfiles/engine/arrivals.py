"""Arrivals are a seeded, endless sequence of instants: the offered load, decided before any provider answers.

Pure: the same (kind, rate, seed) gives the same instants on every worker of a fleet. It knows no clock.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator

OPEN_KINDS = ("constant", "poisson", "gamma")


def offsets_s(kind: str, rate_rps: float, seed: int, burstiness: float = 1.0) -> Iterator[float]:
    """Seconds since the start of the load, rising, one per arrival.

    ``constant`` has gaps of 1/rate; ``poisson`` exponential ones; ``gamma`` gaps of the same mean with shape
    ``burstiness`` (1 is Poisson, below 1 comes in bursts, above 1 is smoother; vLLM's convention).
    """
    rng = random.Random(f"arrivals:{seed}")
    at_s = 0.0
    while True:
        if kind == "constant":
            at_s += 1 / rate_rps
        elif kind == "poisson":
            at_s += rng.expovariate(rate_rps)
        else:
            at_s += rng.gammavariate(burstiness, 1 / (rate_rps * burstiness))
        yield at_s


def owner(seed: int, index: int, workers: int) -> int:
    """The worker that fires arrival ``index``: random thinning keeps the fleet's law exact for every kind."""
    if workers == 1:
        return 0
    digest = hashlib.blake2b(f"{seed}:{index}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % workers


def firing_order(names: list[str], seed: int, index: int) -> list[str]:
    """Seeded random order in which one arrival reaches the providers, so that none is always first."""
    return random.Random(f"order:{seed}:{index}").sample(names, len(names))

"""A provider of known capacity: up to it every request runs at full speed, above it all share, as in the simulator."""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence

from providers.knee import Asked

TTFT_S, SERVICE_S = 0.1, 1.0


def requests(rates_rps: Sequence[float], step_s: float, capacity: int, seed: int, limit_s: float = 9.0) -> list[Asked]:
    """Poisson arrivals in steps; good is a first token within ``limit_s``. The knee is capacity / 1 s."""
    rng = random.Random(seed)
    arrivals = [at_s for number, rate in enumerate(rates_rps) for at_s in _poisson(rng, rate, number * step_s, step_s)]
    first_s, ended_s = [0.0] * len(arrivals), [0.0] * len(arrivals)
    wall_s = service_s = 0.0
    running = arrived = 0
    due: list[tuple[float, int, bool]] = []  # in seconds of service
    while due or arrived < len(arrivals):
        speed = min(1.0, capacity / max(1, running))
        next_s = arrivals[arrived] if arrived < len(arrivals) else float("inf")
        ready_s = wall_s + (due[0][0] - service_s) / speed if due else float("inf")
        if next_s <= ready_s:
            service_s, wall_s = service_s + (next_s - wall_s) * speed, next_s
            heapq.heappush(due, (service_s + TTFT_S * rng.lognormvariate(0, 0.3), arrived, False))
            heapq.heappush(due, (service_s + SERVICE_S, arrived, True))
            arrived, running = arrived + 1, running + 1
            continue
        service_s, which, last = heapq.heappop(due)
        wall_s = ready_s
        (ended_s if last else first_s)[which] = wall_s
        running -= last
    return [
        Asked(at_s, end_s, token_s - at_s, token_s - at_s <= limit_s)
        for at_s, token_s, end_s in zip(arrivals, first_s, ended_s, strict=True)
    ]


def _poisson(rng: random.Random, rate: float, begin_s: float, length_s: float) -> list[float]:
    at_s, found = begin_s, []
    while (at_s := at_s + rng.expovariate(rate)) < begin_s + length_s:
        found.append(at_s)
    return found

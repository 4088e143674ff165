"""A world of four providers with faults, and rules that choose among them: the shared knowledge's section 5 as a model.

TTFT 300/450/420/900 ms (lognormal, sigma .35), prices .6/.5/.9/.3, Poisson 20/s, a knee at 12 in flight, one retry
elsewhere. A is six times slower for 120 s, B answers 503 at once for 100 s, A is down for 60 s, C hangs for 20 s.
"""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass, field
from math import exp

from router.policy import Ask, Weights, choose
from router.target import Prior, Target

SPAN_S, RATE_RPS, SIGMA, KNEE, HANG_S, RETRY_S = 640.0, 20.0, 0.35, 12, 30.0, 0.02
MEDIANS_S = {"a": 0.30, "b": 0.45, "c": 0.42, "d": 0.90}
PRICES = {"a": 0.6, "b": 0.5, "c": 0.9, "d": 0.3}


@dataclass(frozen=True)
class Fault:
    name: str
    begin_s: float
    end_s: float
    kind: str  # slow | refuse | down | hang


SCRIPT = (
    Fault("a", 60, 180, "slow"), Fault("b", 220, 320, "refuse"),
    Fault("a", 360, 420, "down"), Fault("c", 470, 490, "hang"),
)  # fmt: skip
CORRELATED = (Fault("a", 100, 160, "down"), Fault("b", 100, 160, "refuse"), Fault("c", 300, 360, "slow"))


@dataclass
class World:
    """One pass of all requests under one rule."""

    rule: object
    seed: int
    faults: tuple[Fault, ...] = SCRIPT
    latencies_s: list[float] = field(default_factory=list)
    sends: list[tuple[float, str]] = field(default_factory=list)
    first_failures: int = 0
    requests: int = 0

    def __post_init__(self):
        self.rng = random.Random(self.seed)
        self.in_flight = dict.fromkeys(MEDIANS_S, 0)
        self._events, self._order = [], itertools.count()

    def fault(self, name, now_s):
        return next((f.kind for f in self.faults if f.name == name and f.begin_s <= now_s < f.end_s), "")

    def expected_s(self, name, now_s):
        """What an all-knowing chooser would expect."""
        fault = self.fault(name, now_s)
        if fault in ("refuse", "down", "hang"):
            return HANG_S
        mean = MEDIANS_S[name] * exp(SIGMA**2 / 2) * (6 if fault == "slow" else 1)
        return mean * max(1.0, (self.in_flight[name] + 1) / KNEE)

    def run(self):
        at_s = 0.0
        while (at_s := at_s + self.rng.expovariate(RATE_RPS)) < SPAN_S:
            self._later(at_s, self._ask, at_s, None)
        while self._events:
            now_s, _, action, arguments = heapq.heappop(self._events)
            action(now_s, *arguments)
        return self

    def _later(self, at_s, action, *arguments):
        heapq.heappush(self._events, (at_s, next(self._order), action, arguments))

    def _ask(self, now_s, asked_s, failed):
        self.requests += failed is None
        name = self.rule.choose(now_s, self, failed)
        if name is None:
            self.latencies_s.append(HANG_S)
            self.first_failures += failed is None
            return
        self.sends.append((now_s, name))
        self.in_flight[name] += 1
        fault = self.fault(name, now_s)
        service_s = MEDIANS_S[name] * exp(self.rng.gauss(0, SIGMA)) * max(1.0, self.in_flight[name] / KNEE)
        lasts_s = {"": service_s, "slow": 6 * service_s, "refuse": 0.005, "down": 0.005, "hang": HANG_S}[fault]
        self._later(now_s + lasts_s, self._answered, asked_s, failed, name, lasts_s, fault in ("", "slow"))

    def _answered(self, now_s, asked_s, failed, name, lasts_s, good):
        self.in_flight[name] -= 1
        self.rule.note(now_s, name, lasts_s, good)
        if good:
            self.latencies_s.append(now_s - asked_s)
        elif failed is None:
            self.first_failures += 1
            self._later(now_s + RETRY_S * self.rng.random(), self._ask, asked_s, name)
        else:
            self.latencies_s.append(now_s - asked_s)

    # ---- figures

    @property
    def mean_s(self):
        return sum(self.latencies_s) / len(self.latencies_s)

    @property
    def p99_s(self):
        return sorted(self.latencies_s)[-(-99 * len(self.latencies_s) // 100) - 1]

    def found_after_s(self, name, healthy_at_s, sends=5):
        """Seconds until a recovered provider is really used again: its n-th request."""
        used = [at_s for at_s, to in self.sends if to == name and at_s >= healthy_at_s]
        return used[sends - 1] - healthy_at_s if len(used) >= sends else float("inf")


class Ours:
    def __init__(self, seed, priors=MEDIANS_S, weights=None):
        self.rng, self.weights = random.Random(f"ours:{seed}"), weights or Weights()
        self.targets = {
            name: Target(
                name, PRICES[name] * 1e-6, PRICES[name] * 1e-6, free=KNEE,
                prior=Prior(e2e_s=priors[name], success=0.999, strength=3.0, known=True),
            )
            for name in MEDIANS_S
        }  # fmt: skip

    def choose(self, now_s, _world, failed):
        others = [target for name, target in self.targets.items() if name != failed]
        chosen = choose("best", others, Ask(stream=False, input_tokens=100), self.weights, now_s, self.rng)
        if chosen is None:
            return None
        chosen.target.sent(now_s)
        return chosen.target.name

    def note(self, now_s, name, lasts_s, good):
        target = self.targets[name]
        sent_s = now_s - lasts_s
        if good:
            target.succeeded(now_s, sent_s, stream=False, wait_s=lasts_s)
        else:
            target.failed(now_s, sent_s, stream=False, reason="failed")
        target.returned(sent_s)


class PeakEwma:
    """Power of two choices over peak-EWMA x (pending + 1), as tower and Linkerd have it: failures are just fast."""

    FADE_S = 10.0

    def __init__(self, seed):
        self.rng = random.Random(f"peak:{seed}")
        self.cost = dict.fromkeys(MEDIANS_S, 0.5)
        self.at_s = dict.fromkeys(MEDIANS_S, 0.0)

    def choose(self, _now_s, world, failed):
        names = [name for name in MEDIANS_S if name != failed]
        return min(self.rng.sample(names, 2), key=lambda name: self.cost[name] * (world.in_flight[name] + 1))

    def note(self, now_s, name, lasts_s, _good):
        left = exp(-(now_s - self.at_s[name]) / self.FADE_S)
        self.cost[name] = lasts_s if lasts_s > self.cost[name] else self.cost[name] * left + lasts_s * (1 - left)
        self.at_s[name] = now_s


class Oracle:
    """Knows every fault and every law."""

    def __init__(self, seed): ...

    def choose(self, now_s, world, failed):
        return min((name for name in MEDIANS_S if name != failed), key=lambda name: world.expected_s(name, now_s))

    def note(self, now_s, name, lasts_s, good): ...

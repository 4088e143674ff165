"""The Policy chooses a provider for a request: state and request in, choice out, every term of it shown.

``best`` ranks by J = (w_lat T/T_ref + w_cost C/C_ref + w_score (1 - score/100)) / S^2 x crowding,
crowding = 1 + max(0, in flight - f) / q, T expected seconds, C expected USD, S believed success, and the references the
best healthy provider's. Among those within 25 % of the least J the lower of two random ones wins, so that a crowd does
not herd; one request in a hundred goes where evidence is oldest, the insurance against a stale scorecard. Success
divides, squared, because failing is fast: latency alone would run towards a broken provider (linkerd2-proxy PR 4537).

No I/O, no clock of its own, no randomness but what is handed in. It does not know HTTP, nor why a request failed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from router.breaker import Breaker
from router.estimate import Estimate

STRATEGIES = ("best", "round_robin", "least_inflight")
NEAR = 1.25
EXPLORE = 0.01
TYPICAL_OUTPUT_TOKENS = 256
_SUCCESS_FLOOR = 0.02
_TTFT_S, _S_PER_TOKEN, _SUCCESS = 1.0, 0.02, 0.99  # believed where nobody has a prior


@dataclass(frozen=True, slots=True)
class Prior:
    """What the scorecard says of one provider; None where it says nothing. ``strength`` is in observations."""

    ttft_s: float | None = None
    e2e_s: float | None = None
    s_per_token: float | None = None
    success: float | None = None
    score: float | None = None
    strength: float = 0.0


@dataclass(frozen=True, slots=True)
class Weights:
    """Of the terms of J. ``score`` is 0 by default: the composite already holds latency, success and cost."""

    latency: float = 0.7
    cost: float = 0.3
    score: float = 0.0


@dataclass(slots=True)
class Mode:
    """Evidence of one mode: streams and whole answers are never mixed. ``wait`` is TTFT, or seconds to the end."""

    wait: Estimate = field(default_factory=Estimate)
    per_token: Estimate = field(default_factory=Estimate)
    success: Estimate = field(default_factory=Estimate)


@dataclass(slots=True)
class Target:
    """One provider and all that is known of it. ``free`` requests cost no queueing, ``slope`` more double J."""

    name: str
    input_usd: float | None = None  # per token
    output_usd: float | None = None
    weight: int = 1
    free: int = 8
    slope: int = 16
    prior: Prior = field(default_factory=Prior)
    stream: Mode = field(default_factory=Mode)
    whole: Mode = field(default_factory=Mode)
    breaker: Breaker = field(default_factory=Breaker)
    in_flight: int = 0
    turn: float = 0.0  # of the smooth weighted round robin
    sent_at_s: float = float("-inf")

    def mode(self, *, stream: bool) -> Mode:
        return self.stream if stream else self.whole

    def sent(self, now_s: float) -> None:
        self.in_flight += 1
        self.sent_at_s = now_s
        self.breaker.sent(now_s)

    def returned(self) -> None:
        """However it ended; a client that left says nothing of the provider."""
        self.in_flight -= 1
        self.breaker.gave_up()

    def succeeded(self, now_s: float, *, stream: bool, wait_s: float, s_per_token: float | None = None) -> None:
        mode = self.mode(stream=stream)
        mode.success.note(1.0, now_s)
        mode.wait.note(wait_s, now_s)
        if s_per_token is not None:
            mode.per_token.note(s_per_token, now_s)
        self.breaker.succeeded(now_s)

    def failed(self, now_s: float, *, stream: bool, reason: str) -> None:
        self.mode(stream=stream).success.note(0.0, now_s)
        self.breaker.failed(now_s, reason)


@dataclass(frozen=True, slots=True)
class Ask:
    """What the choice needs of a request."""

    stream: bool
    input_tokens: int  # an estimate: characters / 4
    output_tokens: int = TYPICAL_OUTPUT_TOKENS
    explore: bool = True


@dataclass(frozen=True, slots=True)
class Terms:
    """Why a provider stands where it stands: the parts of its J."""

    name: str
    j: float
    seconds: float
    usd: float | None
    success: float
    crowding: float
    has_prior: bool


def terms(targets: Sequence[Target], ask: Ask, weights: Weights, now_s: float) -> list[Terms]:
    """J of every target, in their order."""
    believed = [_believed(target, targets, ask, now_s) for target in targets]
    costs = [_usd(target, ask) for target in targets]
    seconds_ref = min((seconds for seconds, _ in believed), default=0.0)
    known = [usd for usd in costs if usd is not None]
    usd_ref, dearest = min(known, default=0.0), max(known, default=0.0)
    found = []
    for target, (seconds, success), usd in zip(targets, believed, costs, strict=True):
        dollars = dearest if usd is None else usd  # an unknown price is never the cheapest
        score = 0.5 if target.prior.score is None else target.prior.score / 100
        weighed = weights.latency * _ratio(seconds, seconds_ref) + weights.cost * _ratio(dollars, usd_ref)
        weighed += weights.score * (1 - score)
        crowding = 1 + max(0, target.in_flight - target.free) / target.slope
        j = weighed / max(success, _SUCCESS_FLOOR) ** 2 * crowding
        has_prior = target.prior.ttft_s is not None or target.prior.e2e_s is not None
        found.append(Terms(target.name, j, seconds, usd, success, crowding, has_prior))
    return found


def choose(
    strategy: str, targets: Sequence[Target], ask: Ask, weights: Weights, now_s: float, rng: random.Random
) -> Target | None:
    """The target for this request; None when every breaker is open."""
    healthy = admitted(targets, now_s)
    if not healthy:
        return None
    if strategy == "round_robin":
        return _next_turn(healthy)
    if strategy == "least_inflight":
        least = min(target.in_flight / target.weight for target in healthy)
        return rng.choice([target for target in healthy if target.in_flight / target.weight == least])
    return _best(healthy, ask, weights, now_s, rng)


def admitted(targets: Sequence[Target], now_s: float) -> list[Target]:
    """Those whose breaker lets a request through; of those that merely fail often, at most half are kept away."""
    ejected = [t for t in targets if t.breaker.by_share and t.breaker.state(now_s) == "open"]
    ejected.sort(key=lambda target: target.breaker.open_until_s)
    pardoned = ejected[: max(0, len(ejected) - len(targets) // 2)]
    return [target for target in targets if target.breaker.admits(now_s) or target in pardoned]


def _best(healthy: Sequence[Target], ask: Ask, weights: Weights, now_s: float, rng: random.Random) -> Target:
    if ask.explore and rng.random() < EXPLORE:
        return min(healthy, key=lambda target: target.sent_at_s)
    ranked = terms(healthy, ask, weights, now_s)
    limit = NEAR * min(term.j for term in ranked)
    near = [(term.j, target) for term, target in zip(ranked, healthy, strict=True) if term.j <= limit]
    two = rng.sample(near, 2) if len(near) > 2 else near
    return min(two, key=lambda pair: pair[0])[1]


def _next_turn(healthy: Sequence[Target]) -> Target:
    """Smooth weighted round robin (nginx): weights 2 and 1 give a b a, never a a b."""
    for target in healthy:
        target.turn += target.weight
    first = max(healthy, key=lambda target: target.turn)
    first.turn -= sum(target.weight for target in healthy)
    return first


def _believed(target: Target, targets: Sequence[Target], ask: Ask, now_s: float) -> tuple[float, float]:
    """(seconds this request would take, probability that it succeeds)."""
    mode, strength = target.mode(stream=ask.stream), target.prior.strength
    name = "ttft_s" if ask.stream else "e2e_s"
    wait_s = mode.wait.believed(_prior(target, targets, name, _TTFT_S), strength or 1.0, now_s)
    if ask.stream:
        rate = mode.per_token.believed(_prior(target, targets, "s_per_token", _S_PER_TOKEN), strength or 1.0, now_s)
        wait_s += rate * ask.output_tokens
    return wait_s, mode.success.believed(_prior(target, targets, "success", _SUCCESS), strength or 1.0, now_s)


def _prior(target: Target, targets: Sequence[Target], name: str, default: float) -> float:
    """The scorecard's figure; without one, the median of the others'."""
    own: float | None = getattr(target.prior, name)
    if own is not None:
        return own
    others = sorted(value for other in targets if (value := getattr(other.prior, name)) is not None)
    return float(others[len(others) // 2]) if others else default


def _usd(target: Target, ask: Ask) -> float | None:
    if target.input_usd is None or target.output_usd is None:
        return None
    return target.input_usd * ask.input_tokens + target.output_usd * ask.output_tokens


def _ratio(value: float, reference: float) -> float:
    return value / reference if reference > 0 else 1.0

"""The Policy chooses a provider for a request: state and request in, choice out, every term of it shown.

``best`` ranks by J = (w_lat T/T_ref + w_cost C/C_ref + w_score (1 - score/100)) / S^2 x crowding,
crowding = 1 + max(0, in flight - f) / q, T expected seconds, C expected USD, S believed success, and the references the
best healthy provider's. Among those within 25 % of the least J the lower of two random ones wins, so that a crowd does
not herd; three requests in two hundred go where evidence is oldest, the insurance against a stale scorecard. Success
divides, squared, because failing is fast: latency alone would run towards a broken provider (linkerd2-proxy PR 4537).

No I/O, no clock of its own, no randomness but what is handed in. It does not know HTTP, nor why a request failed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from router.target import Target

STRATEGIES = ("best", "round_robin", "least_inflight")
NEAR, EXPLORE = 1.25, 0.015
TYPICAL_OUTPUT_TOKENS = 256
_SUCCESS_FLOOR = 0.02


@dataclass(frozen=True, slots=True)
class Weights:
    """Of the terms of J. ``score`` is 0 by default: the composite already holds latency, success and cost."""

    latency: float = 0.7
    cost: float = 0.3
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Ask:
    """What the choice needs of a request; ``input_tokens`` is an estimate."""

    stream: bool
    input_tokens: int
    output_tokens: int = TYPICAL_OUTPUT_TOKENS
    explore: bool = True


@dataclass(slots=True)
class Terms:
    """Why a provider stands where it stands: the parts of its J. One is made per provider and request."""

    target: Target
    seconds: float
    success: float
    usd: float | None
    crowding: float
    j: float = 0.0

    def text(self) -> str:
        usd = "unknown" if self.usd is None else f"{self.usd:.3g}"
        parts = f"seconds={self.seconds:.3f} usd={usd} success={self.success:.3f} crowding={self.crowding:.2f}"
        return f"j={self.j:.3f} {parts}"


def terms(targets: Sequence[Target], ask: Ask, weights: Weights, now_s: float) -> list[Terms]:
    """J of every target, in their order."""
    found = [
        Terms(target, *target.believed(now_s, ask.stream, ask.output_tokens),
              target.usd(ask.input_tokens, ask.output_tokens), target.crowding)
        for target in targets
    ]  # fmt: skip
    healthy = [term for term in found if term.target.breaker.admits(now_s)] or found
    seconds_ref = min((term.seconds for term in healthy), default=0.0)
    usd_ref = min((term.usd for term in healthy if term.usd is not None), default=0.0)
    dearest = max((term.usd for term in found if term.usd is not None), default=0.0)
    for term in found:
        usd = dearest if term.usd is None else term.usd  # an unknown price is never the cheapest
        weighed = weights.latency * _ratio(term.seconds, seconds_ref) + weights.cost * _ratio(usd, usd_ref)
        weighed += weights.score * (1 - term.target.prior.score / 100)
        term.j = weighed / max(term.success, _SUCCESS_FLOOR) ** 2 * term.crowding
    return found


def choose(
    strategy: str, targets: Sequence[Target], ask: Ask, weights: Weights, now_s: float, rng: random.Random
) -> Terms | None:
    """The target for this request, with its terms; None when every breaker is open."""
    healthy = admitted(targets, now_s)
    if not healthy:
        return None
    ranked = terms(healthy, ask, weights, now_s)
    if strategy == "round_robin":
        return _next_turn(ranked)
    if strategy == "least_inflight":
        least = min(term.target.load for term in ranked)
        return rng.choice([term for term in ranked if term.target.load == least])
    if ask.explore and rng.random() < EXPLORE:
        return min(ranked, key=lambda term: term.target.sent_at_s)
    limit = NEAR * min(term.j for term in ranked)
    near = [term for term in ranked if term.j <= limit]
    return min(rng.sample(near, 2) if len(near) > 2 else near, key=lambda term: term.j)


def admitted(targets: Sequence[Target], now_s: float) -> list[Target]:
    """Those whose breaker lets a request through; of those that merely fail often, at most half are kept away."""
    ejected = [t for t in targets if t.breaker.by_share and now_s < t.breaker.open_until_s]
    pardoned = sorted(ejected, key=lambda target: target.breaker.open_until_s)[: len(ejected) - len(targets) // 2]
    return [t for t in targets if t.breaker.admits(now_s) or (len(ejected) > len(targets) // 2 and t in pardoned)]


def _next_turn(ranked: Sequence[Terms]) -> Terms:
    """Smooth weighted round robin (nginx): weights 2 and 1 give a b a, never a a b."""
    for term in ranked:
        term.target.turn += term.target.weight
    first = max(ranked, key=lambda term: term.target.turn)
    first.target.turn -= sum(term.target.weight for term in ranked)
    return first


def _ratio(value: float, reference: float) -> float:
    return value / reference if reference > 0 else 1.0

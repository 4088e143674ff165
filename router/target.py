"""A Target is one provider as the choice sees it: its prior, its live evidence by mode, its breaker, its load.

It reads no clock and knows no HTTP: instants are monotonic seconds that the caller gives.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from router.breaker import Breaker
from router.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Prior:
    """What is believed before any evidence; ``strength`` is in observations, ``known``: the scorecard says so."""

    ttft_s: float = 1.0
    e2e_s: float = 5.0
    s_per_token: float = 0.02
    success: float = 0.99
    score: float = 50.0
    strength: float = 1.0
    known: bool = False


@dataclass(slots=True)
class Mode:
    """Evidence of one mode: streams and whole answers are never mixed. ``wait`` is TTFT, or seconds to the end."""

    wait: Estimate = field(default_factory=Estimate)
    per_token: Estimate = field(default_factory=Estimate)
    success: Estimate = field(default_factory=Estimate)


@dataclass(slots=True)
class Target:
    """``free`` requests cost no queueing, ``slope`` more double J; prices are USD per token."""

    name: str
    input_usd: float | None = None
    output_usd: float | None = None
    weight: int = 1
    free: int = 8
    slope: int = 16
    prior: Prior = field(default_factory=Prior)
    modes: tuple[Mode, Mode] = field(default_factory=lambda: (Mode(), Mode()))  # whole answers, streams
    breaker: Breaker = field(default_factory=Breaker)
    in_flight: int = 0
    turn: float = 0.0  # of the smooth weighted round robin
    sent_at_s: float = float("-inf")

    @property
    def load(self) -> float:
        return self.in_flight / self.weight

    @property
    def crowding(self) -> float:
        return 1 + max(0, self.in_flight - self.free) / self.slope

    def sent(self, now_s: float) -> None:
        self.in_flight += 1
        self.sent_at_s = now_s
        self.breaker.sent(now_s)

    def returned(self, sent_s: float) -> None:
        """However it ended; a client that left says nothing of the provider."""
        self.in_flight -= 1
        self.breaker.returned(sent_s)

    def succeeded(
        self, now_s: float, sent_s: float, *, stream: bool, wait_s: float, s_per_token: float | None = None
    ) -> None:
        mode = self.modes[stream]
        mode.success.note(1.0, now_s)
        mode.wait.note(wait_s, now_s)
        if s_per_token is not None:
            mode.per_token.note(s_per_token, now_s)
        self.breaker.succeeded(now_s, sent_s)

    def failed(self, now_s: float, sent_s: float, *, stream: bool, reason: str) -> None:
        self.modes[stream].success.note(0.0, now_s)
        self.breaker.failed(now_s, sent_s, reason)

    def believed(self, now_s: float, stream: bool, output_tokens: int) -> tuple[float, float]:
        """(seconds this request would take, probability that it succeeds)."""
        mode, prior, strength = self.modes[stream], self.prior, self.prior.strength
        success = mode.success.believed(prior.success, strength, now_s)
        if not stream:
            return mode.wait.believed(prior.e2e_s, strength, now_s), success
        per_token = mode.per_token.believed(prior.s_per_token, strength, now_s)
        return mode.wait.believed(prior.ttft_s, strength, now_s) + per_token * output_tokens, success

    def usd(self, input_tokens: int, output_tokens: int) -> float | None:
        if self.input_usd is None or self.output_usd is None:
            return None
        return self.input_usd * input_tokens + self.output_usd * output_tokens

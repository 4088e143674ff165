"""The Relay sends one call on: it chooses a provider, fails over before the first real output, and keeps the bill."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from starlette.types import Send

from providers.dialects.base import Usage
from router.answer import Answer, Upstream, UpstreamError
from router.call import Call, Refusal, estimated_tokens
from router.metrics import Metrics
from router.policy import Target, Weights, choose, terms
from router.stream import broken

ATTEMPTS = 2
BACKOFF_S = 0.05
_SOON_S = 1.0
_RETRY_SHARE, _RETRY_SPAN_S, _RETRY_FLOOR_RPS = 0.2, 10.0, 3.0


@dataclass(slots=True)
class Record:
    """What became of a call: for the log, the metrics and the bill."""

    begun_s: float
    provider: str = ""
    attempts: int = 0
    outcome: str = "error"
    status: int = 0
    committed: bool = False  # something of an answer has reached the client
    overhead_s: float | None = None  # until the first attempt was sent
    first_s: float | None = None  # to the first output, of the attempt that answered
    chars: int = 0
    usage: Usage | None = None

    @property
    def output_tokens(self) -> int:
        """As billed; an estimate where the provider did not say."""
        billed = self.usage.output_tokens if self.usage else None
        return estimated_tokens(self.chars) if billed is None else billed

    def line(self) -> dict[str, Any]:
        """For the log: no prompt, no answer, no key."""
        names = ("provider", "outcome", "status", "attempts", "first_s", "output_tokens")
        return {name: getattr(self, name) for name in names} | {"seconds": round(time.monotonic() - self.begun_s, 6)}


@dataclass(slots=True)
class Relay:
    """``limit_s`` is the longest a call may take, ``most_tokens`` the ceiling of an answer."""

    upstreams: list[Upstream]
    weights: Weights
    metrics: Metrics
    strategy: str
    allow_fixed: bool
    limit_s: float
    most_tokens: int | None
    session: aiohttp.ClientSession | None = None
    stopping: bool = False
    _rng: random.Random = field(default_factory=random.Random)
    _begun: deque[float] = field(default_factory=deque)
    _retried: deque[float] = field(default_factory=deque)

    def candidates(self, call: Call) -> list[Upstream]:
        """Those that serve the model, by its own name, its capability, or ``auto``; Refusal when there is none."""
        found = [u for u in self.upstreams if call.model in ("auto", u.provider.model, u.provider.capability)]
        asked = call.strategy if self.allow_fixed and call.strategy.startswith("fixed:") else self.strategy
        kind, _, name = asked.partition(":")
        if kind == "fixed":
            found = [upstream for upstream in found if upstream.provider.name == name]
        if not found:
            raise Refusal(404, f"nobody serves model '{call.model[:100]}' ({asked[:100]}); see /v1/models", "not_found")
        return found

    async def perform(self, call: Call, send: Send, record: Record) -> None:
        """Answer the call; Refusal when nobody could, before anything was sent."""
        candidates = self.candidates(call)
        self._begun.append(record.begun_s)
        deadline_s = record.begun_s + min(self.limit_s, call.deadline_s or self.limit_s)
        untried = list(candidates)
        while True:
            upstream = self._choose(call, untried)
            untried.remove(upstream)
            record.provider, record.attempts = upstream.target.name, record.attempts + 1
            try:
                return await self._attempt(upstream, call, send, record, deadline_s)
            except UpstreamError as error:
                self.metrics.attempts.labels(record.provider, error.reason).inc()
                last = record.attempts == ATTEMPTS or not untried
                if last or time.monotonic() >= deadline_s or not self._may_retry():
                    text = f"no provider answered; the last, {record.provider}: {error.reason}"
                    raise Refusal(error.status, text, error.kind, error.wait_s or 0.0) from None
            await asyncio.sleep(self._rng.random() * BACKOFF_S)

    def _choose(self, call: Call, upstreams: list[Upstream]) -> Upstream:
        """As the strategy says; where every breaker is open, the one that is due soonest, if that is soon."""
        now_s, targets = time.monotonic(), [upstream.target for upstream in upstreams]
        target = choose(self.strategy, targets, call.ask, self.weights, now_s, self._rng)
        if target is None:
            target = min(targets, key=lambda target: target.breaker.open_until_s)
            wait_s = target.breaker.open_until_s - now_s
            if wait_s > _SOON_S:
                text = f"every provider is kept away; {target.name} ({target.breaker.reason}) returns first"
                raise Refusal(503, text, "no_provider", wait_s)
        return next(upstream for upstream in upstreams if upstream.target is target)

    async def _attempt(self, upstream: Upstream, call: Call, send: Send, record: Record, deadline_s: float) -> None:
        target, limits, sent_s = upstream.target, upstream.provider.limits, time.monotonic()
        record.overhead_s = record.overhead_s or sent_s - record.begun_s
        until_s = min(deadline_s, sent_s + limits.total_timeout_s)
        answer = Answer(upstream, call, send, record, self.explain(target, call, record), until_s, sent_s)
        target.sent(sent_s)
        try:
            async with asyncio.timeout(min(limits.first_token_timeout_s, until_s - sent_s)) as clock:
                assert self.session is not None
                await answer.pass_on(self.session, clock, self.most_tokens)
        except (TimeoutError, aiohttp.ClientError, OSError, UpstreamError) as error:
            failure = error if isinstance(error, UpstreamError) else UpstreamError.of(error)
            self._blame(target, failure, stream=call.ask.stream)
            if not record.committed:
                raise failure from None
            record.outcome = failure.reason
            await send({"type": "http.response.body", "body": broken(f"{target.name}: {failure.reason}")})
        finally:
            target.returned()

    @staticmethod
    def _blame(target: Target, failure: UpstreamError, *, stream: bool) -> None:
        now_s = time.monotonic()
        target.failed(now_s, stream=stream, reason=failure.reason)
        if failure.wait_s:
            target.breaker.open_for(failure.wait_s, now_s, failure.reason)

    def _may_retry(self) -> bool:
        """A fifth of the last ten seconds' calls, or three a second: a retry must not become the load."""
        now_s = time.monotonic()
        for times in (self._begun, self._retried):
            while times and times[0] < now_s - _RETRY_SPAN_S:
                times.popleft()
        self._retried.append(now_s)
        return len(self._retried) <= max(_RETRY_SHARE * len(self._begun), _RETRY_FLOOR_RPS * _RETRY_SPAN_S)

    def explain(self, target: Target, call: Call, record: Record) -> list[tuple[bytes, bytes]]:
        """Reply headers that say who answers, after how many attempts, and with which terms of J."""
        found = terms([upstream.target for upstream in self.upstreams], call.ask, self.weights, time.monotonic())
        term = next(term for term in found if term.name == target.name)
        usd = "unknown" if term.usd is None else f"{term.usd:.3g}"
        choice = f"j={term.j:.3f} seconds={term.seconds:.3f} usd={usd}"
        choice += f" success={term.success:.3f} crowding={term.crowding:.2f}"
        shown = {"provider": target.name, "strategy": self.strategy, "attempts": str(record.attempts), "choice": choice}
        return [(f"x-router-{name}".encode(), value.encode()) for name, value in shown.items()]

    def bill(self, call: Call, record: Record) -> float:
        """USD of what came: billed usage where the provider reported it, else an estimate."""
        usage = record.usage or Usage()
        if not (record.chars or record.usage):
            return 0.0
        input_tokens = call.ask.input_tokens if usage.input_tokens is None else usage.input_tokens
        parts = (usage.cached_tokens or 0, usage.cache_write_tokens or 0, usage.reasoning_tokens or 0)
        price = next(u.provider.price for u in self.upstreams if u.provider.name == record.provider)
        usd = price.request_usd(input_tokens, record.output_tokens, *parts) or 0.0
        self.metrics.charge(record.provider, input_tokens, record.output_tokens, usd)
        return usd

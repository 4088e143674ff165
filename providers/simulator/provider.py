"""A MockProvider is one mock entry, alive: its arrivals, its pace, its quota, and whether it is warm.

It decides what a request gets; ``exchange`` sends it.
"""

from __future__ import annotations

import asyncio
import math

from providers.simulator.pace import Pace
from providers.simulator.plan import Plan, draw_plan
from providers.simulator.quota import Quota
from providers.simulator.refusal import Refusal
from providers.spec import Provider

IDLE_BEFORE_COLD_S = 60.0


class MockProvider:
    """``max_tokens`` and ``max_rps`` cap what the file and the requests ask for."""

    def __init__(self, provider: Provider, max_tokens: int | None = None, max_rps: float | None = None) -> None:
        self.name, self.model = provider.name, provider.model or "mock"
        self._mock = provider.mock
        self._max_tokens = max_tokens
        rates = [rate for rate in (self._mock.quota_rps, max_rps) if rate is not None]
        self._quota = Quota(min(rates)) if rates else None
        self._pace = Pace(self._mock.capacity)
        self._arrivals = 0
        self._born = asyncio.get_running_loop().time()
        self._last_busy = -math.inf  # nobody was ever here: the first request finds it cold
        self._warm_at = -math.inf

    @property
    def pace(self) -> Pace:
        return self._pace

    @property
    def quota(self) -> Quota | None:
        return self._quota

    def cached(self, input_tokens: int) -> tuple[int, int]:
        """(read from a cache, written to one) of a prompt: never more than it has."""
        read = min(self._mock.cached_tokens, input_tokens)
        return read, min(self._mock.cache_write_tokens, input_tokens - read)

    def admit(self, max_tokens: int | None) -> Plan:
        """The plan of the next request, or the Refusal of one above the quota."""
        index, now = self._arrivals, asyncio.get_running_loop().time()
        self._arrivals += 1
        if self._quota and (wait_s := self._quota.take(now)):
            raise Refusal(429, f"Rate limit reached for {self.model}.", "rate_limit_exceeded", retry_s=wait_s)
        if self._max_tokens is not None:
            max_tokens = min(max_tokens or self._max_tokens, self._max_tokens)
        slowness = (1 + self._mock.drift) ** ((now - self._born) / 60)
        return draw_plan(self._mock, self.name, index, max_tokens, slowness, self._cold_s(now))

    def enter(self) -> None:
        self._pace.enter()

    def leave(self) -> None:
        self._pace.leave()
        self._last_busy = asyncio.get_running_loop().time()

    def _cold_s(self, now: float) -> float:
        """What is left of a cold start; whoever arrives during one waits for its end, too."""
        if self._pace.in_flight == 0 and now - self._last_busy >= IDLE_BEFORE_COLD_S:
            self._warm_at = now + self._mock.cold_start_s
        return max(0.0, self._warm_at - now)

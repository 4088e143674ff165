"""A Deadline ends one exchange that takes too long; the Deadlines of a process share one timer.

Content can only be told from pings and empty frames by decoding, so that is asked when a limit is due, not per read.
It does not know what waits for an exchange: ``wake`` does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import gevent

from locustfiles.engine.exchange import Exchange
from locustfiles.engine.hub import now_ns
from providers.dialects.base import Failure
from providers.sample import ErrorKind
from providers.spec import Limits

HasContent = Callable[[Exchange], bool]
_EARLY_NS = 1_000_000  # timers may fire a little early


class Deadline:
    """``idle_timeout_s`` binds from the first token on, ``first_token_timeout_s`` until then."""

    __slots__ = ("_answering", "_exchange", "_has_content", "_limits", "_wake", "due_ns")

    def __init__(self, exchange: Exchange, limits: Limits, has_content: HasContent, wake: Callable[[], None]) -> None:
        self._exchange, self._limits, self._has_content, self._wake = exchange, limits, has_content, wake
        self._answering = False
        self.due_ns = self._next_ns(0.0)  # the next moment at which a limit might have passed

    def look(self, now: int) -> None:
        """End the exchange if a limit has passed, else say when to look again."""
        exchange = self._exchange
        self.due_ns = math.inf
        if exchange.complete or exchange.failure is not None:
            return
        now_s = exchange.since_start_s(now)
        kind = self._passed(now_s)
        if kind is None:
            self.due_ns = self._next_ns(now_s)
            return
        exchange.failure = Failure(kind, f"given up after {now_s:.3g} s")
        self._wake()

    def _next_ns(self, now_s: float) -> float:
        limits = self._limits
        idle_due_s = self._last_read_s() + limits.idle_timeout_s
        due_s = min(limits.total_timeout_s, idle_due_s if idle_due_s > now_s else now_s + limits.idle_timeout_s)
        if not self._answering:
            due_s = min(due_s, limits.first_token_timeout_s)
        return self._exchange.start_ns + due_s * 1e9

    def _passed(self, now_s: float) -> ErrorKind | None:
        """The limit that has passed, if any."""
        limits = self._limits
        if now_s >= limits.total_timeout_s:
            return "timeout_total"
        self._answering = self._answering or self._has_content(self._exchange)
        if not self._answering:
            return "timeout_first_token" if now_s >= limits.first_token_timeout_s else None
        return "timeout_idle" if now_s >= self._last_read_s() + limits.idle_timeout_s else None

    def _last_read_s(self) -> float:
        seen_ns = self._exchange.seen_ns
        return self._exchange.since_start_s(seen_ns[-1]) if seen_ns else 0.0


class Deadlines:
    """Those of all exchanges under way. Most never come due, so a request costs no timer, only a place in a set."""

    def __init__(self) -> None:
        self._running: set[Deadline] = set()
        self._due_ns = math.inf  # when the timer fires
        self._timer: Any = None

    def add(self, deadline: Deadline) -> None:
        self._running.add(deadline)
        if deadline.due_ns < self._due_ns:
            self._arm(deadline.due_ns)

    def remove(self, deadline: Deadline) -> None:
        self._running.discard(deadline)  # the timer stays: it will find nothing due, and set itself anew

    def close(self) -> None:
        self._due_ns = math.inf
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None

    def _arm(self, due_ns: float) -> None:
        self.close()
        self._due_ns = due_ns
        self._timer = gevent.get_hub().loop.timer(max(0.0, (due_ns - now_ns()) / 1e9))
        self._timer.start(self._fired)

    def _fired(self) -> None:
        self.close()
        now = now_ns() + _EARLY_NS
        for deadline in [deadline for deadline in self._running if deadline.due_ns <= now]:
            deadline.look(now)
        due_ns = min((deadline.due_ns for deadline in self._running), default=math.inf)
        if due_ns < math.inf:
            self._arm(due_ns)

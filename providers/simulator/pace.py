"""A Pace is a provider's service clock: it runs at wall speed up to its capacity, and slower in proportion above it.

Streams wait for instants of service, so every change of concurrency re-times all of them at once. It does not know
what is served.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools


class Pace:
    def __init__(self, capacity: int | None) -> None:
        self._capacity = capacity
        self.in_flight = 0
        self._rate = 1.0  # seconds of service per second
        self._wall, self._service = 0.0, 0.0  # one instant on both clocks
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()  # ties in the heap: futures do not compare
        self._timer: asyncio.TimerHandle | None = None

    def enter(self) -> None:
        self._change(+1)

    def leave(self) -> None:
        self._change(-1)

    def now(self) -> float:
        """Seconds of service so far."""
        return self._service + (asyncio.get_running_loop().time() - self._wall) * self._rate

    async def until(self, due: float) -> None:
        """Returns when the service clock shows ``due``; at once when it already does, so delays never add up."""
        if due <= self.now():
            return
        ready = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (due, next(self._order), ready))
        if self._waiting[0][2] is ready:
            self._set_timer()
        await ready

    def _change(self, step: int) -> None:
        self._service, self._wall = self.now(), asyncio.get_running_loop().time()
        self.in_flight += step
        rate = 1.0 if self._capacity is None else min(1.0, self._capacity / max(1, self.in_flight))
        if rate != self._rate:
            self._rate = rate
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            wall = self._wall + (self._waiting[0][0] - self._service) / self._rate
            self._timer = asyncio.get_running_loop().call_at(wall, self._ring)

    def _ring(self) -> None:
        now = self.now() + 1e-6  # both clocks are floats: a timer may ring a rounding error early
        while self._waiting and self._waiting[0][0] <= now:
            ready = heapq.heappop(self._waiting)[2]
            if not ready.done():  # a client that left has cancelled its wait
                ready.set_result(None)
        self._set_timer()

"""A Gate holds a provider's requests back to its declared limits: first come, first let through.

It does not know what waits: the wait stands in the sample, so a limit is seen and never mistaken for the provider.
"""

from __future__ import annotations

import math
import time
from collections import deque

import gevent
from gevent.lock import BoundedSemaphore

from providers.spec import Limits

JITTER_S = 0.02  # requests let go a second apart may arrive a little closer than that


class Gate:
    """At most ``max_rps`` requests leave in any second, at most ``max_concurrency`` are under way.

    Below 1 request/s the window is as long as one request needs. A fraction is rounded down: 2.5 lets 2 a second go.
    """

    def __init__(self, limits: Limits) -> None:
        rps, places = limits.max_rps, limits.max_concurrency
        self._places = BoundedSemaphore(places) if places else None
        self._window_s = (max(1.0, 1 / rps) + JITTER_S) if rps else 0.0
        self._left: deque[float] | None = deque(maxlen=max(1, math.floor(rps))) if rps else None
        self.named = " and ".join(
            f"limits.{name} {value:g}" for name, value in (("max_rps", rps), ("max_concurrency", places)) if value
        )

    @property
    def open(self) -> bool:
        """Nothing is ever held back here."""
        return not self.named

    def enter(self) -> float:
        """Wait for the turn; the seconds it took, 0 when there was no wait. Whoever entered must leave."""
        since = time.monotonic()
        waited = self._take_place()
        try:
            waited |= self._take_turn()
        except BaseException:
            self.leave()
            raise
        return time.monotonic() - since if waited else 0.0

    def leave(self) -> None:
        if self._places is not None:
            self._places.release()

    def _take_place(self) -> bool:
        if self._places is None or self._places.acquire(blocking=False):
            return False
        self._places.acquire()
        return True

    def _take_turn(self) -> bool:
        """Turns are booked ahead in the order of asking; one given up is not passed on."""
        if self._left is None:
            return False
        now = due = time.monotonic()
        if len(self._left) == self._left.maxlen:
            due = max(now, self._left[0] + self._window_s)
        self._left.append(due)
        if due > now:
            gevent.sleep(due - now)
        return due > now

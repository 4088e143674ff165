"""A Quota is a token bucket: so many requests a second, one second's worth at once."""

from __future__ import annotations

import math


class Quota:
    def __init__(self, rps: float) -> None:
        self._rps = rps
        self.limit = max(1, math.floor(rps))  # the bucket's size
        self._tokens = float(self.limit)
        self._at: float | None = None

    def take(self, now: float) -> float:
        """0 when the request is admitted, else the seconds until the next one would be."""
        if self._at is not None:
            self._tokens = min(self.limit, self._tokens + (now - self._at) * self._rps)
        self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._rps

    @property
    def remaining(self) -> int:
        """As of the last ``take``, like ``reset_s``."""
        return int(self._tokens)

    @property
    def reset_s(self) -> float:
        return (self.limit - self._tokens) / self._rps

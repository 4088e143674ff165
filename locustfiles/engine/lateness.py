"""Lateness is a histogram of delays in bins of 0.1 ms: their 99th percentile, and how many lie beyond a limit.

Pure; it does not know what was late.
"""

from __future__ import annotations

from collections import Counter

_BIN_S = 0.0001


class Lateness:
    """What is not later than 0 counts as on time."""

    def __init__(self) -> None:
        self._bins: Counter[int] = Counter()
        self.count = 0
        self.longest_s = 0.0

    def add(self, late_s: float) -> None:
        late_s = max(0.0, late_s)
        self._bins[int(late_s / _BIN_S)] += 1
        self.count += 1
        self.longest_s = max(self.longest_s, late_s)

    def quantile_s(self, p_percent: int) -> float | None:
        """Inverted CDF, the k-th of n with k = ceil(p n), at the upper end of its bin; None while there is none."""
        rank, seen = -(-p_percent * self.count // 100), 0
        for bin_, count in sorted(self._bins.items()):
            seen += count
            if seen >= rank:
                return round((bin_ + 1) * _BIN_S, 6)
        return None

    def beyond(self, limit_s: float) -> int:
        return sum(count for bin_, count in self._bins.items() if (bin_ + 1) * _BIN_S > limit_s)

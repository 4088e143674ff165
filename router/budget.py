"""A RetryBudget lets a fifth of the calls, or three a second, be tried twice: a retry must not become the load."""

from __future__ import annotations

from dataclasses import dataclass

SHARE, FLOOR_RPS, SPAN_S = 0.2, 3.0, 10.0


@dataclass(slots=True)
class RetryBudget:
    """``left`` retries; a bucket that holds what ten seconds earn. Instants are monotonic seconds."""

    left: float = FLOOR_RPS * SPAN_S
    _most: float = FLOOR_RPS * SPAN_S
    _at_s: float = 0.0

    def earn(self, now_s: float) -> None:
        """A call has begun."""
        passed_s = now_s - self._at_s if self._at_s else 0.0
        self._at_s = now_s
        # What the bucket may hold follows the rate of calls, forgetting over the same ten seconds.
        floor = FLOOR_RPS * SPAN_S
        self._most = max(floor, self._most * max(0.0, 1 - passed_s / SPAN_S) + SHARE)
        self.left = min(self._most, self.left + passed_s * FLOOR_RPS + SHARE)

    def spend(self) -> bool:
        """True when a retry is still allowed, and then it is counted."""
        if self.left < 1:
            return False
        self.left -= 1
        return True

"""A Breaker keeps requests from a provider that fails: closed, open until an instant, then half open for one probe.

It opens after five failures in a row, or when half of ten or more outcomes within 10 s failed; each opening in a row
doubles its time. What was sent before it opened says nothing new when it ends. It reads no clock: instants are
monotonic seconds that the caller gives.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

IN_A_ROW = 5
SPAN_S, SPAN_COUNT, SPAN_SHARE = 10.0, 10, 0.5
FIRST_OPEN_S, LONGEST_OPEN_S = 2.0, 60.0
_MOST_DOUBLINGS = 5  # 2 s x 2^5 is beyond the longest


@dataclass(slots=True)
class Breaker:
    """``by_share``: opened for failing often, not for failing always."""

    open_until_s: float = 0.0
    reason: str = ""
    by_share: bool = False
    _probing: bool = False  # half open, and its one probe is on its way
    _opened_s: float = float("-inf")
    _row: int = 0
    _openings: int = 0
    _recent: deque[tuple[float, bool]] = field(default_factory=lambda: deque(maxlen=100))

    def state(self, now_s: float) -> str:
        if now_s < self.open_until_s:
            return "open"
        return "half-open" if self._openings else "closed"

    def admits(self, now_s: float) -> bool:
        return not self._openings or (now_s >= self.open_until_s and not self._probing)

    def sent(self, now_s: float) -> None:
        self._probing = self._openings > 0 and now_s >= self.open_until_s

    def succeeded(self, now_s: float, sent_s: float) -> None:
        if sent_s < self._opened_s:
            return
        if self._openings:
            self._recent.clear()
        self._row = self._openings = 0
        self.open_until_s = 0.0
        self._recent.append((now_s, True))

    def failed(self, now_s: float, sent_s: float, reason: str) -> None:
        """Count a failure; a failed probe opens at once."""
        if sent_s < self._opened_s:
            return
        self._row += 1
        self._recent.append((now_s, False))
        in_a_row = self._openings > 0 or self._row >= IN_A_ROW
        if in_a_row or self._mostly_failing(now_s):
            self.open_for(FIRST_OPEN_S * 2 ** min(self._openings, _MOST_DOUBLINGS), now_s, reason)
            self.by_share = not in_a_row

    def open_for(self, seconds: float, now_s: float, reason: str) -> None:
        """Open until at least then: a provider's Retry-After, a refused key, or our own count."""
        if now_s >= self.open_until_s:
            self._openings += 1
            self._opened_s = now_s
        self.open_until_s = max(self.open_until_s, now_s + min(seconds, LONGEST_OPEN_S))
        self.reason, self._probing, self.by_share = reason, False, False

    def returned(self, sent_s: float) -> None:
        """However it ended: a client that left before the probe said anything makes way for the next."""
        if sent_s >= self._opened_s:
            self._probing = False

    def _mostly_failing(self, now_s: float) -> bool:
        recent = [succeeded for at_s, succeeded in self._recent if at_s >= now_s - SPAN_S]
        return len(recent) >= SPAN_COUNT and recent.count(False) >= SPAN_SHARE * len(recent)

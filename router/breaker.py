"""A Breaker keeps requests from a provider that fails: closed, open until an instant, then half open for one probe.

It opens after five failures in a row, or when half of ten or more outcomes within 10 s failed; each opening in a row
doubles its time. It reads no clock: instants are monotonic seconds that the caller gives.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

IN_A_ROW = 5
SPAN_S, SPAN_COUNT, SPAN_SHARE = 10.0, 10, 0.5
FIRST_OPEN_S, LONGEST_OPEN_S = 2.0, 60.0


@dataclass(slots=True)
class Breaker:
    open_until_s: float = 0.0
    reason: str = ""
    probing: bool = False  # half open, and its one probe is on its way
    by_share: bool = False  # opened for failing often, not for failing always
    _row: int = 0
    _openings: int = 0
    _recent: deque[tuple[float, bool]] = field(default_factory=deque)

    def state(self, now_s: float) -> str:
        if now_s < self.open_until_s:
            return "open"
        return "half-open" if self._openings else "closed"

    def admits(self, now_s: float) -> bool:
        state = self.state(now_s)
        return state == "closed" or (state == "half-open" and not self.probing)

    def sent(self, now_s: float) -> None:
        self.probing = self.state(now_s) == "half-open"

    def succeeded(self, now_s: float) -> None:
        if self._openings and now_s >= self.open_until_s:
            self._recent.clear()
            self._openings = 0
        self.probing = False
        self._row = 0
        self._recent.append((now_s, True))

    def failed(self, now_s: float, reason: str) -> None:
        """Count a failure; a failed probe opens at once."""
        self._row += 1
        self._recent.append((now_s, False))
        in_a_row = self.state(now_s) == "half-open" or self._row >= IN_A_ROW
        if in_a_row or self._mostly_failing(now_s):
            self.open_for(FIRST_OPEN_S * 2**self._openings, now_s, reason)
            self.by_share = not in_a_row

    def open_for(self, seconds: float, now_s: float, reason: str) -> None:
        """Open until at least then: a provider's Retry-After, a refused key, or our own count."""
        if now_s >= self.open_until_s:
            self._openings += 1
        self.open_until_s = max(self.open_until_s, now_s + min(seconds, LONGEST_OPEN_S))
        self.reason, self.probing, self.by_share = reason, False, False

    def gave_up(self) -> None:
        """The client left before the probe said anything."""
        self.probing = False

    def _mostly_failing(self, now_s: float) -> bool:
        while self._recent and self._recent[0][0] < now_s - SPAN_S:
            self._recent.popleft()
        failures = sum(not succeeded for _, succeeded in self._recent)
        return len(self._recent) >= SPAN_COUNT and failures >= SPAN_SHARE * len(self._recent)

"""Keys admit callers: SHA-256 digests in memory, a rate, a number in flight and a daily spend for each.

Digests come from the environment, never the keys themselves. Spend is an estimate kept in memory: a restart or a second
instance begins anew, so set the provider's own budget, too. It reads no clock.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from providers.errors import ConfigError

_DAY_S = 86400.0
_DIGEST_CHARS = 64


@dataclass(frozen=True, slots=True)
class Quota:
    """None is without limit; ``rps`` is a token bucket two seconds deep."""

    rps: float | None = None
    in_flight: float | None = None
    usd_per_day: float | None = None


@dataclass(slots=True)
class Account:
    """What one key has used. ``reserved_usd`` is the worst case of what is in flight."""

    name: str
    quota: Quota
    in_flight: int = 0
    spent_usd: float = 0.0
    reserved_usd: float = 0.0
    _day: int = -1
    _tokens: float = 0.0
    _at_s: float = field(default=float("-inf"))

    def refusal(self, worst_usd: float, now_s: float) -> str:
        """Why a request may not begin now; empty, and counted, when it may."""
        if int(now_s // _DAY_S) != self._day:
            self._day, self.spent_usd = int(now_s // _DAY_S), 0.0
        quota = self.quota
        if quota.usd_per_day is not None and self.spent_usd + self.reserved_usd + worst_usd > quota.usd_per_day:
            return f"{self.name}: the day's {quota.usd_per_day:g} USD are spent or reserved"
        if quota.in_flight is not None and self.in_flight >= quota.in_flight:
            return f"{self.name}: {quota.in_flight:g} requests are in flight"
        if quota.rps is not None and not self._take(quota.rps, now_s):
            return f"{self.name}: more than {quota.rps:g} requests/s"
        self.in_flight += 1
        self.reserved_usd += worst_usd
        return ""

    def settle(self, worst_usd: float, cost_usd: float) -> None:
        self.in_flight -= 1
        self.reserved_usd -= worst_usd
        self.spent_usd += cost_usd

    def _take(self, rps: float, now_s: float) -> bool:
        depth = max(1.0, 2 * rps)
        self._tokens = min(depth, self._tokens + (now_s - self._at_s) * rps)
        self._at_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def new_key() -> tuple[str, str]:
    """A key of 32 random bytes and its digest."""
    key = f"nr-{secrets.token_urlsafe(32)}"
    return key, digest(key)


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def parse_digests(variable: str, text: str) -> tuple[str, ...]:
    """Comma-separated SHA-256 digests; ConfigError for what is none, such as a key itself, which is not repeated."""
    found = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    for part in found:
        if len(part) != _DIGEST_CHARS or set(part) - set("0123456789abcdef"):
            raise ConfigError(f"{variable}: an entry is no SHA-256 digest; make one with: python -m router keys new")
    return found


def holder(digests: tuple[str, ...], authorization: bytes) -> int | None:
    """Which digest the bearer key of a header has; all are compared, so that time tells nothing."""
    scheme, _, key = authorization.partition(b" ")
    offered = hashlib.sha256(key.strip()).hexdigest()
    same = [hmac.compare_digest(offered, known) for known in digests]
    return same.index(True) if scheme.lower() == b"bearer" and True in same else None

"""A Record is what became of a call: for the log line, the metrics and the reply's headers; no prompt, no key."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from providers.dialects.base import Usage

CHARS_PER_TOKEN = 4  # an estimate, used for the choice and where a provider reports no usage


@dataclass(slots=True)
class Record:
    """``overhead_s`` until the first attempt was sent; ``first_s`` to the first output of the one that answered."""

    begun_s: float
    caller: str = ""
    strategy: str = ""
    provider: str = ""
    attempts: int = 0
    choice: str = ""
    outcome: str = "error"
    status: int = 0
    committed: bool = False  # something of an answer has reached the client
    overhead_s: float | None = None
    first_s: float | None = None
    chars: int = 0
    usage: Usage | None = None

    @property
    def output_tokens(self) -> int:
        """As billed; an estimate where the provider did not say."""
        billed = self.usage.output_tokens if self.usage else None
        return -(-self.chars // CHARS_PER_TOKEN) if billed is None else billed

    def line(self) -> dict[str, Any]:
        names = ("caller", "strategy", "provider", "attempts", "outcome", "status", "first_s", "output_tokens")
        return {name: getattr(self, name) for name in names} | {"seconds": round(time.monotonic() - self.begun_s, 6)}

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Who answers, after how many attempts, and with which terms of J."""
        said = {"provider": self.provider, "attempts": self.attempts, "strategy": self.strategy, "choice": self.choice}
        return [(f"x-router-{name}".encode(), str(value).encode()) for name, value in said.items() if value]

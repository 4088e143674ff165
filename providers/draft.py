"""A Draft is a prompt before its nonce: the same for every provider. A Source is whatever drafts come from.

Neither knows providers, runs or cache policies' nonces: ``providers.workload`` adds these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Draft(NamedTuple):  # made once a request, on the load's path: a frozen dataclass takes three times as long
    """``cold`` is what its nonce depends on: drafts that are meant to share a cached prefix share it."""

    prompt_id: str
    messages: tuple[tuple[str, str], ...]  # (role, content)
    input_tokens: int | None  # None where only a tokenizer could tell
    output_tokens: int
    cold: str
    session: str = ""
    turn: int | None = None


class Source(Protocol):
    """An endless sequence of drafts, any of which can be asked for by its index."""

    @property
    def largest(self) -> tuple[int, int]:
        """Input and output tokens that no draft exceeds."""
        ...

    @property
    def turns_max(self) -> int: ...

    @property
    def content_sha256(self) -> str:
        """Hash of what was read from a file; empty where the declaration says it all."""
        ...

    def draft(self, seed: int, index: int, abreast: int | None, history: Sequence[str]) -> Draft: ...

    def tokens(self, seed: int, index: int) -> tuple[int, int]:
        """Input and output tokens of one draft, without writing it."""
        ...

"""The contract of every format the simulator plays: how it is asked, how it answers, how it refuses.

A format opens no socket and reads no clock: ``exchange`` decides when its bytes are written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import orjson

from providers.simulator.ask import Ask
from providers.simulator.quota import Quota
from providers.simulator.refusal import Headers, Refusal

TEXT = "\x00"  # stands in a document where the words will; JSON writes it as _HOLE
_HOLE = b"\\u0000"


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it came: ``model`` and ``action`` are what the path said."""

    document: Mapping[str, Any]
    headers: Mapping[bytes, bytes]
    query: bytes = b""
    model: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """Tokens of one whole answer: input includes what was cached or written to a cache, output includes reasoning."""

    input: int
    cached: int
    cache_write: int
    output: int
    reasoning: int

    @property
    def fresh(self) -> int:
        """Input that was neither cached nor written: what Anthropic and AWS call input."""
        return self.input - self.cached - self.cache_write

    @property
    def total(self) -> int:
        return self.input + self.output


@dataclass(frozen=True, slots=True)
class Answer:
    """What will be said, but for its words. ``first_s`` and ``last_s`` are when, by the plan, after the arrival."""

    id: str
    created: float  # unix seconds
    model: str
    ask: Ask
    counts: Counts
    finish: Literal["stop", "length"]
    first_s: float
    last_s: float


class Frames(Protocol):
    """One answer, event by event; each item of a sequence is one event and one write."""

    content_type: bytes

    def opening(self) -> Sequence[bytes]:
        """What stands before the first words, and holds none."""
        ...

    def content(self, text: bytes, *, reasoning: bool) -> bytes: ...

    def turn(self) -> Sequence[bytes]:
        """What stands between the last reasoning and the first answer."""
        ...

    def closing(self) -> Sequence[bytes]:
        """Finish, usage and the terminal marker, as far as the format has them; at least one event."""
        ...

    def broken(self) -> bytes:
        """An event that no correct client can read."""
        ...

    def error(self, message: str) -> bytes:
        """A server's failure inside a stream."""
        ...

    def whole(self, reasoning: str, answer: str) -> bytes:
        """The unary answer."""
        ...


class Format(Protocol):
    """One wire format."""

    def ask(self, call: Call) -> Ask:
        """What is wanted, or the Refusal of what the format forbids."""
        ...

    def frames(self, answer: Answer) -> Frames: ...

    def refused(self, refusal: Refusal, request_id: str) -> tuple[int, Headers, object]:
        """(status, headers, document) of an error answer."""
        ...

    def headers(self, request_id: str, quota: Quota | None) -> Headers:
        """What every answer carries, beside our own ``x-request-id``."""
        ...


def around(document: object) -> tuple[bytes, bytes]:
    """The document as JSON, before and after its one TEXT: rendered once, filled in for every chunk."""
    before, after = orjson.dumps(document).split(_HOLE)
    return before, after


def sse(document: object, event: str = "") -> bytes:
    """A server-sent event."""
    name = b"event: %b\n" % event.encode() if event else b""
    return b"%bdata: %b\n\n" % (name, orjson.dumps(document))

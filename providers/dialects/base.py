"""The sans-I/O contract of every wire format: pure functions from a prompt to bytes, and from bytes to events.

A dialect does not open sockets, read clocks, or know who called: the gevent load process, the asyncio router and the
tests share it. Nobody changes an event; they are not declared frozen because one is made per token, and frozen ones
take three times as long to make.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from providers.sample import ErrorKind
from providers.spec import Provider

Category = Literal["answer", "reasoning", "tool"]
FinishReason = Literal["stop", "length", "content_filter", "tool", "error", "other"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What every provider is asked. ``prompt_id`` names the text, without the nonce that keeps caches cold."""

    prompt_id: str
    messages: tuple[tuple[str, str], ...]  # (role, content)
    target_input_tokens: int | None = None
    target_output_tokens: int | None = None
    session: str = ""
    turn: int | None = None


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """``headers`` lack host, length and authentication: the transport and ``auth`` add them."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Fragment:
    """Non-empty text that reached the user; ``tokens``: how many have come with it, where its own frame counts them."""

    category: Category
    text: str
    tokens: int | None = None


@dataclass(slots=True)
class Usage:
    """Totals as billed: input includes cached, output includes reasoning. None is unknown; the last known one wins."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None


def count(value: object) -> int | None:
    """A token count as providers send it; None for whatever is none (text, a fraction, a mapping, below 0)."""
    number = amount(value)
    return int(number) if number is not None and number == int(number) else None


def amount(value: object) -> float | None:
    """A finite number, 0 or more; None for whatever is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        return None
    return float(value)


def milliseconds_s(text: str | None) -> float | None:
    """A header's milliseconds in seconds; None for whatever is no plain number."""
    return int(text) / 1000 if text and len(text) < 10 and text.isascii() and text.isdecimal() else None


@dataclass(slots=True)
class Finish:
    """``ends`` is false where the format promises a terminal marker of its own, still to come."""

    reason: FinishReason
    ends: bool = True


@dataclass(slots=True)
class Served:
    """Who answered, by its own word, and how long it says that took."""

    model: str = ""
    region: str = ""
    request_id: str = ""
    server_s: float | None = None


@dataclass(slots=True)
class Failure:
    """A failure the provider itself reported, in place of an answer or inside one."""

    kind: ErrorKind
    message: str
    retry_after_s: float | None = None


@dataclass(slots=True)
class End:
    """The terminal marker: what ends a stream that is whole."""


Event = Fragment | Usage | Finish | Served | Failure | End


class Framer(Protocol):
    """Cuts a byte stream into frames; ``feed`` returns those the new bytes completed."""

    def feed(self, data: bytes) -> list[bytes]: ...

    def close(self) -> list[bytes]:
        """What a stream without a final line end still held."""
        ...


class Dialect(Protocol):
    """One wire format."""

    name: str
    ignores: frozenset[str]  # keys of ``request`` that the format has no word for: they are not sent

    def build(self, prompt: Prompt, provider: Provider) -> HttpRequest: ...

    def framer(self, *, stream: bool) -> Framer: ...

    def events(self, frame: bytes) -> Sequence[Event]:
        """The events of one frame; unknown ones are ignored. ValueError when the frame is malformed."""
        ...

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        """What an HTTP error answer means. Header names come in lower case."""
        ...

    def served(self, headers: Mapping[str, str]) -> Served: ...

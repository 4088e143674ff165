"""A Reply is what one exchange amounted to: the one place that owns TTFT, E2E, gaps, tokens and the rule of success.

It works on (arrival, bytes) pairs after the stream has ended, so nothing here can disturb a clock. Success = terminal
marker seen, no error event, at least one content fragment; HTTP 200 alone is not success. It does not know where the
pairs come from, nor what a request costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter, sub

from providers.dialects.base import Category, Dialect, End, Event, Failure, Finish, Fragment, Served, Usage
from providers.dialects.failures import kind_of_status
from providers.sample import ErrorKind


@dataclass(slots=True)  # not frozen: this and Chunk are made per token, as the events of base are
class Arrival:
    """One read of body bytes: seconds since s, and whether it covered several network segments."""

    at_s: float
    data: bytes
    merged: bool = False


@dataclass(slots=True)
class Chunk:
    """One content-bearing event, dated by the read that completed it."""

    at_s: float
    read: int
    merged: bool
    fragments: Sequence[Fragment]

    @property
    def chars(self) -> int:
        return sum(len(fragment.text) for fragment in self.fragments)


UNKNOWN = Usage()
_figures = attrgetter(*Usage.__slots__)


@dataclass(slots=True)
class Reply:
    """What was said, and when. ``failure`` is None for success."""

    chunks: list[Chunk] = field(default_factory=list)
    usage: Usage = field(default_factory=lambda: UNKNOWN)
    served: Served = field(default_factory=Served)
    finish: str = ""
    ended: bool = False
    failure: Failure | None = None
    said: dict[Category, int] = field(default_factory=lambda: {"answer": 0, "reasoning": 0, "tool": 0})  # characters

    @property
    def ttft_s(self) -> float | None:
        return self.chunks[0].at_s if self.chunks else None

    @property
    def ttfo_s(self) -> float | None:
        """First answer fragment: where reasoning streams first, later than TTFT."""
        for chunk in self.chunks if self.said["answer"] else ():
            for fragment in chunk.fragments:
                if fragment.category == "answer":
                    return chunk.at_s
        return None

    @property
    def e2e_s(self) -> float | None:
        return self.chunks[-1].at_s if self.chunks else None

    @property
    def gaps_s(self) -> list[float]:
        times = [chunk.at_s for chunk in self.chunks]
        return list(map(sub, times[1:], times))

    @property
    def bounded(self) -> list[bool]:
        """Per chunk: it shares a read of several segments with a *later* chunk.

        Such a read carries its last segment's time, so only the last chunk in it is exact.
        """
        reads = [chunk.read for chunk in self.chunks]
        return [c.merged and c.read == later for c, later in zip(self.chunks, [*reads[1:], None], strict=False)]

    def text(self, category: str) -> str:
        return "".join(f.text for c in self.chunks for f in c.fragments if f.category == category)

    def chars(self, *categories: Category) -> int:
        return sum(map(self.said.__getitem__, categories))

    @property
    def output_tokens(self) -> int | None:
        """Billed total where the provider said it; else one token for four characters, marked as an estimate."""
        if self.usage.output_tokens is not None:
            return self.usage.output_tokens
        chars = self.chars("answer", "reasoning", "tool")
        return max(1, round(chars / 4)) if chars else None

    @property
    def token_source(self) -> str:
        if self.usage.output_tokens is not None:
            return "usage"
        return "estimate" if self.chunks else ""

    @property
    def first_chunk_tokens(self) -> float | None:
        """n1: the provider's per-chunk count, else M x characters at c1 / all streamed characters, at least 1."""
        total = self.output_tokens
        if total is None or not self.chunks:
            return None
        first = self.chunks[0]
        counted = [fragment.tokens for fragment in first.fragments if fragment.tokens is not None]
        if counted:
            return float(sum(counted))
        streamed = total - (0 if self.said["reasoning"] else self.usage.reasoning_tokens or 0)
        return max(1.0, streamed * first.chars / sum(self.said.values()))


def read_reply(
    dialect: Dialect, status: int, headers: Mapping[str, str], arrivals: Sequence[Arrival], *, stream: bool
) -> Reply:
    """The reply of a complete or broken answer; it never raises, a broken frame becomes the failure ``protocol``."""
    reply = Reply(served=dialect.served(headers))
    if status != 200:
        reply.failure = _refusal(dialect, status, headers, b"".join(arrival.data for arrival in arrivals))
        return reply
    if "text/html" in headers.get("content-type", ""):  # a gateway's or a login page, whatever its status says
        page = b"".join(arrival.data for arrival in arrivals).decode("utf-8", "replace")
        reply.failure = Failure("protocol", page or "an empty web page")
        return reply
    stream = stream and "application/json" not in headers.get("content-type", "")  # some answer unary all the same
    framer = dialect.framer(stream=stream)
    for read, arrival in enumerate(arrivals):
        for frame in framer.feed(arrival.data):
            _take(reply, dialect, frame, arrival, read)
    if arrivals:
        broken: ErrorKind = "truncated" if stream else "protocol"  # a stream's last frame, without its end, was cut
        for frame in framer.close():
            _take(reply, dialect, frame, arrivals[-1], len(arrivals) - 1, broken)
    if reply.failure is None:
        reply.failure = _verdict(reply)
    return reply


_BROKEN = (ValueError, AttributeError, TypeError, KeyError, IndexError)  # what data of the wrong shape raises


def _refusal(dialect: Dialect, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    try:
        return dialect.failure(status, headers, body)
    except _BROKEN:
        return Failure(kind_of_status(status), f"HTTP {status} with a body of an unknown shape")


def _take(
    reply: Reply, dialect: Dialect, frame: bytes, arrival: Arrival, read: int, broken: ErrorKind = "protocol"
) -> None:
    try:
        events = dialect.events(frame)
    except _BROKEN as error:
        if broken == "truncated" and reply.ended:
            return  # what broke off behind the end changes nothing
        reply.failure = reply.failure or Failure(broken, f"malformed frame: {error}")
        return
    fragments = []
    for event in events:
        if isinstance(event, Fragment):
            fragments.append(event)
            reply.said[event.category] += len(event.text)
        else:
            _note(reply, event)
    if fragments:
        reply.chunks.append(Chunk(arrival.at_s, read, arrival.merged, fragments))


def _note(reply: Reply, event: Event) -> None:
    match event:
        case Served():
            reply.served = _merged(reply.served, event)
        case Usage():
            reply.usage = _known(reply.usage, event)
        case Finish(reason):
            reply.finish = reason
            reply.ended = reply.ended or event.ends  # mostly terminal: some servers never send [DONE]
        case End():
            reply.ended = True
        case Failure():
            reply.failure = reply.failure or event


def _merged(before: Served, now: Served) -> Served:
    if now.model == before.model and not now.region and not now.request_id and now.server_s is None:
        return before  # every frame but the first repeats the model
    took = before.server_s if now.server_s is None else now.server_s
    return Served(now.model or before.model, now.region or before.region, now.request_id or before.request_id, took)


def _known(before: Usage, now: Usage) -> Usage:
    """What is said later wins; what it leaves out stands: some formats tell input first and output last."""
    if before is UNKNOWN:
        return now
    return Usage(*(old if new is None else new for old, new in zip(_figures(before), _figures(now), strict=True)))


def _verdict(reply: Reply) -> Failure | None:
    """The rule of success, for a stream that reported no failure itself."""
    if not reply.ended:
        return Failure("truncated", "the stream ended without a terminal marker")
    if reply.finish == "content_filter":
        return Failure("content_filter", "the provider's filter ended the answer")
    if reply.finish == "error":
        return Failure("server", "the provider ended the answer with an error")
    if not reply.chunks:
        hidden = reply.usage.reasoning_tokens if reply.finish == "length" else None
        spent = f": its cap went into {hidden} tokens of hidden reasoning" if hidden else ""
        return Failure("protocol", f"the answer held no content{spent}")
    return None

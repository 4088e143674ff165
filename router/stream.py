"""A stream as the router sees it: raw events, every byte kept, and for each what it means for failing over.

Meaning comes from the dialect openai-chat, the same functions that read a measured stream. No I/O, no clock.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import orjson

from providers.dialects import DIALECTS
from providers.dialects.base import End, Failure, Finish, Fragment, Served, Usage
from providers.dialects.sse import SseFramer

CHAT = DIALECTS["openai-chat"]
BROKEN_TYPE = "upstream_stream_error"
_BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n|\r\r")


@dataclass(slots=True)
class Seen:
    """``chars`` of output; ``failure`` is empty for health; ``only_usage`` holds nothing else a client could want."""

    chars: int = 0
    ended: bool = False  # [DONE] or a finish reason: a stream without either was cut
    failure: str = ""
    usage: Usage | None = None
    only_usage: bool = False


class RawEvents:
    """Feeds on bytes, gives the raw bytes of each event that is whole, its blank line included."""

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        data, events, begin = self.rest + data, [], 0
        for blank in _BLANK_LINE.finditer(data):
            events.append(data[begin : blank.end()])
            begin = blank.end()
        self.rest = data[begin:]
        return events


def look(raw: bytes) -> Seen:
    """What one raw event says; a broken one is a failure, a comment says nothing."""
    seen = Seen()
    framer = SseFramer()
    for frame in framer.feed(raw) + framer.close():
        if frame.strip() == b"[DONE]":
            seen.ended = True
        else:
            read(frame, seen)
    return seen


def read(frame: bytes, seen: Seen) -> None:
    """Add what a JSON document says: an event of a stream, or a whole answer."""
    try:
        events = CHAT.events(frame)
    except (ValueError, AttributeError, TypeError, KeyError):
        seen.failure = "malformed"
        return
    for event in events:
        if isinstance(event, Fragment):
            seen.chars += len(event.text)
        elif isinstance(event, Usage):
            seen.usage = event
        elif isinstance(event, Failure):
            seen.failure = event.kind
        elif isinstance(event, Finish | End):
            seen.ended = True
    seen.only_usage = seen.usage is not None and all(isinstance(e, Usage | Served) for e in events)


def broken(message: str) -> bytes:
    """The event that tells a client its stream broke: what follows is the end, and never ``[DONE]``."""
    error = {"message": message, "type": BROKEN_TYPE, "param": None, "code": BROKEN_TYPE}
    return b"data: " + orjson.dumps({"error": error}) + b"\n\n"

"""A Reading is what an answer has said so far: every byte kept, its meaning taken from the dialect openai-chat.

No I/O, no clock. It does not know who reads on, nor what a failure leads to.
"""

from __future__ import annotations

import re

import orjson

from providers.dialects import DIALECTS
from providers.dialects.base import End, Failure, Finish, Fragment, Served, Usage
from providers.dialects.sse import SseFramer

CHAT = DIALECTS["openai-chat"]
EVENT_BYTES = 1 << 20
_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_BROKEN = (ValueError, AttributeError, TypeError, KeyError)


class Reading:
    """``chars`` of output; ``ended`` once it was said to be whole; ``failure`` is empty while all is well."""

    def __init__(self, *, keeps_usage: bool) -> None:
        self.chars = 0
        self.ended = False
        self.failure = ""
        self.usage: Usage | None = None
        self._keeps_usage = keeps_usage
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """The events that are whole now, byte for byte, up to the first broken one."""
        data, begin, whole = self._rest + data, 0, []
        for blank in _BLANK_LINE.finditer(data):
            raw, begin = data[begin : blank.end()], blank.end()
            wanted = self._look(raw)
            if self.failure:
                break
            whole += [raw] if wanted else []
        self._rest = data[begin:]
        if len(self._rest) > EVENT_BYTES:
            self.failure = "too_large"
        return b"".join(whole)

    def close(self) -> bytes:
        """What came without its blank line; a stream that never said it was whole was cut."""
        rest, self._rest = self._rest, b""
        if rest:
            self._look(rest + b"\n\n")
        self._settle()
        return rest

    def whole(self, body: bytes) -> None:
        """An answer that is one document."""
        self._hear(body)
        self._settle()

    def _settle(self) -> None:
        if not (self.failure or self.ended):
            self.failure = "truncated" if self.chars else "empty"

    def _look(self, raw: bytes) -> bool:
        """Take in one event; False for a usage report that only we asked for."""
        wanted = True
        for frame in SseFramer().feed(raw):
            if frame.strip() == b"[DONE]":
                self.ended = self.ended or self.chars > 0
            else:
                wanted = self._hear(frame)
        return wanted

    def _hear(self, frame: bytes) -> bool:
        try:
            events = CHAT.events(frame)
        except _BROKEN:
            self.failure = "malformed"
            return True
        for event in events:
            if isinstance(event, Fragment):
                self.chars += len(event.text)
            elif isinstance(event, Usage):
                self.usage = event
            elif isinstance(event, Failure):
                self.failure = event.kind
            elif isinstance(event, Finish) or (isinstance(event, End) and self.chars):
                self.ended = True
        reports = not self._keeps_usage and events and all(isinstance(event, Usage | Served) for event in events)
        return not reports or not any(isinstance(event, Usage) for event in events) or _has_choices(frame)


def _has_choices(frame: bytes) -> bool:
    """An event with choices is a part of the answer, whatever usage it carries."""
    return bool(orjson.loads(frame).get("choices"))

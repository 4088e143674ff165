"""Server-sent events on bytes: only LF, CRLF and CR end a line, so that text may hold any other separator.

The grammar is the WHATWG's (HTML, "Server-sent events"); ``id`` and ``retry`` mean nothing here and are dropped.
"""

from __future__ import annotations


class SseFramer:
    """Feeds on bytes, gives the data of each completed event; comments and empty events give nothing."""

    def __init__(self) -> None:
        self._tail = b""
        self._data: list[bytes] = []
        self._after_cr = False  # the last byte was a CR: a LF that follows belongs to it

    def feed(self, data: bytes) -> list[bytes]:
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self._tail = (self._tail + data).split(b"\n")
        return [frame for line in lines if (frame := self._line(line)) is not None]

    def close(self) -> list[bytes]:
        """The last event of a stream that lacks its blank line."""
        tail, self._tail = self._tail, b""
        ended = [self._line(tail) if tail else None, self._line(b"")]
        return [frame for frame in ended if frame is not None]

    def _line(self, line: bytes) -> bytes | None:
        """The event a line completed, if any."""
        if not line:
            data, self._data = self._data, []
            return b"\n".join(data) if data else None
        if line.startswith(b"data:"):
            value = line[5:]
            self._data.append(value[1:] if value[:1] == b" " else value)
        elif line == b"data":
            self._data.append(b"")
        return None


class WholeFramer:
    """An answer that is one JSON document: the frame is complete when the body is."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        self._parts.append(data)
        return []

    def close(self) -> list[bytes]:
        body = b"".join(self._parts)
        return [body] if body.strip() else []

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
        if data.startswith(b"data: ") and data.endswith(b"\n\n") and self._alone(data):
            return [data[6:-2]]
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self._tail = (self._tail + data).split(b"\n")
        return self._frames(lines)

    def close(self) -> list[bytes]:
        """The last event of a stream that lacks its blank line."""
        tail, self._tail = self._tail, b""
        return self._frames([tail, b""] if tail else [b""])

    def _alone(self, data: bytes) -> bool:
        """One event of one line, whole, with nothing before it: nearly every read is, and its lines need no look."""
        return data.count(b"\n") == 2 and b"\r" not in data and not (self._tail or self._data or self._after_cr)

    def _frames(self, lines: list[bytes]) -> list[bytes]:
        """The events that these lines completed."""
        frames = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line.startswith(b" ", 5) else line[5:])
            elif line == b"data":
                self._data.append(b"")
            elif not line and self._data:
                data, self._data = self._data, []
                frames.append(b"\n".join(data))
        return frames


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

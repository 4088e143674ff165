"""One JSON document a line. It does not know what the documents say."""

from __future__ import annotations


class NdjsonFramer:
    """Feeds on bytes, gives each whole line that is not blank."""

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, data: bytes) -> list[bytes]:
        *lines, self._tail = (self._tail + data).split(b"\n")
        return [line for line in lines if line.strip()]

    def close(self) -> list[bytes]:
        """A last line without its end."""
        tail, self._tail = self._tail, b""
        return [tail] if tail.strip() else []

"""AWS event streams (``application/vnd.amazon.eventstream``): length-prefixed binary messages with two checksums.

A message is its length (4 bytes), the length of its headers (4), a CRC32 of these (4), headers, payload, and a CRC32 of
all before it (4). The framer trusts a length only when its checksum holds; ``message`` checks the rest. Neither knows
what an event means.
"""

from __future__ import annotations

import struct
from zlib import crc32

from providers.dialects.base import Failure
from providers.dialects.failures import error_words, failure_inside

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_LONGEST = 24 * 2**20 + 128 * 2**10  # payload and headers, by AWS's own limits
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}  # of header values, by type; 6 and 7 carry their own
_BYTES, _TEXT = 6, 7


class EventStreamFramer:
    """Feeds on bytes, gives whole messages; after a broken prelude, which it gives too, nothing can be found again."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._lost = False

    def feed(self, data: bytes) -> list[bytes]:
        frames: list[bytes] = []
        self._held += data
        while not self._lost and len(self._held) >= _PRELUDE.size:
            length, _, checksum = _PRELUDE.unpack_from(self._held)
            self._lost = crc32(self._held[:8]) != checksum or not 16 <= length <= _LONGEST
            taken = _PRELUDE.size if self._lost else length
            if len(self._held) < taken:
                break
            frames.append(bytes(self._held[:taken]))
            del self._held[:taken]
        return frames

    def close(self) -> list[bytes]:
        return []  # half a message is none: the stream lacks its end


def message(frame: bytes) -> tuple[dict[str, str], bytes]:
    """(headers that are text, payload); ValueError when a checksum or a length does not hold."""
    if len(frame) < 16:
        raise ValueError("event stream: a message too short, or its prelude's checksum does not hold")
    length, of_headers, checksum = _PRELUDE.unpack_from(frame)
    if checksum != crc32(frame[:8]) or length != len(frame) or of_headers > length - 16:
        raise ValueError("event stream: the prelude's checksum does not hold")
    if _CRC.unpack_from(frame, length - 4)[0] != crc32(frame[: length - 4]):
        raise ValueError("event stream: the message's checksum does not hold")
    return _headers(frame[12 : 12 + of_headers]), frame[12 + of_headers : -4]


def _headers(data: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at < len(data):
        name = data[at + 1 : at + 1 + data[at]].decode()
        at += 1 + data[at]
        kind = data[at]
        at += 1
        if kind in (_BYTES, _TEXT):
            size = int.from_bytes(data[at : at + 2], "big")
            if kind == _TEXT:
                found[name] = data[at + 2 : at + 2 + size].decode()
            at += 2 + size
        else:
            at += _SIZES[kind]
    return found


def stream_failure(headers: dict[str, str], payload: bytes) -> Failure | None:
    """What went wrong after HTTP 200: a message of type ``exception`` (modelled) or ``error`` (not)."""
    kind = headers.get(":message-type", "event")
    if kind == "event":
        return None
    message, code = error_words(payload)
    code = headers.get(":exception-type") or headers.get(":error-code") or code
    return failure_inside(code, message or headers.get(":error-message", ""))

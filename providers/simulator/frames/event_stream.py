"""AWS event streams (``application/vnd.amazon.eventstream``): messages of named headers and JSON, with two checksums.

It writes what ``providers.dialects.eventstream`` reads, and shares no code with it: a mistake in one shows.
"""

from __future__ import annotations

import struct
from zlib import crc32

import orjson

CONTENT_TYPE = b"application/vnd.amazon.eventstream"
_STRING = 7
_LENGTHS = struct.Struct(">II")
_CRC = struct.Struct(">I")


def head(kind: str, name: str) -> bytes:
    """The encoded headers of an ``event`` or an ``exception``."""
    fields = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    return b"".join(
        bytes((len(key),)) + key.encode() + struct.pack(">BH", _STRING, len(value)) + value.encode()
        for key, value in fields.items()
    )


def message(headers: bytes, payload: bytes) -> bytes:
    prelude = _LENGTHS.pack(len(headers) + len(payload) + 16, len(headers))
    checked = prelude + _CRC.pack(crc32(prelude)) + headers + payload
    return checked + _CRC.pack(crc32(checked))


def event(name: str, document: object) -> bytes:
    return message(head("event", name), orjson.dumps(document))


def exception(name: str, text: str) -> bytes:
    return message(head("exception", name), orjson.dumps({"message": text}))


def flipped(whole: bytes) -> bytes:
    """The message with one wrong bit in its payload: its checksum no longer holds."""
    at = len(whole) - 6
    return whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :]

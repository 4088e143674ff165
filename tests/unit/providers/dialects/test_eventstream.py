"""AWS event streams: as botocore reads them, and nothing is believed whose checksum does not hold."""

from __future__ import annotations

import struct
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer

from providers.dialects.eventstream import EventStreamFramer, message
from tests.unit.providers.dialects.recorded import EVENT_STREAMS, aws_message

each = pytest.mark.parametrize("recording", EVENT_STREAMS, ids=lambda one: one.file)


@each
def test_messages_are_those_that_botocore_finds(recording):
    """Headers and payload, by AWS's own parser as the oracle."""
    buffer = EventStreamBuffer()
    buffer.add_data(recording.wire)
    theirs = [(dict(one.headers), one.payload) for one in buffer]
    assert theirs == [message(frame) for frame in recording.frames()]


@each
def test_one_flipped_bit_anywhere_is_never_a_success(recording):
    """Both checksums are looked at: in the prelude, the headers, the payload, and the checksums themselves."""
    wire = recording.wire
    flipped = [wire[:at] + bytes([wire[at] ^ 1 << at % 8]) + wire[at + 1 :] for at in range(len(wire))]
    kinds = {reply.failure.kind if reply.failure else "" for reply in (recording.read([one]) for one in flipped)}
    assert {"protocol"} == kinds


@each
def test_a_message_is_given_by_the_byte_that_completes_it(recording):
    """Times are dated by this."""
    framer, wire = EventStreamFramer(), recording.wire
    length = int.from_bytes(wire[:4], "big")
    assert [] == framer.feed(wire[: length - 1])
    assert [wire[:length]] == framer.feed(wire[length - 1 : length])


def test_headers_of_every_type_are_stepped_over():
    """Ten types are defined; those that are not text have nothing to say here."""
    values = [b"\x00", b"\x01", b"\x02a", b"\x03ab", b"\x04abcd", b"\x05abcdefgh", b"\x06\x00\x02xy", b"\x08abcdefgh",
              b"\x09abcdefghijklmnop"]  # fmt: skip
    head = b"".join(b"\x01h" + value for value in values) + b"\x0b:event-type\x07\x00\x04ping"
    prelude = struct.pack(">II", 16 + len(head), len(head))
    body = prelude + struct.pack(">I", crc32(prelude)) + head
    assert ({":event-type": "ping"}, b"") == message(body + struct.pack(">I", crc32(body)))


@pytest.mark.parametrize("frame", [b"", b"abc", b"x" * 40, aws_message("a", {})[:-1], aws_message("a", {}) + b"x"])
def test_what_is_no_message_is_a_value_error(frame):
    """Too short, too long, or noise."""
    with pytest.raises(ValueError, match="event stream"):
        message(frame)


def test_headers_longer_than_their_message_are_a_value_error():
    """A length that its own checksum confirms may still be nonsense."""
    prelude = struct.pack(">II", 16, 5000)
    body = prelude + struct.pack(">I", crc32(prelude))
    with pytest.raises(ValueError, match="event stream"):
        message(body + struct.pack(">I", crc32(body)))


def test_after_a_broken_prelude_nothing_more_is_read():
    """Its length cannot be trusted, so what follows cannot be found."""
    framer = EventStreamFramer()
    good = aws_message("messageStop", {"stopReason": "end_turn"})
    assert [b"\xff" * 12] == framer.feed(b"\xff" * 30) + framer.feed(good)


def test_a_length_beyond_awss_limit_is_not_waited_for():
    """Else a stream of noise would be held in memory to its end."""
    prelude = struct.pack(">II", 2**31, 0)
    broken = prelude + struct.pack(">I", crc32(prelude))
    assert [broken] == EventStreamFramer().feed(broken)

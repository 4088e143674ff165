"""Server-sent events: the same frames however the bytes are cut."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.dialects.sse import SseFramer, WholeFramer

LINE_ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@st.composite
def streams(draw):
    """(bytes, frames): events of JSON text, comments, fields and blank lines, with any of the three line ends."""
    wire, frames = b"", []
    for _ in range(draw(st.integers(0, 6))):
        end = draw(LINE_ENDS)
        noise = draw(st.sampled_from([b"", b": ping", b"event: x", b"id: 1", b"retry: 5", b":"]))
        data = [json.dumps({"t": draw(TEXT)}, ensure_ascii=False).encode() for _ in range(draw(st.integers(1, 2)))]
        space = draw(st.sampled_from([b"", b" "]))
        lines = [noise] * bool(noise) + [b"data:" + space + part for part in data]
        wire += b"".join(line + end for line in lines) + end
        frames.append(b"\n".join(data))
    return wire, frames


def framed(parts, framer=None):
    framer = framer or SseFramer()
    return [frame for part in parts for frame in framer.feed(part)] + framer.close()


@given(streams(), st.data())
def test_any_split_gives_the_same_frames(stream, data):
    """Cut at any bytes, inside UTF-8 sequences and line ends too, the events are the same."""
    wire, frames = stream
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    parts = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assert frames == framed(parts)


@given(streams())
def test_byte_by_byte_gives_the_same_frames(stream):
    """The worst of all networks changes nothing."""
    wire, frames = stream
    assert frames == framed(wire[i : i + 1] for i in range(len(wire)))


@pytest.mark.parametrize(
    ("wire", "frames"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data\n\n", [b""]),
        (b": comment\n\n", []),
        (b"event: ping\n\n", []),
        (b"data: last", [b"last"]),
        (b"data: last\n", [b"last"]),
        (b"data: last\r", [b"last"]),
        (b"\n\n\n", []),
        ('data: {"t": "\u2028\u0085"}\n\n'.encode(), ['{"t": "\u2028\u0085"}'.encode()]),
        (b"database: no\n\n", []),
    ],
)  # fmt: skip
def test_the_grammar_is_the_whatwgs(wire, frames):
    """Only LF, CRLF and CR end a line; comments and other fields give nothing; a missing blank line is forgiven."""
    assert frames == framed([wire])


def test_a_frame_is_given_by_the_bytes_that_complete_it():
    """Times are dated by this: not one read later, not one earlier."""
    framer = SseFramer()
    assert [] == framer.feed(b"data: a\n")
    assert [b"a"] == framer.feed(b"\n")
    assert [b"b"] == framer.feed(b"data: b\r\n\r\n")


def test_a_whole_document_is_one_frame_at_its_end():
    """Unary answers are framed by the end of their body; an empty body has no frame."""
    assert [b"{}"] == framed([b"{", b"}"], WholeFramer())
    assert [] == framed([b" \n"], WholeFramer())

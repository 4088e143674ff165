"""Every dialect against recorded answers: the right events however the bytes are cut, no success before the end."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.dialects import DIALECTS
from providers.dialects.base import End, Failure, Finish
from providers.dialects.reply import Arrival, read_reply
from tests.unit.providers.dialects.recorded import DATA, RECORDINGS, STREAMS, events, framed, has_content

each = pytest.mark.parametrize("recording", RECORDINGS, ids=lambda one: one.file)
each_stream = pytest.mark.parametrize("recording", STREAMS, ids=lambda one: one.file)


def summary(reply):
    """A reply without its times."""
    said = [[(f.category, f.text, f.tokens) for f in chunk.fragments] for chunk in reply.chunks]
    return said, reply.usage, reply.served, reply.finish, reply.ended, reply.failure


@each
def test_an_answer_is_read_as_it_was_meant(recording):
    """Text by category, tokens as totals, the finish in our words, the model that served."""
    reply = recording.read([recording.wire])
    told = dict.fromkeys(("answer", "reasoning", "tool"), "")
    for fragment in (fragment for chunk in reply.chunks for fragment in chunk.fragments):
        told[fragment.category] += fragment.text
    assert {"answer": recording.answer, "reasoning": recording.reasoning, "tool": recording.tool} == told
    assert (recording.usage, recording.finish, recording.model) == (reply.usage, reply.finish, reply.served.model)
    assert (recording.chunks, None) == (len(reply.chunks), reply.failure)


@each_stream
def test_the_first_token_is_the_first_text(recording):
    """Role, ping, signature, empty and filter frames come before it and are not content."""
    assert recording.first == [has_content(recording, frame) for frame in recording.frames()].index(True)


@each_stream
def test_a_stream_ends_with_the_frame_that_ends_it(recording):
    """No frame before it does: a message_delta, a messageStop and the last text are not the end."""
    ends = [
        any(isinstance(event, End) or (isinstance(event, Finish) and event.ends) for event in events(recording, frame))
        for frame in recording.frames()
    ]
    assert recording.end == ends.index(True)


@pytest.mark.parametrize("recording", [r for r in STREAMS if r.first_tokens], ids=lambda one: one.file)
def test_the_providers_own_count_of_the_first_chunk_wins(recording):
    """Where a frame with text counts the tokens so far, n1 is no guess from characters."""
    assert recording.first_tokens == recording.read([recording.wire]).first_chunk_tokens


@each
def test_cut_at_any_byte_a_stream_is_the_same_frames(recording):
    """Exhaustive: every one of its offsets."""
    wire, frames = recording.wire, recording.frames()
    assert [] == [cut for cut in range(len(wire)) if frames != framed(recording, [wire[:cut], wire[cut:]])]


@each
def test_byte_by_byte_an_answer_is_the_same(recording):
    """The worst of all networks changes the times and nothing else."""
    wire = recording.wire
    assert summary(recording.read([wire])) == summary(recording.read([wire[i : i + 1] for i in range(len(wire))]))


@given(st.sampled_from(RECORDINGS), st.data())
def test_cut_anywhere_an_answer_is_the_same(recording, data):
    """Any number of cuts, empty parts too."""
    wire = recording.wire
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=12)))
    parts = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assert summary(recording.read([wire])) == summary(recording.read(parts))


@each_stream
def test_cut_short_at_any_byte_a_stream_is_no_success(recording):
    """Until the frame that ends it is complete the kind is ``truncated``; from then on it is a success."""
    wire, whole = recording.wire, end_of(recording)
    kinds = [kind_of(recording.read([wire[:cut]])) for cut in range(len(wire) + 1)]
    assert {"truncated"} == set(kinds[:whole])
    assert {""} == set(kinds[whole:])


def kind_of(reply):
    return reply.failure.kind if reply.failure else ""


def end_of(recording):
    """The shortest prefix that holds the ending frame in full; a missing line end is forgiven."""
    wanted = recording.frames()[: recording.end + 1]
    wire = recording.wire
    return next(n for n in range(len(wire) + 1) if wanted == framed(recording, [wire[:n]])[: recording.end + 1])


@pytest.mark.parametrize("recording", [r for r in RECORDINGS if not r.stream], ids=lambda one: one.file)
def test_cut_short_at_any_byte_a_whole_answer_is_no_success(recording):
    """Half a document is malformed."""
    wire = recording.wire.rstrip()
    assert {"truncated", "protocol"} >= {kind_of(recording.read([wire[:cut]])) for cut in range(len(wire))}


@pytest.mark.parametrize("dialect", list(DIALECTS))
def test_every_dialect_is_recorded_streamed_and_whole(dialect):
    """None is known from its code alone, and no file lies about unread."""
    recorded = {one.stream for one in RECORDINGS if one.dialect == dialect}
    assert {True, False} == recorded
    files = {f"{dialect}/{path.name}" for path in (DATA / dialect).iterdir()}
    assert {one.file for one in RECORDINGS if one.dialect == dialect} == files


@given(st.sampled_from(STREAMS), st.binary(max_size=60), st.data())
def test_noise_inside_a_stream_never_raises(recording, noise, data):
    """Whatever bytes come, there is a reply with a verdict."""
    wire = recording.wire
    at = data.draw(st.integers(0, len(wire)))
    reply = recording.read([wire[:at] + noise + wire[at:]])
    assert reply.failure is None or isinstance(reply.failure, Failure)


@pytest.mark.parametrize(
    ("dialect", "frame", "seconds"),
    [
        ("bedrock-converse", {"output": {"message": {"content": []}}, "stopReason": "end_turn",
                              "metrics": {"latencyMs": 1551}}, 1.551),
        ("bedrock-converse", {"output": {"message": {"content": []}}, "stopReason": "end_turn"}, None),
        ("ollama", {"model": "m", "done": True, "total_duration": 2_500_000_000}, 2.5),
        ("ollama", {"model": "m", "done": True, "total_duration": "long"}, None),
    ],
)  # fmt: skip
def test_how_long_it_took_stands_where_the_format_says_it(dialect, frame, seconds):
    """In the last frame; later than the headers, so it wins."""
    reply = read_reply(DIALECTS[dialect], 200, {}, [Arrival(0.1, orjson.dumps(frame) + b"\n")], stream=False)
    assert seconds == reply.served.server_s

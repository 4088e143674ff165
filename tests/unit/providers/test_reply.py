"""Replies: one stream, read after its end, becomes times, counts and one verdict."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.dialects import DIALECTS
from providers.dialects.reply import Arrival, read_reply

CHAT = DIALECTS["openai-chat"]


def frame(*contents, finish=None, usage=None, key="content"):
    choices = [{"delta": {key: content}, "finish_reason": finish} for content in contents]
    return b"data: %s\n\n" % json.dumps({"choices": choices, "usage": usage}).encode()


DONE = b"data: [DONE]\n\n"
ROLE = frame("")
END = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n'


def read(*parts, status=200, stream=True, headers=None):
    """Parts are bytes or (bytes, merged), one second apart, the first at 1 s."""
    split = [(part, False) if isinstance(part, bytes) else part for part in parts]
    arrivals = [Arrival(float(at), data, merged) for at, (data, merged) in enumerate(split, 1)]
    return read_reply(CHAT, status, headers or {}, arrivals, stream=stream)


def test_times_are_those_of_content_alone():
    """Role at 1 s, content at 2, 3 and 5 s, finish and [DONE] after: TTFT 2, E2E 5, gaps 1 and 2."""
    reply = read(ROLE, frame("a"), frame("b"), b": ping\n\n", frame("c"), END, DONE)
    assert (2.0, 2.0, 5.0, [1.0, 2.0]) == (reply.ttft_s, reply.ttfo_s, reply.e2e_s, reply.gaps_s)
    assert reply.failure is None
    assert "stop" == reply.finish


def test_a_chunk_is_dated_by_the_read_that_completed_it():
    """Half an event says nothing: the second half's arrival counts."""
    whole = frame("a")
    reply = read(whole[:10], whole[10:], END + DONE)
    assert 2.0 == reply.ttft_s


def test_the_first_answer_comes_after_the_reasoning():
    """TTFT is the first token of any kind, TTFO the first of the answer."""
    reply = read(frame("hm", key="reasoning_content"), frame("a"), END + DONE)
    assert (1.0, 2.0) == (reply.ttft_s, reply.ttfo_s)
    assert (1, 2) == (reply.chars("answer"), reply.chars("reasoning"))


def test_only_the_last_chunk_of_a_merged_read_is_exact():
    """Two content events in one read of several segments: the first is bounded; in a plain read neither is."""
    assert [True, False, False] == read((frame("a") + frame("b"), True), frame("c"), END).bounded
    assert [False, False] == read(frame("a") + frame("b"), END).bounded
    assert [False] == read((frame("a") + END + DONE, True)).bounded


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        ([ROLE, frame("a")], "truncated"),
        ([], "truncated"),
        ([ROLE, END, DONE], "protocol"),
        ([frame("a"), b"data: {\n\n", END, DONE], "protocol"),
        ([frame("a"), b'data: {"choices": [5]}\n\n', END, DONE], "protocol"),
        ([frame("a"), b'data: {"error": {"message": "x"}}\n\n', DONE], "server"),
        ([frame("a", finish="content_filter"), DONE], "content_filter"),
        ([frame("a", finish="error"), DONE], "server"),
    ],
)
def test_http_200_alone_is_no_success(parts, kind):
    """No terminal marker, no content, a broken frame, an error event, a filter: each is a failure of its kind."""
    assert kind == read(*parts).failure.kind


@pytest.mark.parametrize("end", [END, DONE, frame("z", finish="length")])
def test_either_terminal_marker_is_enough(end):
    """Some servers send no [DONE], some no finish reason."""
    assert read(frame("a"), end).failure is None


def test_the_first_failure_stands():
    """A broken frame after an error event does not rename it."""
    reply = read(frame("a"), b'data: {"error": {"message": "first"}}\n\n', b"data: {\n\n")
    assert ("server", "first") == (reply.failure.kind, reply.failure.message)


def test_an_http_error_is_read_from_its_body():
    """Kind and words of the body, whatever came."""
    reply = read(b'{"error": {"message": ', b'"no"}}', status=400)
    assert ("bad_request", "no") == (reply.failure.kind, reply.failure.message)
    assert reply.ttft_s is None


def test_billed_usage_is_the_truth_for_tokens():
    """The last usage wins; without one, four characters are a token and the source says estimate."""
    usage = {"prompt_tokens": 7, "completion_tokens": 9}
    reply = read(frame("abcd" * 3, usage={"completion_tokens": 1}), frame("x", usage=usage), END)
    assert (7, 9, "usage") == (reply.usage.input_tokens, reply.output_tokens, reply.token_source)
    bare = read(frame("abcd" * 3), END)
    assert (3, "estimate") == (bare.output_tokens, bare.token_source)
    assert (None, "") == ((nothing := read(END)).output_tokens, nothing.token_source)


def test_first_chunk_tokens_follow_the_characters():
    """n1 = M x characters at c1 / all characters, at least 1; hidden reasoning is not in M."""
    usage = {"prompt_tokens": 1, "completion_tokens": 20, "completion_tokens_details": {"reasoning_tokens": 10}}
    reply = read(frame("aaaa"), frame("b" * 16, usage=usage), END)
    assert pytest.approx(10 * 4 / 20) == reply.first_chunk_tokens
    assert 1.0 == read(frame("a"), frame("b" * 99), END).first_chunk_tokens


def test_a_unary_answer_to_a_streamed_request_is_understood():
    """Some servers ignore stream: true; the content type tells."""
    body = {"object": "chat.completion", "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
    reply = read(json.dumps(body).encode(), headers={"content-type": "application/json"})
    assert (None, 1.0) == (reply.failure, reply.ttft_s)


@given(st.data())
def test_text_and_verdict_do_not_depend_on_how_bytes_are_cut(data):
    """Any split of a whole stream is the same reply, but for its times."""
    wire = ROLE + frame("hm", key="reasoning") + frame("ä\u2028") + frame("b") + END + DONE
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=10)))
    reply = read(*(wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)))
    assert (None, "stop", 3) == (reply.failure, reply.finish, len(reply.chunks))
    assert ["hm", "ä\u2028", "b"] == [chunk.fragments[0].text for chunk in reply.chunks]

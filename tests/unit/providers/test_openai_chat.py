"""The dialect openai-chat: what is sent, and what each server's frames mean."""

from __future__ import annotations

import json

import pytest

from providers.dialects.base import End, Finish, Fragment, Prompt, Served, Usage
from providers.dialects.openai_chat import OpenAIChat
from providers.spec import Provider

CHAT = OpenAIChat()
PROMPT = Prompt("p", (("system", "be brief"), ("user", "hello")), 2, 64)


def events(frame, *, of=None):
    found = CHAT.events(json.dumps(frame).encode())
    return [event for event in found if of is None or isinstance(event, of)]


def delta(content):
    return {"choices": [{"index": 0, "delta": content, "finish_reason": None}]}


def request(**fields):
    provider = Provider.model_validate(
        {"name": "a", "type": "http", "base_url": "https://x/v1", "model": "m", **fields}
    )
    built = CHAT.build(PROMPT, provider)
    return built, json.loads(built.body)


def test_a_request_asks_for_a_stream_with_usage():
    """Messages, model, cap from the workload, temperature 0, and the usage chunk."""
    built, body = request()
    assert ("POST", "https://x/v1/chat/completions") == (built.method, built.url)
    assert "text/event-stream" == built.headers["accept"]
    expected = {
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}],
        "stream": True, "stream_options": {"include_usage": True}, "model": "m", "max_tokens": 64, "temperature": 0.0,
    }  # fmt: skip
    assert expected == body


def test_a_unary_request_asks_for_no_usage_chunk():
    """stream: false leaves stream_options out, which some servers refuse."""
    built, body = request(request={"stream": False})
    assert (False, False) == (body["stream"], "stream_options" in body)
    assert "application/json" == built.headers["accept"]


def test_the_entry_names_the_fields_and_adds_its_own():
    """Field names, optional settings, extra body (last) and extra headers are the entry's."""
    wanted = {
        "max_tokens": 9, "max_tokens_field": "max_completion_tokens", "seed": 3, "seed_field": "random_seed",
        "temperature": None, "ignore_eos": True, "min_tokens": 9, "extra_body": {"model": "other"},
        "extra_headers": {"x-mine": "1"},
    }  # fmt: skip
    built, body = request(request=wanted)
    assert (9, 3, True, 9, "other") == tuple(
        body[key] for key in ("max_completion_tokens", "random_seed", "ignore_eos", "min_tokens", "model")
    )
    assert not {"max_tokens", "seed", "temperature"} & set(body)
    assert "1" == built.headers["x-mine"]


def test_no_secret_is_built_into_a_request():
    """Authentication is the transport's, so a built request may be printed."""
    built, _ = request(auth={"kind": "bearer", "token": "CANARY"})
    assert "CANARY" not in repr(built)


@pytest.mark.parametrize("content", ["", None])
def test_a_role_only_chunk_is_no_content(content):
    """OpenAI sends an empty text first, llama.cpp a null: neither is the first token."""
    assert [] == events(delta({"role": "assistant", "content": content}))


def test_azures_first_frame_is_no_content():
    """No choices, an empty model and filter results: nothing to date."""
    frame = {"choices": [], "model": "", "prompt_filter_results": [{"prompt_index": 0}]}
    assert [] == events(frame)


def test_text_is_an_answer_fragment():
    """Content as it came, spaces kept."""
    assert [Fragment("answer", " hi")] == events(delta({"content": " hi"}))


@pytest.mark.parametrize(
    "content", [{"reasoning": "hm"}, {"reasoning_content": "hm"}, {"reasoning": "hm", "reasoning_content": "hm"}]
)
def test_reasoning_is_known_by_both_its_names_and_counted_once(content):
    """The word is reasoning in vLLM, reasoning_content in DeepSeek and SGLang, and a gateway may say both."""
    assert [Fragment("reasoning", "hm")] == events(delta({"content": None, **content}))


def test_a_tool_call_is_content():
    """Name and arguments of a call are output like any other; an empty delta is not."""
    call = {"tool_calls": [{"index": 0, "function": {"name": "look", "arguments": '{"a"'}}]}
    assert [Fragment("tool", 'look{"a"')] == events(delta(call))
    assert [] == events(delta({"tool_calls": [{"index": 0, "function": {"arguments": ""}}]}))


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("stop", "stop"), ("length", "length"), ("content_filter", "content_filter"), ("tool_calls", "tool"),
     ("function_call", "tool"), ("eos", "stop"), ("error", "error"), ("something_new", "other")],
)  # fmt: skip
def test_finish_reasons_are_normalized(reason, expected):
    """Each server's word becomes one of ours; a new word is other, not an error."""
    frame = {"choices": [{"delta": {}, "finish_reason": reason}]}
    assert [Finish(expected)] == events(frame)


def test_a_last_chunk_may_hold_content_finish_and_usage_at_once():
    """So ends vLLM: nothing of it is lost."""
    frame = {
        "choices": [{"delta": {"content": "end"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }
    assert [Fragment("answer", "end"), Finish("stop"), Usage(1, 2)] == events(frame)


USAGE = {
    "prompt_tokens": 100, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 30},
    "completion_tokens_details": {"reasoning_tokens": 20}, "cost": 0.01,
}  # fmt: skip


@pytest.mark.parametrize("choices", [[], [{"delta": {}}], None])
def test_usage_is_taken_wherever_it_stands(choices):
    """In a chunk without choices (OpenAI), with an empty one (a gateway), or with null; totals include their parts."""
    expected = Usage(input_tokens=100, output_tokens=50, cached_tokens=30, reasoning_tokens=20, cost_usd=0.01)
    assert [expected] == events({"choices": choices, "usage": USAGE}, of=Usage)


@pytest.mark.parametrize("details", [{}, {"prompt_tokens_details": None, "completion_tokens_details": None}])
def test_missing_details_are_unknown_and_not_zero(details):
    """A server that does not tell cached tokens has not said zero."""
    (usage,) = events({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, **details}}, of=Usage)
    assert (None, None) == (usage.cached_tokens, usage.reasoning_tokens)


def test_null_usage_on_other_chunks_is_ignored():
    """OpenAI writes usage: null on every chunk but the last."""
    assert [Fragment("answer", "x")] == events({**delta({"content": "x"}), "usage": None})


def test_groqs_usage_is_a_fallback():
    """x_groq.usage is read where usage is absent."""
    frame = {"choices": [], "x_groq": {"usage": {"prompt_tokens": 1, "completion_tokens": 2}}}
    assert [Usage(1, 2)] == events(frame)


def test_the_model_that_served_is_noted():
    """A silent change of the model under one name is seen."""
    assert [Served(model="m-2026")] == events({"choices": [], "model": "m-2026"})


def test_done_is_the_terminal_marker():
    """[DONE], with or without space."""
    assert [End()] == CHAT.events(b"[DONE]") == CHAT.events(b" [DONE] ")


@pytest.mark.parametrize(
    ("frame", "kind", "words"),
    [
        ({"error": {"message": "boom", "type": "server_error", "code": None}}, "server", "boom"),
        ({"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}, "rate_limited", "Rate limit"),
        ({"error": {"message": "Overloaded", "code": 503}}, "overloaded", "Overloaded"),
        ({"object": "error", "message": "the engine died", "type": "InternalServerError", "code": 500}, "server",
         "the engine died"),
        ({"object": "error", "message": "maximum context length is 4096", "code": 400}, "context_length", "maximum"),
        ({"error": "plain words"}, "server", "plain words"),
        ({"choices": [{"delta": {}, "finish_reason": "error"}], "error": {"code": 502, "message": "upstream"}},
         "server", "upstream"),
    ],
)  # fmt: skip
def test_an_error_inside_a_200_stream_is_a_failure(frame, kind, words):
    """OpenAI's shape, vLLM's shape, OpenRouter's frame with an error beside its choices."""
    (failure,) = events(frame)
    assert kind == failure.kind
    assert words in failure.message


def test_a_unary_answer_is_its_own_end():
    """chat.completion: message, finish, usage and end in one frame."""
    frame = {
        "object": "chat.completion",
        "choices": [{"message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1},
    }
    assert [Fragment("answer", "hi"), Finish("stop"), Usage(1, 1), End()] == events(frame)


@pytest.mark.parametrize("frame", [b"{", b"[1]", b"5", b"", b'{"a"'])
def test_a_malformed_frame_is_a_value_error(frame):
    """Whoever reads the stream turns it into the kind protocol."""
    with pytest.raises(ValueError):  # noqa: PT011 - any of them
        CHAT.events(frame)


def test_unknown_frames_are_ignored():
    """A new kind of event is not an error."""
    assert [] == events({"object": "chat.completion.ping", "choices": []})


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (401, '{"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}', "auth", "Incorrect API key"),
        (429, '{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}', "rate_limited", "slow down"),
        (400, '{"error": {"message": "filtered", "code": "content_filter"}}', "content_filter", "filtered"),
        (400, '{"error": {"message": "maximum context length is 10"}}', "context_length", "maximum context"),
        (400, '{"error": {"message": "no such field"}}', "bad_request", "no such field"),
        (404, '{"detail": "Not Found"}', "bad_request", "Not Found"),
        (500, '{"error": {"message": "oops"}}', "server", "oops"),
        (502, "<html>Bad gateway</html>", "server", "<html>Bad gateway"),
        (503, "", "overloaded", "HTTP 503"),
        (529, "{}", "overloaded", "HTTP 529"),
        (504, "[]", "timeout_total", ""),
        (307, "", "protocol", "HTTP 307"),
        (400, '[{"error": {"message": "wrapped", "status": "INVALID_ARGUMENT"}}]', "bad_request", "wrapped"),
        (400, b"\xff\xfe", "bad_request", ""),
    ],
)
def test_http_errors_become_kinds(status, body, kind, words):
    """By status, and by the words where they say more."""
    failure = CHAT.failure(status, {}, body if isinstance(body, bytes) else body.encode())
    assert kind == failure.kind
    assert words in failure.message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"retry-after": "3"}, 3.0), ({"retry-after": "0.5"}, 0.5), ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
     ({}, None), ({"retry-after": "soon"}, None), ({"retry-after": "Mon, 23 Nov 2020 10:00:00 GMT"}, 0.0)],
)  # fmt: skip
def test_retry_after_is_read_in_all_its_forms(headers, seconds):
    """Seconds, milliseconds, a date; nonsense is unknown."""
    assert seconds == CHAT.failure(429, headers, b"").retry_after_s


def test_who_served_stands_in_the_headers():
    """Azure's region and request id, or the plain request id."""
    azure = {"x-ms-region": "Sweden Central", "apim-request-id": "a", "x-request-id": "b"}
    assert Served(region="Sweden Central", request_id="a") == CHAT.served(azure)
    assert Served(request_id="b") == CHAT.served({"x-request-id": "b"})


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"openai-processing-ms": "1250", "x-envoy-upstream-service-time": "1300"}, 1.25),
        ({"x-envoy-upstream-service-time": "7"}, 0.007),
        ({}, None), ({"openai-processing-ms": "-1"}, None), ({"openai-processing-ms": "soon"}, None),
        ({"openai-processing-ms": "9" * 400}, None), ({"openai-processing-ms": "²"}, None),
    ],
)  # fmt: skip
def test_how_long_it_took_is_what_the_provider_says(headers, seconds):
    """OpenAI's own word before that of the proxy in front of it; nonsense is unknown."""
    assert seconds == CHAT.served(headers).server_s

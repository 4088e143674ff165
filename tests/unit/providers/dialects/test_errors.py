"""What providers say when something is wrong: the right kind before a stream, inside it, and when it is garbled."""

from __future__ import annotations

import json

import pytest

from providers.dialects import DIALECTS
from providers.dialects.base import Failure
from tests.unit.providers.dialects.recorded import STREAMS, aws_message

ANSWERS = [
    # (dialect, status, headers, body, kind, words)
    ("openai-chat", 400, {}, {"error": {"message": "This model's maximum context length is 8192 tokens.",
     "type": "invalid_request_error", "code": "context_length_exceeded"}}, "context_length", "maximum context"),
    ("openai-chat", 400, {}, {"error": {"message": "the request exceeds the available context size", "code": 400,
     "type": "exceed_context_size_error"}}, "context_length", "context size"),
    ("openai-chat", 400, {}, {"error": {"code": "content_filter", "status": 400, "message": "The response was filtered"
     " due to the prompt triggering Azure OpenAI's content management policy."}}, "content_filter", "filtered"),
    ("openai-chat", 404, {}, {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError",
     "code": 404}, "bad_request", "does not exist"),
    ("openai-chat", 429, {"retry-after": "6"}, {"error": {"message": "You exceeded your current quota",
     "code": "insufficient_quota"}}, "rate_limited", "quota"),
    ("openai-chat", 422, {}, {"object": "error", "message": {"detail": [{"type": "extra_forbidden",
     "loc": ["body", "stream_options"]}]}, "type": "invalid_request_error"}, "bad_request", "extra_forbidden"),
    ("openai-chat", 498, {}, {"error": {"message": "Flex tier is at capacity", "type": "capacity"}}, "overloaded",
     "capacity"),
    ("openai-chat", 422, {}, {"error": {"message": "Input validation error: `inputs` tokens + `max_new_tokens` must be"
     " <= 8193. Given: 9000", "type": "invalid_request_error"}}, "context_length", "must be"),
    ("openai-chat", 401, {}, {"detail": "Unauthorized"}, "auth", "Unauthorized"),
    ("openai-completions", 400, {}, {"error": {"message": "bad", "type": "BadRequestError"}}, "bad_request", "bad"),
    ("openai-responses", 400, {}, {"error": {"message": "Your input exceeds the context window of this model.",
     "code": "context_length_exceeded"}}, "context_length", "context window"),
    ("anthropic-messages", 529, {}, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"},
     "request_id": "req_1"}, "overloaded", "Overloaded"),
    ("anthropic-messages", 429, {"retry-after": "12"}, {"type": "error", "error": {"type": "rate_limit_error",
     "message": "slow"}}, "rate_limited", "slow"),
    ("anthropic-messages", 400, {}, {"type": "error", "error": {"type": "invalid_request_error",
     "message": "prompt is too long: 210000 tokens > 200000 maximum"}}, "context_length", "too long"),
    ("anthropic-messages", 401, {}, {"type": "error", "error": {"type": "authentication_error",
     "message": "invalid x-api-key"}}, "auth", "x-api-key"),
    ("anthropic-messages", 500, {}, {"type": "error", "error": {"type": "api_error", "message": "Internal"}}, "server",
     "Internal"),
    ("anthropic-messages", 504, {}, {"type": "error", "error": {"type": "timeout_error", "message": "late"}},
     "timeout_total", "late"),
    ("anthropic-messages", 413, {}, {"type": "error", "error": {"type": "request_too_large", "message": "big"}},
     "context_length", "big"),
    ("bedrock-converse", 429, {"x-amzn-errortype": "ThrottlingException:http://internal.amazon.com/coral/"},
     {"message": "Too many requests, please wait before trying again."}, "rate_limited", "Too many requests"),
    ("bedrock-converse", 400, {"x-amzn-errortype": "ValidationException"},
     {"message": "Input is too long for requested model."}, "context_length", "too long"),
    ("bedrock-converse", 400, {"x-amzn-errortype": "ValidationException"}, {"message": "The provided model identifier"
     " is invalid."}, "bad_request", "identifier"),
    ("bedrock-converse", 403, {"x-amzn-errortype": "ExpiredTokenException"}, {"message": "The security token included"
     " in the request is expired"}, "auth", "expired"),
    ("bedrock-converse", 400, {"x-amzn-errortype": "ServiceQuotaExceededException"}, {"message": "quota"},
     "rate_limited", "quota"),
    ("bedrock-converse", 424, {"x-amzn-errortype": "ModelErrorException"}, {"message": "The model failed",
     "originalStatusCode": 500}, "server", "model failed"),
    ("bedrock-converse", 408, {"x-amzn-errortype": "ModelTimeoutException"}, {"message": "late"}, "timeout_total",
     "late"),
    ("bedrock-converse", 503, {"x-amzn-errortype": "ServiceUnavailableException"}, {"message": "busy"}, "overloaded",
     "busy"),
    ("bedrock-converse", 404, {}, {"__type": "ResourceNotFoundException", "Message": "no such model"}, "bad_request",
     "no such model"),
    ("bedrock-invoke", 500, {"x-amzn-errortype": "InternalServerException"}, {}, "server", "InternalServer"),
    ("vertex-gemini", 429, {}, {"error": {"code": 429, "message": "Resource exhausted. Please try again later.",
     "status": "RESOURCE_EXHAUSTED"}}, "rate_limited", "exhausted"),
    ("vertex-gemini", 400, {}, [{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.",
     "status": "INVALID_ARGUMENT", "details": []}}], "auth", "API key"),
    ("vertex-gemini", 400, {}, {"error": {"code": 400, "message": "The input token count (1200000) exceeds the maximum"
     " number of tokens allowed (1048576).", "status": "INVALID_ARGUMENT"}}, "context_length", "1048576"),
    ("vertex-gemini", 403, {}, {"error": {"code": 403, "message": "no", "status": "PERMISSION_DENIED"}}, "auth", "no"),
    ("vertex-gemini", 503, {}, {"error": {"code": 503, "message": "The model is overloaded.",
     "status": "UNAVAILABLE"}}, "overloaded", "overloaded"),
    ("vertex-gemini", 404, {}, {"error": {"code": 404, "message": "Publisher Model not found",
     "status": "NOT_FOUND"}}, "bad_request", "not found"),
    ("ollama", 404, {}, {"error": "model 'x' not found"}, "bad_request", "not found"),
    ("ollama", 503, {}, {"error": "server busy, please try again.  maximum pending requests exceeded"}, "overloaded",
     "busy"),
    ("cohere-v2", 401, {}, {"message": "invalid api token"}, "auth", "invalid api token"),
    ("cohere-v2", 429, {}, {"message": "You are using a Trial key, which is limited to 20 API calls / minute."},
     "rate_limited", "Trial key"),
    ("cohere-v2", 400, {}, {"message": "too many tokens: total number of tokens in the prompt cannot exceed 4081"},
     "context_length", "too many tokens"),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "status", "headers", "body", "kind", "words"), ANSWERS)
def test_an_error_answer_has_its_kind(dialect, status, headers, body, kind, words):
    """By the words where they say more, else by the code, else by the status."""
    failure = DIALECTS[dialect].failure(status, headers, json.dumps(body).encode())
    assert kind == failure.kind
    assert words in failure.message
    assert (float(headers["retry-after"]) if "retry-after" in headers else None) == failure.retry_after_s


@pytest.mark.parametrize("dialect", list(DIALECTS))
@pytest.mark.parametrize("body", [b"", b"<html>502</html>", b"\xff\xfe", b"[]", b"null", b'{"error": null}', b'"x"'])
def test_an_error_of_any_shape_is_read_by_its_status(dialect, body):
    """A proxy's page is no JSON, and nothing raises."""
    assert "server" == DIALECTS[dialect].failure(502, {}, body).kind


def sse(frame):
    return b"data: " + json.dumps(frame).encode() + b"\n\n"


def exception(kind, **payload):
    return aws_message(kind, payload, "exception")


# As Google breaks off a stream: no server-sent event, and over several lines.
BARE = b"""{
  "error": {
    "code": 503,
    "message": "The model is overloaded.",
    "status": "UNAVAILABLE"
  }
}
"""
INSIDE = [
    ("openai-chat", sse({"error": {"message": "boom", "type": "server_error"}}), "server", "boom"),
    ("openai-chat", sse([{"error": {"code": 429, "message": "Resource exhausted"}}]), "rate_limited", "exhausted"),
    ("openai-chat", sse({"error": {"message": "slow", "code": "429"}}), "rate_limited", "slow"),
    ("openai-completions", sse({"object": "error", "message": "engine died", "code": 500}), "server", "engine died"),
    ("openai-responses", sse({"type": "error", "code": "rate_limit_exceeded", "message": "slow"}), "rate_limited",
     "slow"),
    ("openai-responses", sse({"type": "error", "error": {"type": "server_error", "message": "boom"}}), "server",
     "boom"),
    ("openai-responses", sse({"type": "response.failed", "response": {"status": "failed", "error":
     {"code": "server_error", "message": "The model failed to generate a response."}}}), "server", "failed"),
    ("openai-responses", sse({"type": "response.incomplete", "response": {"status": "incomplete",
     "incomplete_details": {"reason": "content_filter"}}}), "content_filter", "filter"),
    ("anthropic-messages", sse({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
     "overloaded", "Overloaded"),
    ("anthropic-messages", sse({"type": "error", "error": {"type": "api_error", "message": "oh"}}), "server", "oh"),
    ("anthropic-messages", sse({"type": "error", "error": {"type": "timeout_error", "message": "late"}}),
     "timeout_total", "late"),
    ("anthropic-messages", sse({"type": "message_delta", "delta": {"stop_reason": "refusal"},
     "usage": {"output_tokens": 3}}) + sse({"type": "message_stop"}), "content_filter", "filter"),
    ("bedrock-converse", exception("throttlingException", message="slow"), "rate_limited", "slow"),
    ("bedrock-converse", exception("modelStreamErrorException", message="oh", originalStatusCode=500), "server", "oh"),
    ("bedrock-converse", exception("internalServerException", message="oh"), "server", "oh"),
    ("bedrock-converse", exception("serviceUnavailableException", message="busy"), "overloaded", "busy"),
    ("bedrock-converse", exception("validationException", message="bad"), "bad_request", "bad"),
    ("bedrock-converse", aws_message("InternalError", {}, "error"), "server", "error inside"),
    ("bedrock-converse", aws_message("messageStop", {"stopReason": "guardrail_intervened"})
     + aws_message("metadata", {}), "content_filter", "filter"),
    ("bedrock-invoke", exception("modelTimeoutException", message="late"), "timeout_total", "late"),
    ("bedrock-invoke", exception("throttlingException", message="slow"), "rate_limited", "slow"),
    ("vertex-gemini", BARE, "overloaded", "overloaded"),
    ("vertex-gemini", b'[{"error": {"code": 429, "message": "no", "status": "RESOURCE_EXHAUSTED"}}]', "rate_limited",
     "no"),
    ("vertex-gemini", sse({"error": {"code": 500, "message": "oh", "status": "INTERNAL"}}), "server", "oh"),
    ("vertex-gemini", sse({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}), "content_filter", "PROHIBITED"),
    ("vertex-gemini", sse({"candidates": [{"finishReason": "SAFETY"}]}), "content_filter", "filter"),
    ("ollama", b'{"error": "an error was encountered while running the model"}\n', "server", "encountered"),
    ("cohere-v2", sse({"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "rate limit exceeded"}}),
     "rate_limited", "rate limit"),
    ("cohere-v2", sse({"type": "message-end", "delta": {"finish_reason": "ERROR"}}), "server", "error"),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "error", "kind", "words"), INSIDE)
def test_an_error_inside_a_200_stream_has_its_kind(dialect, error, kind, words):
    """After some text, and as all there is; cut at any byte it is the same."""
    recording = next(one for one in STREAMS if one.dialect == dialect)
    some = next(part for part in growing(recording) if recording.read([part]).chunks)
    for wire in (some + error, error):
        reply = recording.read([wire])
        assert kind == reply.failure.kind
        assert words in reply.failure.message
        cut_up = [recording.read([wire[:cut], wire[cut:]]).failure for cut in range(len(wire))]
        assert [reply.failure] * len(wire) == cut_up


def growing(recording):
    """Ever longer beginnings that end where a frame does."""
    wire, held = recording.wire, 0
    framer = DIALECTS[recording.dialect].framer(stream=True)
    for end in range(1, len(wire) + 1):
        if framer.feed(wire[end - 1 : end]):
            held = end
            yield wire[:held]


BROKEN = {
    "sse": [b"data: {oops\n\n", b"data: [1]\n\n", b"data: 5\n\n", b"data: \xff\xfe\n\n"],
    "ndjson": [b"{oops\n", b"[1]\n", b"\xff\xfe\n"],
    "jsonl": [
        aws_message("contentBlockDelta", {"delta": 5}),
        aws_message("messageStop", {}),
        aws_message("metadata", {"usage": 5}),
    ],
}
GARBLED = [
    (one, garbage)
    for one in {one.dialect: one for one in reversed(STREAMS)}.values()
    for garbage in BROKEN[one.file.rpartition(".")[2]]
]


@pytest.mark.parametrize(("recording", "garbage"), GARBLED, ids=lambda value: getattr(value, "file", repr(value)[:30]))
def test_a_malformed_frame_is_a_protocol_failure(recording, garbage):
    """In the middle of an otherwise good stream."""
    middle = next(growing(recording))
    reply = recording.read([middle + garbage + recording.wire[len(middle) :]])
    assert "protocol" == reply.failure.kind


@pytest.mark.parametrize("recording", STREAMS, ids=lambda one: one.file)
def test_frames_of_unknown_kinds_change_nothing(recording):
    """Tomorrow's events are not today's errors."""
    kind = recording.file.rpartition(".")[2]
    news = {"type": "some.new_event", "novelty": {"a": [1]}, "choices": [], "chunk": None}
    new = {"sse": sse(news), "ndjson": json.dumps(news).encode() + b"\n", "jsonl": aws_message("brandNew", news)}[kind]
    if recording.dialect == "bedrock-invoke":
        new = aws_message("brandNew", {"bytes": "eyJub3ZlbHR5IjogMX0="})
    first = next(growing(recording))
    one, other = recording.read([recording.wire]), recording.read([first + new + recording.wire[len(first) :]])
    assert (one.chunks, one.usage, one.finish, one.failure) == (other.chunks, other.usage, other.finish, other.failure)


def test_a_chunk_that_is_no_base64_is_a_protocol_failure():
    """Bedrock's wrapping is checked like any other frame."""
    recording = next(one for one in STREAMS if one.dialect == "bedrock-invoke")
    assert "protocol" == recording.read([aws_message("chunk", {"bytes": "%"}) + recording.wire]).failure.kind


def test_an_answer_without_text_is_no_success():
    """A reasoning model that spent its cap on hidden thought said nothing."""
    recording = next(one for one in STREAMS if one.dialect == "vertex-gemini")
    silent = sse({"candidates": [{"finishReason": "MAX_TOKENS"}], "usageMetadata": {"promptTokenCount": 4,
                  "thoughtsTokenCount": 64, "totalTokenCount": 68}})  # fmt: skip
    reply = recording.read([silent])
    words = "the answer held no content: its cap went into 64 tokens of hidden reasoning"
    assert (Failure("protocol", words), 64) == (reply.failure, reply.usage.output_tokens)

"""anthropic-messages: named events around content blocks; input excludes what was cached, output is cumulative.

The same events, otherwise wrapped, are what Claude says on Bedrock (``bedrock_invoke``).
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from providers.simulator.ask import Ask, cap, count_words, messages, required
from providers.simulator.frames.base import TEXT, Answer, Call, Frames, around
from providers.simulator.quota import Quota
from providers.simulator.refusal import Headers, Refusal

_FINISH = {"stop": "end_turn", "length": "max_tokens"}
_KIND = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
    413: "request_too_large", 429: "rate_limit_error", 500: "api_error", 529: "overloaded_error",
}  # fmt: skip


class AnthropicMessages:
    """On Vertex the path names the model, and the body the version that is a header elsewhere."""

    def ask(self, call: Call) -> Ask:
        on_vertex = bool(call.model)
        if on_vertex:
            required(call.document, "anthropic_version")
        elif b"anthropic-version" not in call.headers:
            raise Refusal(400, "anthropic-version: header is required")
        model = call.model or required(call.document, "model")
        return claude(call, model, stream=call.document.get("stream") is True)

    def frames(self, answer: Answer) -> Frames:
        return MessageFrames(answer)

    def refused(self, refusal: Refusal, request_id: str) -> tuple[int, Headers, object]:
        status = 529 if refusal.status == 503 else refusal.status
        error = {"type": _KIND.get(status, "invalid_request_error"), "message": refusal.message}
        retry = [] if refusal.retry_s is None else [(b"retry-after", b"%d" % math.ceil(refusal.retry_s))]
        return status, retry, {"type": "error", "error": error, "request_id": request_id}

    def headers(self, request_id: str, quota: Quota | None) -> Headers:
        named = [(b"request-id", request_id.encode("latin-1"))]
        if quota is None:
            return named
        reset = datetime.now(UTC) + timedelta(seconds=quota.reset_s)
        return [
            *named,
            (b"anthropic-ratelimit-requests-limit", b"%d" % quota.limit),
            (b"anthropic-ratelimit-requests-remaining", b"%d" % quota.remaining),
            (b"anthropic-ratelimit-requests-reset", reset.strftime("%Y-%m-%dT%H:%M:%SZ").encode()),
        ]


def claude(call: Call, model: str, *, stream: bool) -> Ask:
    """The checks that hold wherever Claude is served."""
    document = call.document
    if (limit := cap(document, "max_tokens")) is None:
        raise Refusal(400, "max_tokens: Field required")
    for message in messages(document):
        if message.get("role") not in ("user", "assistant"):
            raise Refusal(400, "messages: role must be user or assistant; 'system' stands beside them")
    words = count_words(document["messages"]) + count_words(document.get("system"))
    return Ask(model, stream, limit, words)


class MessageFrames:
    content_type = b"text/event-stream; charset=utf-8"

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._block = 0
        thought = {"type": "thinking_delta", "thinking": TEXT}
        self._thought = around({"type": "content_block_delta", "index": 0, "delta": thought})
        index = int(answer.counts.reasoning > 0)
        self._said = around(
            {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": TEXT}}
        )

    def opening(self) -> tuple[bytes, ...]:
        usage = {**self._usage(), "output_tokens": 1}
        begun = {**self._message(), "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
        block = {"type": "text", "text": ""}
        if self._answer.counts.reasoning:
            block = {"type": "thinking", "thinking": "", "signature": ""}
        return (
            self._event("message_start", message=begun),
            self._event("content_block_start", index=0, content_block=block),
            self._event("ping"),
        )

    def content(self, text: bytes, *, reasoning: bool) -> bytes:
        before, after = self._thought if reasoning else self._said
        return self.wrap("content_block_delta", before + text + after)

    def turn(self) -> tuple[bytes, ...]:
        self._block = 1
        signature = {"type": "signature_delta", "signature": "c2ltdWxhdGVk"}
        return (
            self._event("content_block_delta", index=0, delta=signature),
            self._event("content_block_stop", index=0),
            self._event("content_block_start", index=1, content_block={"type": "text", "text": ""}),
        )

    def closing(self) -> tuple[bytes, ...]:
        delta = {"stop_reason": _FINISH[self._answer.finish], "stop_sequence": None}
        return (
            self._event("content_block_stop", index=self._block),
            self._event("message_delta", delta=delta, usage=self._usage()),
            self._event("message_stop", **self.last()),
        )

    def broken(self) -> bytes:
        return self.wrap("content_block_delta", self._said[0])

    def error(self, message: str) -> bytes:
        return self._event("error", error={"type": "api_error", "message": message})

    def whole(self, reasoning: str, answer: str) -> bytes:
        content: list[dict[str, Any]] = []
        if reasoning:
            content.append({"type": "thinking", "thinking": reasoning, "signature": "c2ltdWxhdGVk"})
        if answer:
            content.append({"type": "text", "text": answer})
        finish = {"stop_reason": _FINISH[self._answer.finish], "stop_sequence": None}
        return orjson.dumps({**self._message(), "content": content, **finish, "usage": self._usage()})

    def wrap(self, kind: str, data: bytes) -> bytes:
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)

    def last(self) -> dict[str, Any]:
        """What the last event says beyond its name."""
        return {}

    def _event(self, kind: str, **fields: Any) -> bytes:
        return self.wrap(kind, orjson.dumps({"type": kind, **fields}))

    def _message(self) -> dict[str, Any]:
        return {"id": f"msg_{self._answer.id}", "type": "message", "role": "assistant", "model": self._answer.model}

    def _usage(self) -> dict[str, Any]:
        counts = self._answer.counts
        return {
            "input_tokens": counts.fresh,
            "cache_creation_input_tokens": counts.cache_write,
            "cache_read_input_tokens": counts.cached,
            "output_tokens": counts.output,
        }

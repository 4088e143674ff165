"""vertex-gemini: ``data:`` events without names or an end marker; thoughts stand outside the candidates' count."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import orjson

from providers.simulator.ask import Ask, cap, count_words, mapping, messages
from providers.simulator.frames.base import TEXT, Answer, Call, Frames, around, sse
from providers.simulator.quota import Quota
from providers.simulator.refusal import Headers, Refusal

_FINISH = {"stop": "STOP", "length": "MAX_TOKENS"}
_STATUS = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE",
}  # fmt: skip


class VertexGemini:
    """Vertex's paths and AI Studio's."""

    def ask(self, call: Call) -> Ask:
        document, stream = call.document, call.action == "streamGenerateContent"
        if stream and b"alt=sse" not in call.query:
            raise Refusal(400, "Only alt=sse is played: without it Google streams one JSON array.")
        contents = messages(document, "contents")
        if not all(isinstance(content.get("parts"), list) for content in contents):
            raise Refusal(400, "Invalid value at 'contents': each needs a list of parts.")
        words = count_words(contents) + count_words(document.get("systemInstruction"))
        limit = cap(mapping(document, "generationConfig"), "maxOutputTokens")
        return Ask(call.model, stream, limit, words)

    def frames(self, answer: Answer) -> Frames:
        return GeminiFrames(answer)

    def refused(self, refusal: Refusal, request_id: str) -> tuple[int, Headers, object]:  # noqa: ARG002
        error: dict[str, Any] = {"code": refusal.status, "message": refusal.message}
        error["status"] = _STATUS.get(refusal.status, "INVALID_ARGUMENT")
        if refusal.retry_s is None:
            return refusal.status, [], {"error": error}
        retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{refusal.retry_s:.3f}s"}
        headers = [(b"retry-after", b"%d" % math.ceil(refusal.retry_s))]
        return refusal.status, headers, {"error": {**error, "details": [retry]}}

    def headers(self, request_id: str, quota: Quota | None) -> Headers:  # noqa: ARG002 - Google tells neither
        return []


class GeminiFrames:
    content_type = b"text/event-stream"

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        created = datetime.fromtimestamp(answer.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self._tail = {"modelVersion": answer.model, "createTime": created, "responseId": answer.id}
        prompt = answer.counts.input
        so_far = {"promptTokenCount": prompt, "totalTokenCount": prompt, "trafficType": "ON_DEMAND"}
        self._said = around(self._chunk([{"text": TEXT}], None, so_far))
        self._thought = around(self._chunk([{"text": TEXT, "thought": True}], None, so_far))

    def opening(self) -> tuple[bytes, ...]:
        """A chunk without candidates, as Google sends now and then."""
        return (sse({"usageMetadata": {"trafficType": "ON_DEMAND"}, **self._tail}),)

    def content(self, text: bytes, *, reasoning: bool) -> bytes:
        before, after = self._thought if reasoning else self._said
        return b"data: %b%b%b\r\n\r\n" % (before, text, after)

    def turn(self) -> tuple[bytes, ...]:
        return ()

    def closing(self) -> tuple[bytes, ...]:
        return (sse(self._chunk([{"text": ""}], self._answer.finish, self._usage())),)

    def broken(self) -> bytes:
        return b"data: %b\r\n\r\n" % self._said[0]

    def error(self, message: str) -> bytes:
        """Bare JSON behind the events: no event itself."""
        return orjson.dumps({"error": {"code": 500, "message": message, "status": "INTERNAL"}})

    def whole(self, reasoning: str, answer: str) -> bytes:
        thought = [{"text": reasoning, "thought": True}] if reasoning else []
        said = [{"text": answer}] if answer or not reasoning else []
        return orjson.dumps(self._chunk([*thought, *said], self._answer.finish, self._usage()))

    def _chunk(self, parts: list[dict[str, Any]], finish: str | None, usage: dict[str, Any]) -> dict[str, Any]:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
        if finish:
            candidate["finishReason"] = _FINISH[finish]
        return {"candidates": [candidate], "usageMetadata": usage, **self._tail}

    def _usage(self) -> dict[str, Any]:
        counts = self._answer.counts
        usage: dict[str, Any] = {
            "promptTokenCount": counts.input, "candidatesTokenCount": counts.output - counts.reasoning,
            "totalTokenCount": counts.total, "trafficType": "ON_DEMAND",
        }  # fmt: skip
        # Google leaves out what is zero.
        optional = {"thoughtsTokenCount": counts.reasoning, "cachedContentTokenCount": counts.cached}
        return usage | {key: value for key, value in optional.items() if value}

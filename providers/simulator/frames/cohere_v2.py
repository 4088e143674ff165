"""cohere-v2: named events around one content item for thinking and one for text; no end marker but ``message-end``."""

from __future__ import annotations

import math
from typing import Any

import orjson

from providers.simulator.ask import Ask, cap, count_words, messages, required
from providers.simulator.frames.base import TEXT, Answer, Call, Frames, around, sse
from providers.simulator.quota import Quota
from providers.simulator.refusal import Headers, Refusal

_FINISH = {"stop": "COMPLETE", "length": "MAX_TOKENS"}


class CohereV2:
    def ask(self, call: Call) -> Ask:
        document = call.document
        return Ask(
            model=required(document, "model"),
            stream=document.get("stream") is True,
            max_tokens=cap(document, "max_tokens"),
            input_tokens=sum(count_words(message.get("content")) for message in messages(document)),
        )

    def frames(self, answer: Answer) -> Frames:
        return CohereFrames(answer)

    def refused(self, refusal: Refusal, request_id: str) -> tuple[int, Headers, object]:
        retry = [] if refusal.retry_s is None else [(b"retry-after", b"%d" % math.ceil(refusal.retry_s))]
        return refusal.status, retry, {"id": request_id, "message": refusal.message}

    def headers(self, request_id: str, quota: Quota | None) -> Headers:  # noqa: ARG002 - Cohere tells neither
        return []


class CohereFrames:
    content_type = b"text/event-stream"

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._item = 0
        index = int(answer.counts.reasoning > 0)
        self._said = around(_content("content-delta", index, {"text": TEXT}))
        self._thought = around(_content("content-delta", 0, {"thinking": TEXT}))

    def opening(self) -> tuple[bytes, ...]:
        message = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
        started = {"id": self._answer.id, "type": "message-start", "delta": {"message": message}}
        return sse(started, "message-start"), self._start("thinking" if self._answer.counts.reasoning else "text")

    def content(self, text: bytes, *, reasoning: bool) -> bytes:
        before, after = self._thought if reasoning else self._said
        return b"event: content-delta\ndata: %b%b%b\n\n" % (before, text, after)

    def turn(self) -> tuple[bytes, ...]:
        ended = self._end()
        self._item = 1
        return ended, self._start("text")

    def closing(self) -> tuple[bytes, ...]:
        delta = {"finish_reason": _FINISH[self._answer.finish], "usage": self._usage()}
        return self._end(), self._message_end(delta)

    def broken(self) -> bytes:
        return b"event: content-delta\ndata: %b\n\n" % self._said[0]

    def error(self, message: str) -> bytes:
        return self._message_end({"error": message, "finish_reason": "ERROR"})

    def whole(self, reasoning: str, answer: str) -> bytes:
        content: list[dict[str, str]] = []
        if reasoning:
            content.append({"type": "thinking", "thinking": reasoning})
        if answer:
            content.append({"type": "text", "text": answer})
        document = {
            "id": self._answer.id, "message": {"role": "assistant", "content": content},
            "finish_reason": _FINISH[self._answer.finish], "usage": self._usage(),
        }  # fmt: skip
        return orjson.dumps(document)

    def _start(self, kind: str) -> bytes:
        return sse(_content("content-start", self._item, {"type": kind, kind: ""}), "content-start")

    def _end(self) -> bytes:
        return sse({"type": "content-end", "index": self._item}, "content-end")

    def _message_end(self, delta: dict[str, Any]) -> bytes:
        return sse({"id": self._answer.id, "type": "message-end", "delta": delta}, "message-end")

    def _usage(self) -> dict[str, Any]:
        counts = self._answer.counts
        tokens = {"input_tokens": counts.input, "output_tokens": counts.output}
        return {"billed_units": tokens, "tokens": tokens, "cached_tokens": counts.cached}


def _content(kind: str, index: int, content: dict[str, str]) -> dict[str, Any]:
    return {"type": kind, "index": index, "delta": {"message": {"content": content}}}

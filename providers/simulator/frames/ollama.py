"""ollama: one JSON object a line, the last one with counts and durations in nanoseconds; no model is ever cached."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import orjson

from providers.simulator.ask import Ask, cap, count_words, mapping, messages, required
from providers.simulator.frames.base import TEXT, Answer, Call, Frames, around
from providers.simulator.quota import Quota
from providers.simulator.refusal import Headers, Refusal


class Ollama:
    """It streams unless told not to."""

    def ask(self, call: Call) -> Ask:
        document = call.document
        stream = document.get("stream")
        return Ask(
            model=required(document, "model"),
            stream=stream is None or stream is True,
            max_tokens=cap(mapping(document, "options"), "num_predict"),
            input_tokens=sum(count_words(message.get("content")) for message in messages(document)),
        )

    def frames(self, answer: Answer) -> Frames:
        return ChatLines(answer)

    def refused(self, refusal: Refusal, request_id: str) -> tuple[int, Headers, object]:  # noqa: ARG002
        retry = [] if refusal.retry_s is None else [(b"retry-after", b"%d" % math.ceil(refusal.retry_s))]
        return refusal.status, retry, {"error": refusal.message}

    def headers(self, request_id: str, quota: Quota | None) -> Headers:  # noqa: ARG002 - Ollama has none
        return []


class ChatLines:
    content_type = b"application/x-ndjson"

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        created = datetime.fromtimestamp(answer.created, UTC).isoformat().replace("+00:00", "Z")
        self._head: dict[str, Any] = {"model": answer.model, "created_at": created}
        self._said = around(self._line({"content": TEXT}))
        self._thought = around(self._line({"content": "", "thinking": TEXT}))

    def opening(self) -> tuple[bytes, ...]:
        return (orjson.dumps(self._line({"content": ""})) + b"\n",)

    def content(self, text: bytes, *, reasoning: bool) -> bytes:
        before, after = self._thought if reasoning else self._said
        return b"%b%b%b\n" % (before, text, after)

    def turn(self) -> tuple[bytes, ...]:
        return ()

    def closing(self) -> tuple[bytes, ...]:
        return (orjson.dumps(self._last({"content": ""})) + b"\n",)

    def broken(self) -> bytes:
        return self._said[0] + b"\n"

    def error(self, message: str) -> bytes:
        return orjson.dumps({"error": message}) + b"\n"

    def whole(self, reasoning: str, answer: str) -> bytes:
        thought = {"thinking": reasoning} if reasoning else {}
        return orjson.dumps(self._last({"content": answer, **thought}))

    def _line(self, message: dict[str, str]) -> dict[str, Any]:
        return {**self._head, "message": {"role": "assistant", **message}, "done": False}

    def _last(self, message: dict[str, str]) -> dict[str, Any]:
        answer = self._answer
        first_ns, total_ns = round(answer.first_s * 1e9), round(answer.last_s * 1e9)
        return {
            **self._line(message), "done": True, "done_reason": answer.finish, "total_duration": total_ns,
            "load_duration": 0, "prompt_eval_count": answer.counts.input, "prompt_eval_duration": first_ns,
            "eval_count": answer.counts.output, "eval_duration": total_ns - first_ns,
        }  # fmt: skip

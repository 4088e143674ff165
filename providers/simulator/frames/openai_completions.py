"""openai-completions: OpenAI's older format, one ``text`` a choice, no roles and no reasoning."""

from __future__ import annotations

from typing import Any

import orjson

from providers.simulator.ask import Ask, cap, count_words
from providers.simulator.frames.base import TEXT, Answer, Call, Frames, around, sse
from providers.simulator.frames.openai import OpenAI, server_error
from providers.simulator.frames.openai_chat import DONE, usage
from providers.simulator.refusal import Refusal


class OpenAICompletions(OpenAI):
    def ask(self, call: Call) -> Ask:
        document = call.document
        prompt, options = document.get("prompt"), document.get("stream_options")
        if not isinstance(prompt, str | list) or not prompt:
            raise Refusal(400, "'prompt' must be a text or a list of texts.")
        return Ask(
            model=str(document.get("model") or ""),
            stream=document.get("stream") is True,
            max_tokens=cap(document, "max_tokens"),
            input_tokens=count_words(prompt),
            include_usage=isinstance(options, dict) and options.get("include_usage") is True,
            shows_reasoning=False,
        )

    def frames(self, answer: Answer) -> Frames:
        return CompletionFrames(answer)


class CompletionFrames:
    content_type = b"text/event-stream; charset=utf-8"

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._base: dict[str, Any] = {
            "id": f"cmpl-{answer.id}", "object": "text_completion", "created": int(answer.created),
            "model": answer.model,
        }  # fmt: skip
        self._before, self._after = around(self._choice(TEXT, None))

    def opening(self) -> tuple[bytes, ...]:
        return (sse(self._choice("", None)),)

    def content(self, text: bytes, *, reasoning: bool) -> bytes:  # noqa: ARG002 - it has no place for reasoning
        return b"data: %b%b%b\n\n" % (self._before, text, self._after)

    def turn(self) -> tuple[bytes, ...]:
        return ()

    def closing(self) -> tuple[bytes, ...]:
        finish = sse(self._choice("", self._answer.finish))
        if not self._answer.ask.include_usage:
            return finish, DONE
        return finish, sse({**self._base, "choices": [], "usage": usage(self._answer.counts)}), DONE

    def broken(self) -> bytes:
        return b"data: %b\n\n" % self._before

    def error(self, message: str) -> bytes:
        return sse(server_error(message))

    def whole(self, reasoning: str, answer: str) -> bytes:  # noqa: ARG002
        return orjson.dumps({**self._choice(answer, self._answer.finish), "usage": usage(self._answer.counts)})

    def _choice(self, text: str, finish: str | None) -> dict[str, Any]:
        return {**self._base, "choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": finish}]}

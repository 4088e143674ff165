"""openai-chat: ``data:`` events with a delta each, a choice-less usage event where asked for, then ``[DONE]``."""

from __future__ import annotations

from typing import Any

import orjson

from providers.simulator.ask import Ask, cap, count_words, messages
from providers.simulator.frames.base import Answer, Call, Counts, Frames, sse
from providers.simulator.frames.openai import OpenAI, server_error
from providers.simulator.refusal import Refusal

DONE = b"data: [DONE]\n\n"
_BROKEN = b'data: {"id":"chatcmpl-broken","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"con\n\n'


class OpenAIChat(OpenAI):
    def ask(self, call: Call) -> Ask:
        document = call.document
        if call.action == "deployments" and b"api-version=" not in call.query:
            raise Refusal(404, "Resource not found: the query lacks api-version.", "404")
        options = document.get("stream_options")
        return Ask(
            model=call.model or str(document.get("model") or ""),
            stream=document.get("stream") is True,
            max_tokens=cap(document, "max_completion_tokens", "max_tokens"),
            input_tokens=sum(count_words(message.get("content")) for message in messages(document)),
            include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        )

    def frames(self, answer: Answer) -> Frames:
        return ChatFrames(answer)


class ChatFrames:
    """The hot path of every load test: all but the words is rendered once per answer."""

    content_type = b"text/event-stream; charset=utf-8"

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._base = {"id": f"chatcmpl-{answer.id}", "created": int(answer.created), "model": answer.model}
        head = orjson.dumps({**self._base, "object": "chat.completion.chunk", "system_fingerprint": None})
        self._head = b"data: " + head[:-1] + b',"choices":['
        self._tail = b'],"usage":null}\n\n' if answer.ask.include_usage else b"]}\n\n"
        self._said = self._head + b'{"index":0,"delta":{"content":"'
        self._thought = self._head + b'{"index":0,"delta":{"reasoning_content":"'
        self._after = b'"},"logprobs":null,"finish_reason":null}' + self._tail

    def opening(self) -> tuple[bytes, ...]:
        delta = b'{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}'
        return (self._head + delta + self._tail,)

    def content(self, text: bytes, *, reasoning: bool) -> bytes:
        return (self._thought if reasoning else self._said) + text + self._after

    def turn(self) -> tuple[bytes, ...]:
        return ()

    def closing(self) -> tuple[bytes, ...]:
        delta = b'{"index":0,"delta":{},"logprobs":null,"finish_reason":"%s"}' % self._answer.finish.encode()
        finish = self._head + delta + self._tail
        if not self._answer.ask.include_usage:
            return finish, DONE
        return finish, self._head + b'],"usage":' + orjson.dumps(usage(self._answer.counts)) + b"}\n\n", DONE

    def broken(self) -> bytes:
        return _BROKEN

    def error(self, message: str) -> bytes:
        return sse(server_error(message))

    def whole(self, reasoning: str, answer: str) -> bytes:
        message: dict[str, Any] = {"role": "assistant", "content": answer, "refusal": None}
        if reasoning:
            message["reasoning_content"] = reasoning
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._answer.finish}
        counts = usage(self._answer.counts)
        return orjson.dumps({**self._base, "object": "chat.completion", "choices": [choice], "usage": counts})


def usage(counts: Counts) -> dict[str, Any]:
    """Totals; what was cached and what was reasoning stand inside them."""
    return {
        "prompt_tokens": counts.input,
        "completion_tokens": counts.output,
        "total_tokens": counts.total,
        "prompt_tokens_details": {"cached_tokens": counts.cached},
        "completion_tokens_details": {"reasoning_tokens": counts.reasoning},
    }

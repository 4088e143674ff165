"""Frames render one answer as bytes of the dialect openai-chat: everything but the words is rendered once.

They do not know when they are sent.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson

from providers.words import words

DONE = b"data: [DONE]\n\n"
BROKEN = b'data: {"id":"chatcmpl-broken","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"con\n\n'


class Frames:
    def __init__(self, answer_id: str, created: int, model: str, *, include_usage: bool) -> None:
        self._base = {"id": answer_id, "created": created, "model": model}
        head = orjson.dumps({**self._base, "object": "chat.completion.chunk", "system_fingerprint": None})
        self._head = b"data: " + head[:-1] + b',"choices":['
        self._tail = b'],"usage":null}\n\n' if include_usage else b"]}\n\n"
        self._answer = self._head + b'{"index":0,"delta":{"content":"'
        self._reasoning = self._head + b'{"index":0,"delta":{"reasoning_content":"'
        self._after = b'"},"logprobs":null,"finish_reason":null}' + self._tail

    @property
    def role(self) -> bytes:
        delta = b'{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}'
        return self._head + delta + self._tail

    def content(self, text: bytes, *, reasoning: bool) -> bytes:
        return (self._reasoning if reasoning else self._answer) + text + self._after

    def finish(self, reason: str) -> bytes:
        delta = b'{"index":0,"delta":{},"logprobs":null,"finish_reason":"%s"}' % reason.encode()
        return self._head + delta + self._tail

    def usage(self, usage: dict[str, Any]) -> bytes:
        return self._head + b'],"usage":' + orjson.dumps(usage) + b"}\n\n"

    def whole(self, reasoning: bytes, answer: bytes, finish: str, usage: dict[str, Any]) -> bytes:
        """The unary answer."""
        message: dict[str, Any] = {"role": "assistant", "content": answer.decode(), "refusal": None}
        if reasoning:
            message["reasoning_content"] = reasoning.decode()
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        return orjson.dumps({**self._base, "object": "chat.completion", "choices": [choice], "usage": usage})


@cache
def _tokens() -> tuple[bytes, ...]:
    return tuple(b" " + word.encode() for word in words())


def text(start: int, count: int) -> bytes:
    """``count`` tokens of text from the ``start``-th word of the list on, around its end."""
    tokens = _tokens()
    start %= len(tokens)
    if start + count <= len(tokens):
        return b"".join(tokens[start : start + count])
    return b"".join(tokens[(start + i) % len(tokens)] for i in range(count))


def usage(input_tokens: int, output_tokens: int, reasoning_tokens: int) -> dict[str, Any]:
    return {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning_tokens},
    }

"""Cohere's second chat: ``base_url`` https://api.cohere.com/v2, operation ``/chat``.

Tokens are those of ``billed_units`` where they are told: what was counted but not billed (the preamble) costs nothing.
``message-end`` ends the stream, with or without a ``[DONE]`` behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.dialects.base import (
    End,
    Event,
    Failure,
    Finish,
    FinishReason,
    Framer,
    HttpRequest,
    Prompt,
    Served,
    Usage,
    count,
)
from providers.dialects.failures import failure_inside, failure_of
from providers.dialects.frame import document, said
from providers.dialects.posting import cap, post, present
from providers.dialects.sse import SseFramer, WholeFramer
from providers.spec import Provider

_FINISH: dict[str, FinishReason] = {
    "COMPLETE": "stop", "STOP_SEQUENCE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "tool", "ERROR": "error",
    "TIMEOUT": "error", "ERROR_TOXIC": "content_filter",
}  # fmt: skip


class CohereV2:
    name = "cohere-v2"
    ignores = frozenset({"seed_field", "max_tokens_field", "ignore_eos", "min_tokens"})

    def build(self, prompt: Prompt, provider: Provider) -> HttpRequest:
        wanted = provider.request
        optional = {
            "max_tokens": cap(prompt, provider),
            "temperature": wanted.temperature,
            "p": wanted.top_p,
            "seed": wanted.seed,
        }
        body = {
            "model": provider.model,
            "messages": [{"role": role, "content": content} for role, content in prompt.messages],
            "stream": wanted.stream,
            **present(optional),
        }
        return post(provider, "/chat", body, accept="text/event-stream" if wanted.stream else "application/json")

    def framer(self, *, stream: bool) -> Framer:
        return SseFramer() if stream else WholeFramer()

    def events(self, frame: bytes) -> list[Event]:
        if frame.strip() == b"[DONE]":
            return [End()]
        event = document(frame)
        if "finish_reason" in event:  # a whole answer
            return [*_message(event.get("message") or {}), *_end(event)]
        delta = event.get("delta") or {}
        match event.get("type"):
            case "content-start" | "content-delta" | "tool-plan-delta" | "tool-call-start" | "tool-call-delta":
                return _message(delta.get("message") or {})
            case "message-end":
                return _end(delta)
        return []

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        return failure_of(status, headers, body)

    def served(self, headers: Mapping[str, str]) -> Served:
        return Served(request_id=headers.get("x-debug-trace-id", ""))


def _message(message: Mapping[str, Any]) -> list[Event]:
    """Part of a message or all of it: what streams as one block stands whole as a list of them."""
    events = said("reasoning", message.get("tool_plan"))
    for block in _listed(message.get("content")):
        events += said("reasoning", block.get("thinking")) + said("answer", block.get("text"))
    for call in _listed(message.get("tool_calls")):
        function = call.get("function") or {}
        events += said("tool", function.get("name"), function.get("arguments"))
    return events


def _listed(blocks: Any) -> list[Mapping[str, Any]]:
    return blocks if isinstance(blocks, list) else [blocks] if isinstance(blocks, dict) else []


def _end(end: Mapping[str, Any]) -> list[Event]:
    usage = end.get("usage") or {}
    told = (usage.get("tokens") or {}) | (usage.get("billed_units") or {})
    tokens = Usage(count(told.get("input_tokens")), count(told.get("output_tokens")), count(usage.get("cached_tokens")))
    if error := end.get("error"):
        return [tokens, failure_inside("", str(error))]
    return [Finish(_FINISH.get(end.get("finish_reason") or "", "other")), tokens, End()]

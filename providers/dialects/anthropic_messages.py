"""Anthropic's Messages: ``base_url`` https://api.anthropic.com/v1, operation ``/messages``.

A ``base_url`` that ends in ``/publishers/anthropic`` is Vertex AI's (https://HOST/v1/projects/P/locations/L/publishers/
anthropic): the operation is then ``/models/{model}:streamRawPredict`` or ``:rawPredict``, and the version stands in the
body, the model does not. Input is billed in three parts that exclude each other (fresh, read from a cache, written to
one): their sum is the total. Output is told cumulatively; the figure in ``message_start`` is no count yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

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
from providers.dialects.posting import cap, post, present, system_and_turns
from providers.dialects.sse import SseFramer, WholeFramer
from providers.spec import Provider

_VERSION, _VERTEX_VERSION = "2023-06-01", "vertex-2023-10-16"
_CAP = 1024  # the format demands one, and neither entry nor workload gave it
_FINISH: dict[str, FinishReason] = {
    "end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "model_context_window_exceeded": "length",
    "tool_use": "tool", "refusal": "content_filter",
}  # fmt: skip


class AnthropicMessages:
    name = "anthropic-messages"
    ignores = frozenset({"seed", "seed_field", "max_tokens_field", "ignore_eos", "min_tokens"})

    def build(self, prompt: Prompt, provider: Provider) -> HttpRequest:
        stream = provider.request.stream
        accept = "text/event-stream" if stream else "application/json"
        if provider.base_url.endswith("/publishers/anthropic"):
            verb = "streamRawPredict" if stream else "rawPredict"
            body = {"anthropic_version": _VERTEX_VERSION, **messages(prompt, provider), "stream": stream}
            return post(provider, f"/models/{quote(provider.model, safe='@')}:{verb}", body, accept=accept)
        body = {"model": provider.model, **messages(prompt, provider), "stream": stream}
        return post(provider, "/messages", body, accept=accept, headers={"anthropic-version": _VERSION})

    def framer(self, *, stream: bool) -> Framer:
        return SseFramer() if stream else WholeFramer()

    def events(self, frame: bytes) -> list[Event]:
        return told(document(frame))

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        return failure_of(status, headers, body)

    def served(self, headers: Mapping[str, str]) -> Served:
        return Served(request_id=headers.get("request-id") or headers.get("x-request-id") or "")


def messages(prompt: Prompt, provider: Provider) -> dict[str, Any]:
    """What Anthropic, Vertex and Bedrock are sent alike."""
    wanted = provider.request
    system, turns = system_and_turns(prompt)
    optional = {"system": system or None, "temperature": wanted.temperature, "top_p": wanted.top_p}
    return {
        "max_tokens": cap(prompt, provider) or _CAP,
        "messages": [{"role": role, "content": content} for role, content in turns],
        **present(optional),
    }


def told(chunk: Mapping[str, Any]) -> list[Event]:
    """The events of one object, streamed or whole; a type that is not known, or means nothing here, has none."""
    teller = _TELLERS.get(str(chunk.get("type")))
    return teller(chunk) if teller else []


def _start(chunk: Mapping[str, Any]) -> list[Event]:
    message = chunk["message"]
    return [_input(message.get("usage") or {}), _model(message)]


def _stop(chunk: Mapping[str, Any]) -> list[Event]:
    """Reason and count; ``message_stop`` follows."""
    reason = (chunk.get("delta") or {}).get("stop_reason")
    finish: list[Event] = [Finish(_FINISH.get(reason, "other"), ends=False)] if reason else []
    return [*finish, _usage(chunk.get("usage") or {}, whole=False)]


def _whole(message: Mapping[str, Any]) -> list[Event]:
    blocks = [event for block in message["content"] for event in _block(block, whole=True)]
    finish = Finish(_FINISH.get(str(message.get("stop_reason")), "other"))
    return [*blocks, finish, _usage(message["usage"], whole=True), _model(message), End()]


def _model(message: Mapping[str, Any]) -> Served:
    return Served(model=str(message.get("model") or ""))


def _block(block: Mapping[str, Any], *, whole: bool) -> list[Event]:
    """A block's beginning, or all of it: a streamed tool call begins with its name and an empty input."""
    return _text(block) + said("tool", block.get("name"), block.get("input") if whole else "")


def _delta(delta: Mapping[str, Any]) -> list[Event]:
    """Text, thought or the arguments of a call; signatures and citations are none of them."""
    return _text(delta) + said("tool", delta.get("partial_json"))


def _text(part: Mapping[str, Any]) -> list[Event]:
    return said("reasoning", part.get("thinking")) + said("answer", part.get("text"))


def _input(usage: Mapping[str, Any]) -> Usage:
    read, written = (count(usage.get(f"cache_{part}_input_tokens")) for part in ("read", "creation"))
    fresh = count(usage.get("input_tokens"))
    total = None if fresh is None else fresh + (read or 0) + (written or 0)
    return Usage(input_tokens=total, cached_tokens=read, cache_write_tokens=written)


def _usage(usage: Mapping[str, Any], *, whole: bool) -> Usage:
    """Output; and input where all of its parts are told, since one part alone would replace the total."""
    complete = whole or usage.get("cache_read_input_tokens") is not None
    details = usage.get("output_tokens_details") or {}
    return replace(
        _input(usage) if complete else Usage(),
        output_tokens=count(usage.get("output_tokens")),
        reasoning_tokens=count(details.get("thinking_tokens")),
    )


_TELLERS: dict[str, Callable[[Mapping[str, Any]], list[Event]]] = {
    "message_start": _start,
    "content_block_start": lambda chunk: _block(chunk["content_block"], whole=False),
    "content_block_delta": lambda chunk: _delta(chunk["delta"]),
    "message_delta": _stop,
    "message_stop": lambda _: [End()],
    "message": _whole,
    "error": lambda chunk: [failure_inside(chunk["error"].get("type"), str(chunk["error"].get("message") or ""))],
}

"""What OpenAI's words mean, in whatever format they stand: finish reasons, usage, errors inside a stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.dialects.base import Event, Failure, FinishReason, Fragment, Usage, amount, count
from providers.dialects.failures import failure_inside

FINISH: dict[str, FinishReason] = {
    "stop": "stop", "eos": "stop", "eos_token": "stop", "stop_sequence": "stop", "length": "length",
    "model_length": "length", "content_filter": "content_filter", "tool_calls": "tool", "function_call": "tool",
    "error": "error", "abort": "error",
}  # fmt: skip


def usage_of(chunk: Mapping[str, Any]) -> Usage | None:
    """Where it is not null, and Groq's own as a fallback.

    What the total holds beyond its parts is reasoning that was left out of the completion, and billed: so count Gemini
    behind Vertex's endpoint, and xAI.
    """
    usage = chunk.get("usage") or (chunk.get("x_groq") or {}).get("usage")
    if not usage:
        return None
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    asked, answered, total = (count(usage.get(name)) for name in names)
    hidden = max(0, (total or 0) - asked - answered) if asked is not None and answered is not None else 0
    return Usage(
        input_tokens=asked,
        output_tokens=None if answered is None else answered + hidden,
        cached_tokens=count(prompt.get("cached_tokens", usage.get("cached_tokens"))),  # Together has it outside
        cache_write_tokens=count(prompt.get("cache_write_tokens")),
        reasoning_tokens=hidden or count(completion.get("reasoning_tokens")),
        cost_usd=amount(usage.get("cost")),
    )


def streamed(usage: Usage | None, fragments: list[Event]) -> int | None:
    """Tokens that have come, where a frame with text counts them (vLLM's continuous usage); hidden ones have not."""
    if usage is None or usage.output_tokens is None:
        return None
    shown = any(isinstance(event, Fragment) and event.category == "reasoning" for event in fragments)
    return usage.output_tokens - (0 if shown else usage.reasoning_tokens or 0)


def stream_failure(chunk: Mapping[str, Any]) -> Failure | None:
    """An error after HTTP 200: OpenAI's and SGLang's ``{"error": ...}`` or vLLM's ``{"object": "error", ...}``."""
    error = chunk.get("error") or (chunk if chunk.get("object") == "error" else None)
    if not error:
        return None
    if not isinstance(error, dict):
        return failure_inside("", str(error))
    return failure_inside(error.get("code") or error.get("type"), str(error.get("message") or ""))

"""OpenAI chat completions, as OpenAI, Azure, vLLM, SGLang, llama.cpp, Groq, OpenRouter and most gateways speak it.

Differences it absorbs: role-only first chunks (empty or null content), Azure's choice-less first frame, ``reasoning``
beside ``reasoning_content``, usage in a last chunk with or without choices, errors inside a 200 stream in two shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from providers.dialects.base import (
    End,
    Event,
    Failure,
    Finish,
    FinishReason,
    Fragment,
    Framer,
    HttpRequest,
    Prompt,
    Served,
    Usage,
    amount,
    count,
)
from providers.dialects.failures import error_words, kind_of_status, kind_of_words, retry_after_s
from providers.dialects.sse import SseFramer, WholeFramer
from providers.spec import Provider

_FINISH: dict[str, FinishReason] = {
    "stop": "stop", "eos": "stop", "length": "length", "content_filter": "content_filter",
    "tool_calls": "tool", "function_call": "tool", "error": "error",
}  # fmt: skip


class OpenAIChat:
    name = "openai-chat"

    def build(self, prompt: Prompt, provider: Provider) -> HttpRequest:
        wanted = provider.request
        body: dict[str, Any] = {
            "messages": [{"role": role, "content": content} for role, content in prompt.messages],
            "stream": wanted.stream,
        }
        if provider.model:
            body["model"] = provider.model
        if wanted.stream:
            body["stream_options"] = {"include_usage": True}
        optional = {
            wanted.max_tokens_field: wanted.max_tokens or prompt.target_output_tokens,
            "temperature": wanted.temperature,
            "top_p": wanted.top_p,
            wanted.seed_field: wanted.seed,
            "ignore_eos": wanted.ignore_eos,
            "min_tokens": wanted.min_tokens,
        }
        body |= {key: value for key, value in optional.items() if value is not None}
        body |= wanted.extra_body
        headers = {
            "content-type": "application/json",
            "accept": "text/event-stream" if wanted.stream else "application/json",
            **wanted.extra_headers,
        }
        suffix = "" if provider.posts_exactly else provider.path or "/chat/completions"
        return HttpRequest("POST", provider.base_url + suffix, headers, orjson.dumps(body))

    def framer(self, *, stream: bool) -> Framer:
        return SseFramer() if stream else WholeFramer()

    def events(self, frame: bytes) -> list[Event]:
        if frame.strip() == b"[DONE]":
            return [End()]
        chunk = orjson.loads(frame)
        if not isinstance(chunk, dict):
            raise ValueError("frame is no object")  # noqa: TRY004 - malformed data, not a programming error
        kind = chunk.get("object")
        if ("error" in chunk or kind == "error") and (failure := _stream_failure(chunk)):
            return [failure]
        events: list[Event] = []
        for choice in chunk.get("choices") or ():
            _hear(choice.get("delta") or choice.get("message") or {}, events)
            if reason := choice.get("finish_reason"):
                events.append(Finish(_FINISH.get(reason, "other")))
        if usage := chunk.get("usage") or ("x_groq" in chunk and (chunk["x_groq"] or {}).get("usage")):
            events.append(_usage(usage))
        if model := chunk.get("model"):
            events.append(Served(str(model)))
        if kind == "chat.completion":  # the unary answer is its own end
            events.append(End())
        return events

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        message, code = error_words(body)
        kind = kind_of_words(code, message, status) or kind_of_status(status)
        return Failure(kind, message or f"HTTP {status}", retry_after_s(headers))

    def served(self, headers: Mapping[str, str]) -> Served:
        request_id = headers.get("apim-request-id") or headers.get("x-request-id") or ""
        return Served(region=headers.get("x-ms-region", ""), request_id=request_id)


def _hear(delta: Mapping[str, Any], events: list[Event]) -> None:
    """Add what a delta, or a whole message, says."""
    for key in ("reasoning", "reasoning_content"):
        text = delta.get(key)
        if text and isinstance(text, str):
            events.append(Fragment("reasoning", text))
            break  # a gateway may send the same reasoning under both of its names: once is enough
    text = delta.get("content")
    if text and isinstance(text, str):
        events.append(Fragment("answer", text))
    for call in delta.get("tool_calls") or ():
        function = call.get("function") or {}
        if text := f"{function.get('name') or ''}{function.get('arguments') or ''}":
            events.append(Fragment("tool", text))


def _usage(usage: Mapping[str, Any]) -> Usage:
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    return Usage(
        input_tokens=count(usage.get("prompt_tokens")),
        output_tokens=count(usage.get("completion_tokens")),
        cached_tokens=count(prompt.get("cached_tokens")),
        reasoning_tokens=count(completion.get("reasoning_tokens")),
        cost_usd=amount(usage.get("cost")),
    )


def _stream_failure(chunk: Mapping[str, Any]) -> Failure | None:
    """An error after HTTP 200: OpenAI's and SGLang's ``{"error": ...}`` or vLLM's ``{"object": "error", ...}``."""
    error = chunk.get("error") or (chunk if chunk.get("object") == "error" else None)
    if not error:
        return None
    if not isinstance(error, dict):
        return Failure("server", str(error))
    code = error.get("code") or error.get("type") or ""
    status = code if isinstance(code, int) else 500
    message = str(error.get("message") or code or "error inside the stream")
    return Failure(kind_of_words(str(code), message, status) or kind_of_status(status), message)

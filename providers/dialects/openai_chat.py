"""OpenAI chat completions: ``base_url`` https://HOST/v1, operation ``/chat/completions``.

So speak OpenAI, Azure (https://RES.openai.azure.com/openai/v1; classic: .../openai/deployments/DEPLOYMENT with ``path``
/chat/completions?api-version=...), Bedrock (https://bedrock-runtime.REGION.amazonaws.com/openai/v1), Vertex AI
(.../endpoints/openapi), vLLM, SGLang, llama.cpp, Groq, Together, Fireworks, Mistral, OpenRouter and most gateways.

Differences it absorbs: role-only first chunks (empty or null content), Azure's choice-less first frame, ``reasoning``
beside ``reasoning_content``, usage in a last chunk with or without choices, errors inside a 200 stream in two shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from providers.dialects.base import (
    Category,
    End,
    Event,
    Failure,
    Finish,
    Fragment,
    Framer,
    HttpRequest,
    Prompt,
    Served,
    milliseconds_s,
)
from providers.dialects.failures import failure_of
from providers.dialects.frame import counted, said
from providers.dialects.openai_terms import FINISH, stream_failure, streamed, usage_of
from providers.dialects.posting import cap, post, present
from providers.dialects.sse import SseFramer, WholeFramer
from providers.spec import Provider

_TEXTS: tuple[tuple[str, Category], ...] = (
    ("reasoning", "reasoning"), ("reasoning_content", "reasoning"), ("content", "answer"), ("refusal", "answer"),
)  # fmt: skip


class OpenAIChat:
    name = "openai-chat"
    ignores: frozenset[str] = frozenset()

    def build(self, prompt: Prompt, provider: Provider) -> HttpRequest:
        messages = [{"role": role, "content": content} for role, content in prompt.messages]
        return ask(provider, prompt, "/chat/completions", {"messages": messages})

    def framer(self, *, stream: bool) -> Framer:
        return SseFramer() if stream else WholeFramer()

    def events(self, frame: bytes) -> list[Event]:
        if frame.strip() == b"[DONE]":
            return [End()]
        chunk = orjson.loads(frame)
        if isinstance(chunk, list) and chunk:  # Google wraps an error so
            chunk = chunk[0]
        if not isinstance(chunk, dict):
            raise ValueError("frame is no object")  # noqa: TRY004 - malformed data, not a programming error
        return told(chunk)

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        return failure_of(status, headers, body)

    def served(self, headers: Mapping[str, str]) -> Served:
        request_id = headers.get("apim-request-id") or headers.get("x-request-id") or headers.get("x-generation-id")
        took = headers.get("openai-processing-ms") or headers.get("x-envoy-upstream-service-time")
        return Served("", headers.get("x-ms-region", ""), request_id or "", milliseconds_s(took))


def told(chunk: Mapping[str, Any]) -> list[Event]:
    """The events of one object, streamed or whole."""
    kind = chunk.get("object")
    if ("error" in chunk or kind == "error") and (failure := stream_failure(chunk)):
        return [failure]
    events: list[Event] = []
    finishes: list[Event] = []
    for choice in chunk.get("choices") or ():
        _hear(choice.get("delta") or choice.get("message") or {}, events)
        if reason := choice.get("finish_reason"):
            finishes.append(Finish(FINISH.get(reason, "other")))
    usage = usage_of(chunk)
    if usage and not finishes:  # the last frame counts what was hidden, too
        events = counted(events, streamed(usage, events))
    events += finishes
    if usage:
        events.append(usage)
    if model := chunk.get("model"):
        events.append(Served(str(model)))
    if kind == "chat.completion":  # the unary answer is its own end
        events.append(End())
    return events


def ask(provider: Provider, prompt: Prompt, operation: str, asked: dict[str, Any]) -> HttpRequest:
    """What chat and completions are sent alike, around what is asked."""
    wanted = provider.request
    optional = {
        "model": provider.model or None,
        "stream_options": {"include_usage": True} if wanted.stream else None,
        wanted.max_tokens_field: cap(prompt, provider),
        "temperature": wanted.temperature,
        "top_p": wanted.top_p,
        wanted.seed_field: wanted.seed,
        "ignore_eos": wanted.ignore_eos,
        "min_tokens": wanted.min_tokens,
    }
    accept = "text/event-stream" if wanted.stream else "application/json"
    return post(provider, operation, asked | {"stream": wanted.stream} | present(optional), accept=accept)


def _hear(delta: Mapping[str, Any], events: list[Event]) -> None:
    """Add what a delta, or a whole message, says."""
    before = len(events)
    for key, category in _TEXTS:
        text = delta.get(key)
        if not text:
            continue
        if isinstance(text, list):
            events += _blocks(text)
        # A gateway may send the same reasoning under both of its names: once is enough.
        elif isinstance(text, str) and not (key == "reasoning_content" and len(events) > before):
            events.append(Fragment(category, text))
    for call in delta.get("tool_calls") or ():
        function = call.get("function") or {}
        events += said("tool", function.get("name"), function.get("arguments"))


def _blocks(blocks: list[Mapping[str, Any]]) -> list[Event]:
    """Content as a list: so Mistral's reasoning models tell thought from answer."""
    found: list[Event] = []
    for block in blocks:
        thoughts = block.get("thinking") or ()
        found += said("reasoning", *(part.get("text") for part in thoughts)) + said("answer", block.get("text"))
    return found

"""Google's Gemini: ``base_url`` https://HOST/v1/projects/P/locations/L/publishers/google (Vertex AI) or
https://generativelanguage.googleapis.com/v1beta (AI Studio).

The operation is ``/models/{model}:streamGenerateContent?alt=sse`` or ``:generateContent``. Thoughts are counted outside
candidates and billed as output: the total is both. An error that strikes after HTTP 200 comes as bare JSON behind the
events, which is no server-sent event; a ``path`` without ``alt=sse`` brings the whole stream as one JSON array.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson

from providers.dialects.base import (
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
from providers.dialects.frame import counted, said
from providers.dialects.posting import cap, post, present, system_and_turns
from providers.dialects.sse import SseFramer, WholeFramer
from providers.spec import Provider

_TAIL_BYTES = 16384
_FINISH: dict[str, FinishReason] = {
    "STOP": "stop", "MAX_TOKENS": "length", "MALFORMED_FUNCTION_CALL": "error", "UNEXPECTED_TOOL_CALL": "error",
    "MALFORMED_RESPONSE": "error", "MISSING_THOUGHT_SIGNATURE": "error", "TOO_MANY_TOOL_CALLS": "error",
    **dict.fromkeys(
        ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"), "content_filter"
    ),
}  # fmt: skip


class VertexGemini:
    name = "vertex-gemini"
    ignores = frozenset({"seed_field", "max_tokens_field", "ignore_eos", "min_tokens"})

    def build(self, prompt: Prompt, provider: Provider) -> HttpRequest:
        wanted = provider.request
        system, turns = system_and_turns(prompt)
        settings = {
            "maxOutputTokens": cap(prompt, provider),
            "temperature": wanted.temperature,
            "topP": wanted.top_p,
            "seed": wanted.seed,
        }
        body = {
            "contents": [
                {"role": "model" if role == "assistant" else role, "parts": [{"text": text}]} for role, text in turns
            ],
            "generationConfig": present(settings),
            **present({"systemInstruction": {"parts": [{"text": system}]} if system else None}),
        }
        verb = "streamGenerateContent?alt=sse" if wanted.stream else "generateContent"
        accept = "text/event-stream" if wanted.stream else "application/json"
        return post(provider, f"/models/{quote(provider.model, safe='')}:{verb}", body, accept=accept)

    def framer(self, *, stream: bool) -> Framer:
        return _SseThenJson() if stream else WholeFramer()

    def events(self, frame: bytes) -> list[Event]:
        found = orjson.loads(frame)
        return [event for part in (found if isinstance(found, list) else [found]) for event in _told(part)]

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        return failure_of(status, headers, body)

    def served(self, headers: Mapping[str, str]) -> Served:
        return Served(request_id=headers.get("x-goog-request-id", ""))


class _SseThenJson:
    """Server-sent events, and behind the last of them what is none: a bare error."""

    def __init__(self) -> None:
        self._events = SseFramer()
        self._tail = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        self._tail += data
        del self._tail[:-_TAIL_BYTES]
        return self._events.feed(data)

    def close(self) -> list[bytes]:
        lines = bytes(self._tail).replace(b"\r", b"\n").split(b"\n")
        last = max((at for at, line in enumerate(lines) if line.startswith(b"data:")), default=-1)
        bare = b"\n".join(lines[last + 1 :]).strip()
        return self._events.close() + ([bare] if bare[:1] in (b"{", b"[") else [])


def _told(chunk: Mapping[str, Any]) -> list[Event]:
    if error := chunk.get("error"):
        return [failure_inside(error.get("status") or error.get("code"), str(error.get("message") or ""))]
    candidates = chunk.get("candidates") or ()
    if not candidates and (reason := (chunk.get("promptFeedback") or {}).get("blockReason")):
        return [Failure("content_filter", f"the prompt was blocked: {reason}")]
    parts = [part for one in candidates for part in (one.get("content") or {}).get("parts") or ()]
    usage = chunk.get("usageMetadata") or {}
    events = counted([event for part in parts for event in _part(part)], _streamed(usage, parts))
    events += [Finish(_FINISH.get(one["finishReason"], "other")) for one in candidates if one.get("finishReason")]
    events += [_usage(usage)] if usage else []
    return [*events, Served(str(chunk.get("modelVersion") or ""), "", str(chunk.get("responseId") or ""))]


def _part(part: Mapping[str, Any]) -> list[Event]:
    call = part.get("functionCall") or {}
    code = part.get("executableCode") or {}
    text = said("reasoning" if part.get("thought") else "answer", part.get("text"))
    return text + said("tool", call.get("name"), call.get("args"), code.get("code"))


def _streamed(usage: Mapping[str, Any], parts: list[Mapping[str, Any]]) -> int | None:
    """Tokens that have come so far; thoughts are counted even where they are kept back."""
    candidates, thoughts = count(usage.get("candidatesTokenCount")), count(usage.get("thoughtsTokenCount"))
    shown = any(part.get("thought") for part in parts)
    return (candidates or 0) + (thoughts or 0) if shown else candidates


def _usage(usage: Mapping[str, Any]) -> Usage:
    names = ("promptTokenCount", "toolUsePromptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")
    prompt, tools, candidates, thoughts = (count(usage.get(name)) for name in names)
    return Usage(
        input_tokens=None if prompt is None else prompt + (tools or 0),
        output_tokens=None if candidates is thoughts is None else (candidates or 0) + (thoughts or 0),
        cached_tokens=count(usage.get("cachedContentTokenCount")),
        reasoning_tokens=thoughts,
    )

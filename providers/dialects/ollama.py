"""Ollama's own chat: ``base_url`` http://HOST:11434, operation ``/api/chat``.

One JSON object a line; the last has ``done`` and the counts. ``prompt_eval_count`` is missing when the prompt was in
the cache: then the input is unknown, not 0.
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
    amount,
    count,
)
from providers.dialects.failures import failure_inside, failure_of
from providers.dialects.frame import document, said
from providers.dialects.ndjson import NdjsonFramer
from providers.dialects.posting import cap, post, present
from providers.dialects.sse import WholeFramer
from providers.spec import Provider

_FINISH: dict[str, FinishReason] = {"stop": "stop", "length": "length"}


class Ollama:
    name = "ollama"
    ignores = frozenset({"seed_field", "max_tokens_field", "ignore_eos", "min_tokens"})

    def build(self, prompt: Prompt, provider: Provider) -> HttpRequest:
        wanted = provider.request
        options = {
            "num_predict": cap(prompt, provider),
            "temperature": wanted.temperature,
            "top_p": wanted.top_p,
            "seed": wanted.seed,
        }
        body = {
            "model": provider.model,
            "messages": [{"role": role, "content": content} for role, content in prompt.messages],
            "stream": wanted.stream,  # always said: Ollama streams unless told not to
            "options": present(options),
        }
        accept = "application/x-ndjson" if wanted.stream else "application/json"
        return post(provider, "/api/chat", body, accept=accept)

    def framer(self, *, stream: bool) -> Framer:
        return NdjsonFramer() if stream else WholeFramer()

    def events(self, frame: bytes) -> list[Event]:
        line = document(frame)
        if error := line.get("error"):
            return [failure_inside("", str(error))]
        events = _fragments(line.get("message") or {})
        if not line.get("done"):
            return events
        reason = _FINISH.get(line.get("done_reason") or "stop", "other")  # older servers give no reason
        took_ns = amount(line.get("total_duration"))
        model = Served(str(line.get("model") or ""), server_s=None if took_ns is None else took_ns / 1e9)
        return [*events, Finish(reason), _usage(line), model, End()]

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        return failure_of(status, headers, body)

    def served(self, headers: Mapping[str, str]) -> Served:
        return Served(request_id=headers.get("x-request-id", ""))


def _fragments(message: Mapping[str, Any]) -> list[Event]:
    events = said("reasoning", message.get("thinking")) + said("answer", message.get("content"))
    for call in message.get("tool_calls") or ():
        events += said("tool", call["function"].get("name"), call["function"].get("arguments"))
    return events


def _usage(line: Mapping[str, Any]) -> Usage:
    return Usage(count(line.get("prompt_eval_count") or None), count(line.get("eval_count")))

"""OpenAI's Responses: ``base_url`` https://HOST/v1, operation ``/responses``.

Every event names its own type, and ``response.completed``, ``.incomplete`` or ``.failed`` ends the stream: it repeats
the whole answer, which has been read by then. Nothing is stored at the provider. Errors and headers are chat's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.dialects.base import (
    Category,
    End,
    Event,
    Finish,
    FinishReason,
    HttpRequest,
    Prompt,
    Served,
    Usage,
    count,
)
from providers.dialects.failures import failure_inside
from providers.dialects.frame import document, said
from providers.dialects.openai_chat import OpenAIChat
from providers.dialects.openai_terms import stream_failure
from providers.dialects.posting import cap, post, present
from providers.spec import Provider

_DELTAS: dict[str, Category] = {
    "response.output_text.delta": "answer",
    "response.refusal.delta": "answer",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.function_call_arguments.delta": "tool",
    "response.custom_tool_call_input.delta": "tool",
    "response.mcp_call_arguments.delta": "tool",
}
_INCOMPLETE: dict[str, FinishReason] = {"max_output_tokens": "length", "content_filter": "content_filter"}


class OpenAIResponses(OpenAIChat):
    name = "openai-responses"
    ignores = frozenset({"seed", "seed_field", "max_tokens_field", "ignore_eos", "min_tokens"})

    def build(self, prompt: Prompt, provider: Provider) -> HttpRequest:
        wanted = provider.request
        optional = {
            "max_output_tokens": cap(prompt, provider),
            "temperature": wanted.temperature,
            "top_p": wanted.top_p,
        }
        body = {
            "model": provider.model,
            "input": [{"role": role, "content": content} for role, content in prompt.messages],
            "stream": wanted.stream,
            "store": False,
            **present(optional),
        }
        return post(provider, "/responses", body, accept="text/event-stream" if wanted.stream else "application/json")

    def events(self, frame: bytes) -> list[Event]:
        if frame.strip() == b"[DONE]":  # some gateways send it here, too
            return [End()]
        event = document(frame)
        if event.get("object") == "response":
            return [*_output(event), *_end(event)]
        return _told(str(event.get("type")), event)


def _told(kind: str, event: Mapping[str, Any]) -> list[Event]:
    """The events of one streamed event."""
    if kind in _DELTAS:
        return said(_DELTAS[kind], event.get("delta"))
    if kind in ("response.completed", "response.incomplete", "response.failed"):
        return _end(event["response"])
    if kind == "response.created":
        return [_served(event["response"])]
    if kind == "response.output_item.added":  # a call begins with its name
        return said("tool", event["item"].get("name"))
    # An error is flat by the reference, and an object inside an object by some servers.
    failure = stream_failure({"error": event.get("error") or event} if kind == "error" else event)
    return [failure] if failure else []


def _end(response: Mapping[str, Any]) -> list[Event]:
    """How it ended, and what it cost."""
    usage = [_usage(response["usage"])] if response.get("usage") else []
    status = response.get("status")
    if status not in ("completed", "incomplete"):
        error = response.get("error") or {}
        return [*usage, failure_inside(error.get("code"), str(error.get("message") or f"the response is {status}"))]
    finish = Finish(_reason(response))
    return [finish, *usage, _served(response), End()]


def _reason(response: Mapping[str, Any]) -> FinishReason:
    if response["status"] == "incomplete":
        return _INCOMPLETE.get((response.get("incomplete_details") or {}).get("reason") or "", "other")
    called = any(item.get("type") in ("function_call", "custom_tool_call") for item in response.get("output") or ())
    return "tool" if called else "stop"


def _output(response: Mapping[str, Any]) -> list[Event]:
    """A whole answer, item by item."""
    events: list[Event] = []
    for item in response["output"]:
        parts = item.get("content") or ()
        if item.get("type") == "reasoning":
            parts = item.get("content") or item.get("summary") or ()
            events += said("reasoning", *(part.get("text") for part in parts))
        else:
            events += said("answer", *(part.get("text") or part.get("refusal") for part in parts))
        events += said("tool", item.get("name"), item.get("arguments") or item.get("input"))
    return events


def _served(response: Mapping[str, Any]) -> Served:
    return Served(model=str(response.get("model") or ""))


def _usage(usage: Mapping[str, Any]) -> Usage:
    inputs, outputs = usage.get("input_tokens_details") or {}, usage.get("output_tokens_details") or {}
    return Usage(
        input_tokens=count(usage.get("input_tokens")),
        output_tokens=count(usage.get("output_tokens")),
        cached_tokens=count(inputs.get("cached_tokens")),
        cache_write_tokens=count(inputs.get("cache_write_tokens")),
        reasoning_tokens=count(outputs.get("reasoning_tokens")),
    )

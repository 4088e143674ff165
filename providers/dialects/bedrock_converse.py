"""Amazon Bedrock's Converse: ``base_url`` https://bedrock-runtime.REGION.amazonaws.com.

The operation is ``/model/{model}/converse-stream`` or ``/model/{model}/converse``, the model's id or ARN
percent-encoded once. The stream is AWS's own (``eventstream``); ``metadata`` follows ``messageStop`` and ends it. Input
is told in three parts that exclude each other: their sum is the total.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson

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
    milliseconds_s,
)
from providers.dialects.eventstream import EventStreamFramer, message, stream_failure
from providers.dialects.failures import failure_of
from providers.dialects.frame import document, said
from providers.dialects.posting import cap, post, present, system_and_turns
from providers.dialects.sse import WholeFramer
from providers.spec import Provider

_FINISH: dict[str, FinishReason] = {
    "end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "model_context_window_exceeded": "length",
    "tool_use": "tool", "guardrail_intervened": "content_filter", "content_filtered": "content_filter",
    "malformed_model_output": "error", "malformed_tool_use": "error",
}  # fmt: skip


class BedrockConverse:
    name = "bedrock-converse"
    ignores = frozenset({"seed", "seed_field", "max_tokens_field", "ignore_eos", "min_tokens"})

    def build(self, prompt: Prompt, provider: Provider) -> HttpRequest:
        stream = provider.request.stream
        operation = f"/model/{quote(provider.model, safe='')}/converse{'-stream' * stream}"
        accept = "application/vnd.amazon.eventstream" if stream else "application/json"
        return post(provider, operation, conversation(prompt, provider), accept=accept)

    def framer(self, *, stream: bool) -> Framer:
        return EventStreamFramer() if stream else WholeFramer()

    def events(self, frame: bytes) -> list[Event]:
        if frame.lstrip().startswith(b"{"):  # a message begins with its length, whose first byte is 0 or 1
            return answer(document(frame))
        headers, payload = message(frame)
        if failure := stream_failure(headers, payload):
            return [failure]
        return told(headers.get(":event-type", ""), orjson.loads(payload))

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        return refused(status, headers, body)

    def served(self, headers: Mapping[str, str]) -> Served:
        took = milliseconds_s(headers.get("x-amzn-bedrock-invocation-latency"))  # of InvokeModel
        return Served(request_id=headers.get("x-amzn-requestid", ""), server_s=took)


def conversation(prompt: Prompt, provider: Provider) -> dict[str, Any]:
    """The body of Converse; Amazon's own models take the same through InvokeModel."""
    wanted = provider.request
    system, turns = system_and_turns(prompt)
    settings = {"maxTokens": cap(prompt, provider), "temperature": wanted.temperature, "topP": wanted.top_p}
    return {
        "messages": [{"role": role, "content": [{"text": content}]} for role, content in turns],
        "inferenceConfig": present(settings),
        **present({"system": [{"text": system}] if system else None}),
    }


def told(kind: str, event: Mapping[str, Any]) -> list[Event]:
    """The events of one streamed event."""
    match kind:
        case "contentBlockStart":  # its ``start`` may be empty
            return said("tool", ((event.get("start") or {}).get("toolUse") or {}).get("name"))
        case "contentBlockDelta":
            delta = event["delta"]
            thought = said("reasoning", (delta.get("reasoningContent") or {}).get("text"))
            return thought + said("answer", delta.get("text")) + said("tool", (delta.get("toolUse") or {}).get("input"))
        case "messageStop":
            return [Finish(_FINISH.get(event["stopReason"], "other"), ends=False)]
        case "metadata":
            return [_usage(event.get("usage") or {}), *_took(event), End()]
    return []


def answer(body: Mapping[str, Any]) -> list[Event]:
    """A whole answer."""
    events: list[Event] = []
    for block in body["output"]["message"]["content"]:
        thought = (block.get("reasoningContent") or {}).get("reasoningText") or {}
        cited = (block.get("citationsContent") or {}).get("content") or ()
        call = block.get("toolUse") or {}
        events += said("reasoning", thought.get("text"))
        events += said("answer", block.get("text"), *(part.get("text") for part in cited))
        events += said("tool", call.get("name"), call.get("input"))
    finish = Finish(_FINISH.get(body["stopReason"], "other"))
    return [*events, finish, _usage(body.get("usage") or {}), *_took(body), End()]


def _took(told: Mapping[str, Any]) -> list[Event]:
    latency_ms = amount((told.get("metrics") or {}).get("latencyMs"))
    return [] if latency_ms is None else [Served(server_s=latency_ms / 1000)]


def _usage(usage: Mapping[str, Any]) -> Usage:
    names = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
    fresh, output, read, written = (count(usage.get(name)) for name in names)
    total = None if fresh is None else fresh + (read or 0) + (written or 0)
    return Usage(total, output, cached_tokens=read, cache_write_tokens=written)


def refused(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """AWS names the error in a header, with an address behind a colon."""
    return failure_of(status, headers, body, headers.get("x-amzn-errortype", "").partition(":")[0])

"""Amazon Bedrock's InvokeModel: ``base_url`` https://bedrock-runtime.REGION.amazonaws.com.

The operation is ``/model/{model}/invoke-with-response-stream`` or ``/model/{model}/invoke``. Body and answer are those
of the model's family, which its id names: Anthropic's Messages, Nova (as Converse), Llama and the older Mistral (a
templated prompt), any other as OpenAI chat. In a stream each message wraps one of the family's objects in base64; the
last carries Bedrock's own counts. A whole answer of an older Mistral tells none: its tokens are estimated.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from providers.dialects import anthropic_messages, bedrock_converse, openai_chat
from providers.dialects.base import Event, Finish, HttpRequest, Prompt, Usage, count
from providers.dialects.eventstream import message, stream_failure
from providers.dialects.frame import counted, document, said
from providers.dialects.openai_terms import FINISH
from providers.dialects.posting import cap, post, present
from providers.spec import Provider

_ANTHROPIC_VERSION = "bedrock-2023-05-31"
_METRICS = "amazon-bedrock-invocationMetrics"
_TEXT_ONLY = re.compile(r"mistral\.(mistral-7b|mixtral-8x7b|mistral-(large|small)-2402)")
_NOVA = ("contentBlockStart", "contentBlockDelta", "messageStop", "metadata")


class BedrockInvoke(bedrock_converse.BedrockConverse):
    """Framing, errors and headers are those of Converse."""

    name = "bedrock-invoke"
    ignores = frozenset({"seed", "seed_field", "ignore_eos", "min_tokens"})

    def build(self, prompt: Prompt, provider: Provider) -> HttpRequest:
        stream = provider.request.stream
        operation = f"/model/{quote(provider.model, safe='')}/invoke{'-with-response-stream' * stream}"
        accept = "application/vnd.amazon.eventstream" if stream else "application/json"
        return post(provider, operation, _asked(prompt, provider), accept=accept)

    def events(self, frame: bytes) -> list[Event]:
        if frame.lstrip().startswith(b"{"):
            return _told(document(frame))
        headers, payload = message(frame)
        if failure := stream_failure(headers, payload):
            return [failure]
        return _told(document(b64decode(document(payload)["bytes"], validate=True)))


def _asked(prompt: Prompt, provider: Provider) -> dict[str, Any]:
    """The body that the model's family wants."""
    wanted, model, most = provider.request, provider.model, cap(prompt, provider)
    sampling = present({"temperature": wanted.temperature, "top_p": wanted.top_p})
    if "anthropic." in model:
        return {"anthropic_version": _ANTHROPIC_VERSION, **anthropic_messages.messages(prompt, provider)}
    if "amazon.nova" in model:
        return {"schemaVersion": "messages-v1", **bedrock_converse.conversation(prompt, provider)}
    if "meta.llama" in model:
        return {"prompt": _llama(prompt, model), **present({"max_gen_len": most}), **sampling}
    if _TEXT_ONLY.search(model):
        return {"prompt": _mistral(prompt), **present({"max_tokens": most}), **sampling}
    turns = [{"role": role, "content": content} for role, content in prompt.messages]
    field = "max_completion_tokens" if "openai." in model else wanted.max_tokens_field  # it refuses the older name
    return {"messages": turns, **present({field: most}), **sampling}


def _llama(prompt: Prompt, model: str) -> str:
    """Llama's own chat template: its words changed with the fourth generation."""
    opens, closes, ends = ("start_header_id", "end_header_id", "eot_id")
    if "llama4" in model:
        opens, closes, ends = ("header_start", "header_end", "eot")
    turns = (f"<|{opens}|>{role}<|{closes}|>\n\n{content}<|{ends}|>" for role, content in prompt.messages)
    return "<|begin_of_text|>" + "".join(turns) + f"<|{opens}|>assistant<|{closes}|>\n\n"


def _mistral(prompt: Prompt) -> str:
    """Mistral's first template, which has no place for a system's words but the first turn."""
    text = ""
    for role, content in prompt.messages:
        text += f"{content}</s>" if role == "assistant" else f"[INST] {content} [/INST]"
    return "<s>" + text.replace(" [/INST][INST] ", "\n\n")


def _told(chunk: dict[str, Any]) -> list[Event]:
    """The events of one of the family's objects, known by its keys."""
    if "type" in chunk:
        return anthropic_messages.told(chunk)
    if "output" in chunk:
        return bedrock_converse.answer(chunk)
    if kind := next((key for key in _NOVA if key in chunk), None):
        return bedrock_converse.told(kind, chunk[kind])
    return [*_metrics(chunk.get(_METRICS) or {}), *_plain(chunk)]


def _plain(chunk: dict[str, Any]) -> list[Event]:
    """Llama's generation, Mistral's outputs, or choices as OpenAI's, in which Mistral says stop_reason."""
    if "generation" in chunk:
        so_far = count(chunk.get("generation_token_count"))
        text = counted(said("answer", chunk["generation"]), so_far)
        return [*text, Usage(count(chunk.get("prompt_token_count")), so_far), *_finish(chunk)]
    if "outputs" in chunk:
        parts = chunk["outputs"]
        return [event for part in parts for event in (*said("answer", part.get("text")), *_finish(part))]
    stops = [event for choice in chunk.get("choices") or () for event in _finish(choice)]
    return [*openai_chat.told(chunk), *stops]


def _finish(part: Mapping[str, Any]) -> list[Event]:
    reason = part.get("stop_reason")
    return [Finish(FINISH.get(reason, "other"))] if reason else []


def _metrics(metrics: Mapping[str, Any]) -> list[Event]:
    """Bedrock's own count, in the last message."""
    return [Usage(count(metrics.get("inputTokenCount")), count(metrics.get("outputTokenCount")))] if metrics else []

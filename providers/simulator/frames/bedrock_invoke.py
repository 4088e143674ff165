"""bedrock-invoke: each model's own JSON, base64 in ``chunk`` events of AWS's stream: Claude's, Llama's or OpenAI's."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import orjson

from providers.simulator.ask import Ask, cap, count_words, messages, required
from providers.simulator.frames import event_stream
from providers.simulator.frames.anthropic_messages import MessageFrames, claude
from providers.simulator.frames.base import TEXT, Answer, Call, Frames, around
from providers.simulator.frames.bedrock import PADDING, Bedrock
from providers.simulator.frames.openai_chat import DONE, ChatFrames

_CHUNK = event_stream.head("event", "chunk")


class BedrockInvoke(Bedrock):
    """The body tells the model: Claude names its version, Llama has a prompt, and OpenAI's open ones have messages."""

    def ask(self, call: Call) -> Ask:
        document, stream = call.document, call.action == "invoke-with-response-stream"
        if "anthropic_version" in document:
            return claude(call, call.model, stream=stream)
        if "prompt" in document:
            words, limit = count_words(required(document, "prompt")), cap(document, "max_gen_len")
            return Ask(call.model, stream, limit, words, shows_reasoning=False, variant="llama")
        words, limit = count_words(messages(document)), cap(document, "max_completion_tokens", "max_tokens")
        return Ask(call.model, stream, limit, words, variant="openai")

    def frames(self, answer: Answer) -> Frames:
        return _FRAMES[answer.ask.variant](answer)


def _chunk(data: bytes) -> bytes:
    return event_stream.message(_CHUNK, b'{"bytes":"%b","p":"%b"}' % (base64.b64encode(data), PADDING.encode()))


def _metrics(answer: Answer) -> dict[str, Any]:
    """Bedrock's own count, in the last chunk of every model."""
    metrics = {
        "inputTokenCount": answer.counts.input, "outputTokenCount": answer.counts.output,
        "invocationLatency": round(answer.last_s * 1000), "firstByteLatency": round(answer.first_s * 1000),
    }  # fmt: skip
    return {"amazon-bedrock-invocationMetrics": metrics}


class ClaudeFrames(MessageFrames):
    """Anthropic's events, in AWS's stream instead of server-sent ones."""

    content_type = event_stream.CONTENT_TYPE

    def wrap(self, kind: str, data: bytes) -> bytes:  # noqa: ARG002 - the data says its kind
        return _chunk(data)

    def last(self) -> dict[str, Any]:
        return _metrics(self._answer)

    def broken(self) -> bytes:
        return event_stream.flipped(super().broken())

    def error(self, message: str) -> bytes:
        return event_stream.exception("internalServerException", message)


class LlamaFrames:
    """One ``generation`` a chunk; no reasoning of its own, so all words are answer."""

    content_type = event_stream.CONTENT_TYPE

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._said = around(self._piece(TEXT, None))

    def opening(self) -> tuple[bytes, ...]:
        return (_chunk(orjson.dumps(self._piece("", None) | {"prompt_token_count": self._answer.counts.input})),)

    def content(self, text: bytes, *, reasoning: bool) -> bytes:  # noqa: ARG002
        return _chunk(self._said[0] + text + self._said[1])

    def turn(self) -> tuple[bytes, ...]:
        return ()

    def closing(self) -> tuple[bytes, ...]:
        return (_chunk(orjson.dumps(self._piece("", self._answer.finish) | self._counted() | _metrics(self._answer))),)

    def broken(self) -> bytes:
        return event_stream.flipped(self.content(b" broken", reasoning=False))

    def error(self, message: str) -> bytes:
        return event_stream.exception("internalServerException", message)

    def whole(self, reasoning: str, answer: str) -> bytes:
        return orjson.dumps(self._piece(reasoning + answer, self._answer.finish) | self._counted())

    def _counted(self) -> dict[str, Any]:
        return {"prompt_token_count": self._answer.counts.input, "generation_token_count": self._answer.counts.output}

    def _piece(self, text: str, finish: str | None) -> dict[str, Any]:
        return {"generation": text, "prompt_token_count": None, "generation_token_count": None, "stop_reason": finish}


class OpenAIFrames(ChatFrames):
    """OpenAI's chunks without ``data:`` and ``[DONE]``; Bedrock's count is told by the last of them."""

    content_type = event_stream.CONTENT_TYPE

    def opening(self) -> tuple[bytes, ...]:
        return tuple(_chunk(_bare(event)) for event in super().opening())

    def content(self, text: bytes, *, reasoning: bool) -> bytes:
        return _chunk(_bare(super().content(text, reasoning=reasoning)))

    def closing(self) -> tuple[bytes, ...]:
        *events, last = (_bare(event) for event in super().closing() if event != DONE)
        return *map(_chunk, events), _chunk(orjson.dumps(orjson.loads(last) | _metrics(self._answer)))

    def broken(self) -> bytes:
        return event_stream.flipped(self.content(b" broken", reasoning=False))

    def error(self, message: str) -> bytes:
        return event_stream.exception("internalServerException", message)


def _bare(event: bytes) -> bytes:
    return event.removeprefix(b"data: ").rstrip()


_FRAMES: dict[str, Callable[[Answer], Frames]] = {"": ClaudeFrames, "llama": LlamaFrames, "openai": OpenAIFrames}

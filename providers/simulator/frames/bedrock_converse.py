"""bedrock-converse: events of AWS's stream; input excludes what was cached, ``metadata`` comes after the stop."""

from __future__ import annotations

from typing import Any

import orjson

from providers.simulator.ask import Ask, cap, count_words, mapping, messages
from providers.simulator.frames import event_stream
from providers.simulator.frames.base import TEXT, Answer, Call, Frames, around
from providers.simulator.frames.bedrock import PADDING, Bedrock
from providers.simulator.refusal import Refusal

_FINISH = {"stop": "end_turn", "length": "max_tokens"}
_DELTA = event_stream.head("event", "contentBlockDelta")


class BedrockConverse(Bedrock):
    def ask(self, call: Call) -> Ask:
        document = call.document
        turns = messages(document)
        for message in turns:
            blocks = message.get("content")
            if message.get("role") not in ("user", "assistant") or not isinstance(blocks, list) or not blocks:
                raise Refusal(400, "Each message needs the role user or assistant and a list of content blocks.")
        words = count_words(turns) + count_words(document.get("system"))
        limit = cap(mapping(document, "inferenceConfig"), "maxTokens")
        return Ask(call.model, call.action == "converse-stream", limit, words)

    def frames(self, answer: Answer) -> Frames:
        return ConverseFrames(answer)


class ConverseFrames:
    content_type = event_stream.CONTENT_TYPE

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._block = 0
        index = int(answer.counts.reasoning > 0)
        self._said = around({"contentBlockIndex": index, "delta": {"text": TEXT}, "p": PADDING})
        self._thought = around({"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": TEXT}}, "p": PADDING})

    def opening(self) -> tuple[bytes, ...]:
        return (event_stream.event("messageStart", {"role": "assistant", "p": PADDING}),)

    def content(self, text: bytes, *, reasoning: bool) -> bytes:
        before, after = self._thought if reasoning else self._said
        return event_stream.message(_DELTA, before + text + after)

    def turn(self) -> tuple[bytes, ...]:
        self._block = 1
        signed = {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "c2ltdWxhdGVk"}}, "p": PADDING}
        return event_stream.event("contentBlockDelta", signed), self._stop(0)

    def closing(self) -> tuple[bytes, ...]:
        stop = event_stream.event("messageStop", {"stopReason": _FINISH[self._answer.finish], "p": PADDING})
        return self._stop(self._block), stop, event_stream.event("metadata", {**self._billed(), "p": PADDING})

    def broken(self) -> bytes:
        return event_stream.flipped(self.content(b" broken", reasoning=False))

    def error(self, message: str) -> bytes:
        return event_stream.exception("internalServerException", message)

    def whole(self, reasoning: str, answer: str) -> bytes:
        content: list[dict[str, Any]] = []
        if reasoning:
            thought = {"text": reasoning, "signature": "c2ltdWxhdGVk"}
            content.append({"reasoningContent": {"reasoningText": thought}})
        if answer:
            content.append({"text": answer})
        output = {"message": {"role": "assistant", "content": content}}
        return orjson.dumps({"output": output, "stopReason": _FINISH[self._answer.finish], **self._billed()})

    def _stop(self, block: int) -> bytes:
        return event_stream.event("contentBlockStop", {"contentBlockIndex": block, "p": PADDING})

    def _billed(self) -> dict[str, Any]:
        counts = self._answer.counts
        usage = {
            "inputTokens": counts.fresh, "outputTokens": counts.output, "totalTokens": counts.total,
            "cacheReadInputTokens": counts.cached, "cacheWriteInputTokens": counts.cache_write,
        }  # fmt: skip
        return {"usage": usage, "metrics": {"latencyMs": round(self._answer.last_s * 1000)}}

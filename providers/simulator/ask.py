"""An Ask is what a chat request wants, read from its body; a Refusal says what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from providers.simulator.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Ask:
    model: str
    stream: bool
    include_usage: bool
    max_tokens: int | None
    input_tokens: int  # words: our synthetic prompts are one token a word


def read_ask(body: bytes) -> Ask:
    try:
        document = orjson.loads(body)
    except ValueError:
        raise Refusal(400, "We could not parse the JSON body of your request.") from None
    if not isinstance(document, dict):
        raise Refusal(400, "The body must be a JSON object.")
    messages = document.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
        raise Refusal(400, "'messages' must be a list of at least one message.")
    options = document.get("stream_options")
    return Ask(
        model=str(document.get("model") or ""),
        stream=document.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        max_tokens=_max_tokens(document),
        input_tokens=sum(_words(message.get("content")) for message in messages),
    )


def _max_tokens(document: dict[str, Any]) -> int | None:
    for key in ("max_completion_tokens", "max_tokens"):
        value = document.get(key)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise Refusal(400, f"'{key}' must be a whole number of at least 1.")
        return value
    return None


def _words(content: Any) -> int:
    if isinstance(content, str):
        return len(content.split())
    if isinstance(content, list):
        return sum(_words(part.get("text")) for part in content if isinstance(part, dict))
    return 0

"""An Ask is what a request wants, whatever its format; the checks that formats share say what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from providers.simulator.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Ask:
    """``shows_reasoning`` is false where it has no place: all words are answer then.

    ``variant`` tells apart the bodies of one path, where a format has several.
    """

    model: str
    stream: bool
    max_tokens: int | None
    input_tokens: int  # words: our synthetic prompts are one token a word
    include_usage: bool = True
    shows_reasoning: bool = True
    variant: str = ""


def parse(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except ValueError:
        raise Refusal(400, "We could not parse the JSON body of your request.") from None
    if not isinstance(document, dict):
        raise Refusal(400, "The body must be a JSON object.")
    return document


def messages(document: Mapping[str, Any], key: str = "messages") -> list[dict[str, Any]]:
    found = document.get(key)
    if not isinstance(found, list) or not found or not all(isinstance(message, dict) for message in found):
        raise Refusal(400, f"'{key}' must be a list of at least one message.")
    return found


def required(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str) or not value:
        raise Refusal(400, f"'{key}' is required.")
    return value


def mapping(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key)
    if value is not None and not isinstance(value, dict):
        raise Refusal(400, f"'{key}' must be an object.")
    return value or {}


def cap(document: Mapping[str, Any], *keys: str) -> int | None:
    """The first of these keys that is set."""
    for key in keys:
        value = document.get(key)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise Refusal(400, f"'{key}' must be a whole number of at least 1.")
        return value
    return None


def count_words(content: Any) -> int:
    """Of a text, of a list of parts, or of whatever holds them under ``text``, ``content`` or ``parts``."""
    if isinstance(content, str):
        return len(content.split())
    if isinstance(content, list):
        return sum(count_words(part) for part in content)
    if isinstance(content, dict):
        return sum(count_words(content.get(key)) for key in ("text", "content", "parts"))
    return 0

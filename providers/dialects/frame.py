"""A frame that holds one JSON object, and the text in it. What its keys mean is each dialect's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from providers.dialects.base import Category, Event, Fragment


def document(frame: bytes) -> dict[str, Any]:
    """ValueError when it is anything else."""
    found = orjson.loads(frame)
    if not isinstance(found, dict):
        raise ValueError("frame is no object")  # noqa: TRY004 - malformed data, not a programming error
    return found


def said(category: Category, *parts: object) -> list[Event]:
    """The fragment of these parts, if they hold any text; arguments that came as an object are its JSON."""
    text = "".join(part if isinstance(part, str) else orjson.dumps(part).decode() for part in parts if part)
    return [Fragment(category, text)] if text else []


def counted(fragments: list[Event], tokens: int | None) -> list[Event]:
    """The same fragments, the last of which tells how many tokens have come with them, as their own frame counted."""
    last = fragments[-1] if fragments else None
    if not tokens or not isinstance(last, Fragment):
        return fragments
    return [*fragments[:-1], replace(last, tokens=tokens)]

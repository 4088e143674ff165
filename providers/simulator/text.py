"""The words of mock answers: one token each, taken in turn from the workloads' own list."""

from __future__ import annotations

from functools import cache

from providers.words import words


@cache
def _tokens() -> tuple[bytes, ...]:
    return tuple(b" " + word.encode() for word in words())


def text(start: int, count: int) -> bytes:
    """``count`` tokens of text from the ``start``-th word of the list on, around its end."""
    tokens = _tokens()
    start %= len(tokens)
    if start + count <= len(tokens):
        return b"".join(tokens[start : start + count])
    return b"".join(tokens[(start + i) % len(tokens)] for i in range(count))

"""Words are what synthetic prompts are made of: each one token, with a leading space, in the common vocabularies.

``workloads/words.txt`` was checked against cl100k, o200k, Llama 3 and Qwen 3, so N words are N tokens and no tokenizer
runs. It does not know what a prompt is.
"""

from __future__ import annotations

import hashlib
import struct
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "workloads"
NONCE_TOKENS = 4  # 4096^4 prefixes: no two requests of a run share one but by a chance of 1e-9
_TASK = "write a very long story about all of these words and never stop before the end"  # one token a word, too
TASK = tuple(_TASK.split())


@cache
def words() -> tuple[str, ...]:
    """The 4096 words, in the order of the file."""
    found = tuple((FOLDER / "words.txt").read_text(encoding="utf-8").split())
    assert len(found) == 2**12
    return found


def draw(key: str, count: int) -> list[str]:
    """``count`` words drawn by SHAKE-128 of the key: the same in every process, Python version and language.

    There are 2^12 words, so twelve of every sixteen bits choose one without bias. Fewer words of the same key are the
    beginning of more.
    """
    known = words()
    stream = hashlib.shake_128(key.encode()).digest(2 * count)
    return [known[bits & 0xFFF] for bits in struct.unpack(f"<{count}H", stream)]


def share(key: str) -> float:
    """A number between 0 and 1, neither of them, drawn as the words are."""
    bits = int.from_bytes(hashlib.shake_128(key.encode()).digest(8), "little") >> 11
    return (bits + 0.5) / 2**53


def text(chosen: list[str]) -> str:
    """The words as they are sent: a space before each, also before the first, belongs to its token."""
    return " " + " ".join(chosen)


def asking(key: str, tokens: int, shared: list[str] | None = None) -> str:
    """A text of exactly so many tokens: shared words, own ones, and a task where there is room for it.

    Without the task a model answers noise by a short apology, and no output length is ever reached.
    """
    task = TASK if tokens >= 2 * len(TASK) else ()
    before = (shared or [])[: tokens - len(task)]
    return text([*before, *draw(key, tokens - len(task) - len(before)), *task])


def salted(content: str, key: str, after: int = 0) -> str:
    """The same text with other words behind the first ``after``: as many tokens, but no cache has seen it."""
    parts = content.split(" ", after + NONCE_TOKENS + 1)  # "", the words before, four words, the rest
    begin = after + 1
    fresh = draw(key, max(0, min(NONCE_TOKENS, len(parts) - begin)))
    return " ".join((*parts[:begin], *fresh, *parts[begin + len(fresh) :]))

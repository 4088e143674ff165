"""A Workload is what every provider is asked: the same seeded sequence of prompts of exact length.

Prompts are words that are one token each, with a leading space, in cl100k, o200k, Llama 3 and Qwen 3 (checked when
``workloads/words.txt`` was made), so N words are N tokens and no tokenizer runs. A chat template may add a few.
It does not know when a prompt is sent, nor to whom: only the nonce in its first words depends on the provider.
"""

from __future__ import annotations

import hashlib
import json
import struct
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from providers.dialects.base import Prompt
from providers.document import Document, read_document
from providers.errors import ConfigError
from providers.strict import Strict

_FOLDER = Path(__file__).parent / "workloads"
NONCE_TOKENS = 4  # 4096^4 prefixes: no two requests of a run share one but by a chance of 1e-9
_TASK = "write a very long story about all of these words and never stop before the end"  # one token a word, too


class Cache(Strict):
    """What prompts share: nothing (``bust``), their first ``prefix_tokens``, or everything (``repeat``)."""

    kind: str = Field(pattern="^(bust|shared_prefix|repeat)$")
    prefix_tokens: int = Field(0, ge=0)


def _cache(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    kind, colon, tokens = value.partition(":")
    if kind == "shared_prefix" and not tokens.isdigit():
        raise ValueError("shared_prefix needs its length, as shared_prefix:64")
    return {"kind": kind, "prefix_tokens": int(tokens)} if colon else {"kind": kind}


class Workload(Strict):
    version: int = Field(1, ge=1, le=1, description="1")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="lower-case letters, digits and '-'")
    input_tokens: int = Field(ge=8, le=1_000_000, description="tokens of a prompt, 8 or more")
    output_tokens: int = Field(ge=1, le=1_000_000, description="tokens asked for, 1 or more")
    cache: Annotated[Cache, BeforeValidator(_cache)] = Field(
        Cache(kind="bust", prefix_tokens=0), description="bust, shared_prefix:N or repeat"
    )

    @model_validator(mode="after")
    def _prefix_fits(self) -> Workload:
        if self.cache.prefix_tokens > self.input_tokens:
            raise ValueError(f"shared_prefix:{self.cache.prefix_tokens} is longer than {self.input_tokens} tokens")
        return self

    @property
    def sha256(self) -> str:
        """Hash of the declaration and of the word list: with a seed, this fixes every prompt."""
        declared = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(f"{declared}\n{' '.join(words())}".encode()).hexdigest()

    def prompt(self, seed: int, index: int, provider: str, run: str = "") -> Prompt:
        """The ``index``-th prompt of the sequence that ``seed`` starts, with the nonce of ``provider`` in ``run``.

        The nonce differs from run to run: a repetition must not find the caches that the first run warmed.
        """
        body = self._words(seed, index)
        if self.cache.kind == "bust":
            body[:NONCE_TOKENS] = _draw(f"nonce:{run}:{seed}:{index}:{provider}", NONCE_TOKENS)
        return Prompt(
            prompt_id=f"{self.name}-{0 if self.cache.kind == 'repeat' else index}",
            messages=(("user", " " + " ".join(body)),),
            target_input_tokens=self.input_tokens,
            target_output_tokens=self.output_tokens,
        )

    def sequence_sha256(self, seed: int, prompts: int) -> str:
        """Hash of the sequence without nonces.

        Texts follow from (declaration, words, seed, index) alone, so these are what is hashed: ten million prompts
        cost no more than ten.
        """
        return hashlib.sha256(f"{self.sha256}:{seed}:{prompts}".encode()).hexdigest()

    def _words(self, seed: int, index: int) -> list[str]:
        if self.cache.kind == "repeat":
            index = 0
        task = _TASK.split() if self.input_tokens >= 2 * len(_TASK.split()) else []
        shared = _draw(f"prefix:{seed}", min(self.cache.prefix_tokens, self.input_tokens - len(task)))
        own = _draw(f"prompt:{seed}:{index}", self.input_tokens - len(shared) - len(task))
        return [*shared, *own, *task]


@cache
def words() -> tuple[str, ...]:
    """The 4096 words, in the order of the file."""
    found = tuple((_FOLDER / "words.txt").read_text(encoding="utf-8").split())
    assert len(found) == 2**12
    return found


def _draw(key: str, count: int) -> list[str]:
    """``count`` words drawn by SHAKE-128 of the key: the same in every process, Python version and language.

    There are 2^12 words, so twelve of every sixteen bits choose one without bias.
    """
    known = words()
    stream = hashlib.shake_128(key.encode()).digest(2 * count)
    return [known[bits & 0xFFF] for bits in struct.unpack(f"<{count}H", stream)]


def load_workload(name_or_file: str) -> Workload:
    """A shipped workload by name, or one's own by file; ConfigError says what is wrong and where."""
    path = Path(name_or_file)
    if path.suffix not in (".yaml", ".yml"):
        path = _FOLDER / f"{name_or_file}.yaml"
        if not path.is_file():
            known = ", ".join(sorted(file.stem for file in _FOLDER.glob("*.yaml")))
            raise ConfigError(f"--workload {name_or_file}: unknown; expected one of {known}, or a .yaml file")
    return _workload(read_document(path))


def _workload(document: Document) -> Workload:
    if not isinstance(document.data, dict):
        raise document.error((), "expected a mapping with name, input_tokens and output_tokens")
    try:
        return Workload.model_validate(document.data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        if not first["loc"]:
            raise document.error((), first["msg"].removeprefix("Value error, ") + "; correct one of them") from None
        key = str(first["loc"][0])
        info = Workload.model_fields.get(key)
        expected = info.description if info else f"one of {', '.join(Workload.model_fields)}"
        got = repr(document.data[key]) if key in document.data else "nothing"
        raise document.error((key,), f"key '{key}': got {got}; expected {expected}; correct it") from None

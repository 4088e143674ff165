"""A Corpus is a file of one's own prompts, asked in the order of the file, again from its start when it is through.

It reads JSON lines ({"messages": [...]} or {"prompt": "..."}) and ShareGPT's JSON. What a text has in tokens only a
tokenizer could say: its target stays unknown, and where a number must be had (plans, caps) the estimate is high.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from providers.draft import Draft
from providers.errors import ConfigError
from providers.length import MOST_TOKENS, Length

_KEYS = ("messages", "prompt", "output_tokens", "session")
_ROLES = ("system", "user", "assistant")
_SPEAKERS = {"human": "user", "user": "user", "gpt": "assistant", "chatgpt": "assistant", "assistant": "assistant"}
_DEFAULT_OUTPUT_TOKENS = 128


@dataclass(frozen=True, slots=True)
class Record:
    """One prompt. ``output_tokens`` is what the file asks for; ``answer_tokens`` the estimate of a recorded answer."""

    messages: tuple[tuple[str, str], ...]
    output_tokens: int | None = None
    answer_tokens: int | None = None
    session: str = ""
    turn: int | None = None

    @property
    def input_tokens(self) -> int:
        return sum(estimated_tokens(content) for _, content in self.messages)


@dataclass(frozen=True, slots=True)
class Corpus:
    """``declared`` is the workload's own ``output_tokens``, for records that name none."""

    name: str
    records: tuple[Record, ...]
    content_sha256: str
    declared: Length | None = None
    repeat: bool = False

    @property
    def largest(self) -> tuple[int, int]:
        return (
            max(record.input_tokens for record in self.records),
            max(record.output_tokens or self._other(record) for record in self.records),
        )

    @property
    def turns_max(self) -> int:
        return 1 + max(record.turn or 0 for record in self.records)

    def draft(self, seed: int, index: int, abreast: int | None, history: Sequence[str]) -> Draft:  # noqa: ARG002 - of Source
        cycle, place = (0, 0) if self.repeat else divmod(index, len(self.records))
        record = self.records[place]
        return Draft(
            prompt_id=f"{self.name}-{place}",
            messages=record.messages,
            input_tokens=None,
            output_tokens=self._output_tokens(record, seed, index),
            cold=f"session {cycle} {record.session}" if record.session else str(index),
            session=f"{record.session}.{cycle}" if record.session else "",
            turn=record.turn,
        )

    def tokens(self, seed: int, index: int) -> tuple[int, int]:
        record = self.records[0 if self.repeat else index % len(self.records)]
        return record.input_tokens, self._output_tokens(record, seed, index)

    def _output_tokens(self, record: Record, seed: int, index: int) -> int:
        if record.output_tokens is None and self.declared is not None:
            return self.declared.at("output", seed, 0 if self.repeat else index)
        return record.output_tokens or self._other(record)

    def _other(self, record: Record) -> int:
        return self.declared.most if self.declared else record.answer_tokens or _DEFAULT_OUTPUT_TOKENS


def estimated_tokens(content: str) -> int:
    """On the high side: three plain characters a token (English has four, code three), every other one a token."""
    plain = sum(character.isascii() for character in content)
    return -(-plain // 3) + len(content) - plain


def read_corpus(path: Path, form: str, name: str, declared: Length | None, *, repeat: bool) -> Corpus:
    """The corpus of a file; ConfigError names file, line and what is wrong with it."""
    try:
        content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name an existing file") from None
    records = tuple(_sharegpt(path, content) if form == "sharegpt" else _jsonl(path, content))
    if not records:
        raise ConfigError(f"{path}: holds no prompt; expected at least one")
    return Corpus(name, records, hashlib.sha256(content).hexdigest(), declared, repeat)


def _jsonl(path: Path, content: bytes) -> Iterator[Record]:
    turns: dict[str, int] = {}
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            data = orjson.loads(line)
            session = _label(data)
            yield _record(data, session, turns.get(session, 0) if session else None)
        except ValueError as error:
            reason = f"not JSON ({error.msg})" if isinstance(error, orjson.JSONDecodeError) else str(error)
            raise ConfigError(f"{path}:{number}: {reason}; correct or remove this line") from None
        turns[session] = turns.get(session, 0) + 1


def _label(data: Any) -> str:
    if not isinstance(data, dict):
        raise ValueError("expected an object with 'messages' or 'prompt'")  # noqa: TRY004 - what a file says is a value
    if unknown := [key for key in data if key not in _KEYS]:
        hint = "; a trace is given as --trace" if {"at_s", "timestamp"} & set(unknown) else ""
        raise ValueError(f"key '{unknown[0]}': unknown; expected one of {', '.join(_KEYS)}{hint}")
    session = data.get("session", "")
    if isinstance(session, bool) or not isinstance(session, str | int):
        raise ValueError(f"key 'session': got {session!r}; expected a name or number")  # noqa: TRY004 - as above
    return str(session)


def _record(data: dict[str, Any], session: str, turn: int | None) -> Record:
    wanted = data.get("output_tokens")
    if wanted is not None and (
        isinstance(wanted, bool) or not isinstance(wanted, int) or not 1 <= wanted <= MOST_TOKENS
    ):
        raise ValueError(f"key 'output_tokens': got {wanted!r}; expected a whole number, 1 or more")
    if ("messages" in data) == ("prompt" in data):
        raise ValueError("expected 'messages' or 'prompt', one of the two")
    said = data["messages"] if "messages" in data else [{"role": "user", "content": data["prompt"]}]
    if not isinstance(said, list) or not said:
        raise ValueError("key 'messages': expected a list of at least one message")
    return Record(tuple(_message(each) for each in said), wanted, session=session, turn=turn)


def _message(said: Any) -> tuple[str, str]:
    if not isinstance(said, dict) or said.get("role") not in _ROLES:
        raise ValueError(f"a message needs a role, one of {', '.join(_ROLES)}, and a text as its content")
    content = said.get("content")
    if not isinstance(content, str) or not content.strip():
        raise ValueError(f"the {said['role']}'s message has no text")
    return said["role"], content


def _sharegpt(path: Path, content: bytes) -> Iterator[Record]:
    """The first question of every conversation; those without one are left out, as every reader of ShareGPT does."""
    try:
        data = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"{path}:{error.lineno}: not JSON ({error.msg}); expected a list of conversations") from None
    if not isinstance(data, list):
        raise ConfigError(
            f"{path}: expected a list of conversations, as ShareGPT has it; write format: jsonl for lines"
        )
    for number, entry in enumerate(data, 1):
        try:
            said = [_spoken(each) for each in entry["conversations"]]
        except (TypeError, KeyError, AttributeError):
            expected = "expected {conversations: [{from, value}, ...]}"
            raise ConfigError(f"{path}: entry {number}: {expected}; correct or remove it") from None
        said = [(role, words) for role, words in said if role and words.strip()]
        head = [said.pop(0)] if said and said[0][0] == "system" else []
        if said and said[0][0] == "user":
            answer = said[1][1] if len(said) > 1 and said[1][0] == "assistant" else ""
            yield Record((*head, said[0]), answer_tokens=min(estimated_tokens(answer), MOST_TOKENS) or None)


def _spoken(said: dict[str, Any]) -> tuple[str, str]:
    speaker, words = said["from"], said["value"]
    if not isinstance(words, str):
        raise TypeError
    return ("system" if speaker == "system" else _SPEAKERS.get(speaker, "")), words

"""A Workload is what every provider is asked: the same seeded sequence of prompts.

It declares where prompts come from (drawn lengths, sessions, a file, a trace) and what they may share. It does not
know when a prompt is sent, nor to whom: only the nonce, four of its words, depends on the provider.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, PrivateAttr, ValidationError, model_validator

from providers.conversation import LEAST_TOKENS, Conversation, Session
from providers.corpus import read_corpus
from providers.dialects.base import Prompt
from providers.document import Document, KeyPath, read_document
from providers.draft import Draft, Source
from providers.errors import ConfigError
from providers.length import Length, LengthOrNumber
from providers.replay import replay_of
from providers.singles import Singles
from providers.strict import Strict
from providers.trace import Trace, read_trace
from providers.words import FOLDER, NONCE_TOKENS, draw, salted, text, words

_SUMMED = 4096  # prompts whose lengths ``expected`` adds up; more are taken in proportion
_FORMATS = {".jsonl": "jsonl", ".json": "sharegpt", ".csv": "trace"}


class Cache(Strict):
    """What prompts share: nothing (``bust``), their first ``prefix_tokens``, or everything (``repeat``)."""

    kind: Literal["bust", "shared_prefix", "repeat"]
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
    input_tokens: LengthOrNumber | None = Field(
        None, description="tokens of a prompt, 8 or more, a number or {dist, p50, p95, max}"
    )
    output_tokens: LengthOrNumber | None = Field(
        None, description="tokens asked for, 1 or more, a number or {dist, p50, p95, max}"
    )
    cache: Annotated[Cache, BeforeValidator(_cache, json_schema_input_type=Cache | str)] = Field(
        Cache(kind="bust", prefix_tokens=0), description="bust, shared_prefix:N or repeat"
    )
    session: Session | None = Field(None, description="a mapping with turns and turn_input_tokens")
    file: str | None = Field(None, min_length=1, description="a file of prompts or a trace, relative to this one")
    format: Literal["jsonl", "sharegpt", "trace"] | None = Field(None, description="one of jsonl, sharegpt, trace")

    _read: Source | None = PrivateAttr(None)  # what its file held

    @model_validator(mode="after")
    def _whole(self) -> Workload:
        given = [key for key in ("input_tokens", "session", "file") if getattr(self, key) is not None]
        if len(given) != 1:
            got = " and ".join(given) or "nothing"
            raise ValueError(f"got {got}; expected one of input_tokens, session, file")
        if self.format is not None and self.file is None:
            raise ValueError(f"format {self.format} stands without a file")
        if self.file is not None:
            if self.cache.prefix_tokens:
                raise ValueError(f"shared_prefix:{self.cache.prefix_tokens} does not go with a file; write N as 0")
            return self
        if self.output_tokens is None:
            expected = Workload.model_fields["output_tokens"].description
            raise ValueError(f"key 'output_tokens': got nothing; expected {expected}")
        self._check_lengths()
        return self

    def _check_lengths(self) -> None:
        named = {"input_tokens": self.input_tokens}
        room = self.input_tokens.p50 if self.input_tokens else 0
        if self.session is not None:
            named = {"session.turn_input_tokens": self.session.turn_input_tokens}
            room = self.session.system_tokens
            if 0 < room < LEAST_TOKENS:
                raise ValueError(f"key 'session.system_tokens': got {room}; expected 0, or {LEAST_TOKENS} and more")
        for key, length in named.items():
            if length is not None and length.p50 < LEAST_TOKENS:
                expected = "tokens of a prompt" if self.session is None else "tokens a user adds each turn"
                raise ValueError(f"key '{key}': got {length.p50}; expected {expected}, {LEAST_TOKENS} or more")
        if self.cache.prefix_tokens > room:
            of = "the system message's " if self.session is not None else ""
            raise ValueError(f"shared_prefix:{self.cache.prefix_tokens} is longer than {of}{room} tokens")

    @cached_property
    def source(self) -> Source:
        shared = (self.cache.prefix_tokens, self.cache.kind == "repeat")
        if self._read is not None:
            return self._read
        if self.session is not None and self.output_tokens is not None:
            return Conversation(self.name, self.session, self.output_tokens, *shared)
        if self.input_tokens is not None and self.output_tokens is not None:
            return Singles(self.name, self.input_tokens, self.output_tokens, *shared)
        raise ConfigError(f"workload '{self.name}': its file {self.file} was not read; load it by its name")

    @property
    def sha256(self) -> str:
        """Hash of the declaration, of the word list and of the file's content: with a seed, this fixes every prompt."""
        declared = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        whole = f"{declared}\n{' '.join(words())}\n{self.source.content_sha256}"
        return hashlib.sha256(whole.encode()).hexdigest()

    def sequence_sha256(self, seed: int, prompts: int, abreast: int | None = None) -> str:
        """Hash of the sequence without nonces.

        Texts follow from (declaration, words, file, seed, index, lanes) alone, so these are what is hashed: ten
        million prompts cost no more than ten.
        """
        return hashlib.sha256(f"{self.sha256}:{seed}:{prompts}:{abreast or ''}".encode()).hexdigest()

    def prompt(
        self,
        seed: int,
        index: int,
        provider: str,
        run: str = "",
        *,
        abreast: int | None = None,
        history: Sequence[str] = (),
    ) -> Prompt:
        """The ``index``-th prompt of the sequence that ``seed`` starts, with the nonce of ``provider`` in ``run``.

        The nonce differs from run to run: a repetition must not find the caches that the first run warmed. ``abreast``
        sets how many sessions run side by side; ``history`` are the provider's own answers, for ``history: own``.
        """
        draft = self._draft(seed, index, abreast, history)
        messages = draft.messages
        if self.cache.kind == "bust" or self.cache.prefix_tokens:
            key = f"nonce:{run}:{seed}:{draft.cold}:{provider}"
            place = self._nonce_message
            role, content = messages[place]
            messages = (*messages[:place], (role, self._fresh(content, key, place)), *messages[place + 1 :])
        return Prompt(draft.prompt_id, messages, draft.input_tokens, draft.output_tokens, draft.session, draft.turn)

    def _draft(self, seed: int, index: int, abreast: int | None, history: Sequence[str]) -> Draft:
        """The last one is kept: in open loop every provider asks for it in turn."""
        if history:
            return self.source.draft(seed, index, abreast, history)
        kept, key = self._kept, (seed, index, abreast)
        draft = kept.get(key)
        if draft is None:
            kept.clear()
            draft = kept[key] = self.source.draft(seed, index, abreast, ())
        return draft

    @cached_property
    def _kept(self) -> dict[tuple[int, int, int | None], Draft]:
        return {}

    @cached_property
    def _nonce_message(self) -> int:
        """The first; the second where the first is a system message that all sessions share."""
        alone = self.session.system_tokens - self.cache.prefix_tokens if self.session else NONCE_TOKENS
        return int(self.cache.prefix_tokens > 0 and alone < NONCE_TOKENS)

    def _fresh(self, content: str, key: str, place: int) -> str:
        """Our words give way to the nonce, behind what is shared; a person's text stays whole and comes after it."""
        if self.file is not None and self.format != "trace":
            return f"{text(draw(key, NONCE_TOKENS))}\n\n{content}"
        return salted(content, key, 0 if place else self.cache.prefix_tokens)

    @cached_property
    def largest(self) -> tuple[int, int]:
        """Input and output tokens that no prompt exceeds: for context checks and worst-case money.

        With ``history: own`` the answers are taken to be as long as they may be; of a file's texts it is an estimate.
        """
        return self.source.largest

    def expected(self, seed: int, count: int) -> tuple[int, int]:
        """Input and output tokens of the first ``count`` prompts: the sum, beyond 4,096 in proportion to theirs."""
        summed = min(count, _SUMMED)
        if not summed:
            return 0, 0
        each = [self.source.tokens(seed, index) for index in range(summed)]
        asked, answered = (sum(column) for column in zip(*each, strict=True))
        return round(asked * count / summed), round(answered * count / summed)

    @property
    def history_own(self) -> bool:
        """True when prompts carry the provider's own answers: closed loop only, and no prompt has a pair."""
        return self.session is not None and self.session.history == "own"

    @property
    def turns_max(self) -> int:
        return self.source.turns_max

    def replaying(self, trace: Trace) -> Workload:
        """The workload that replays a trace: its lengths come from there, only the cache policy from here."""
        if self.cache.prefix_tokens:
            raise ConfigError(
                f"--workload {self.name}: cache shared_prefix:{self.cache.prefix_tokens} does not go with --trace"
                " (its prompts share what the trace says); write cache: bust or shared_prefix:0"
            )
        return self._replaying(trace, _name_of(trace.path), trace.path.name)

    def _replaying(self, trace: Trace, name: str, file: str) -> Workload:
        replay = Workload(name=name, cache=self.cache, file=file, format="trace")
        replay._read = replay_of(name, trace, repeat=self.cache.kind == "repeat")
        return replay

    def read(self, folder: Path) -> Workload:
        """The same with its file read, where it has one; ConfigError when it cannot be used."""
        if self.file is None:
            return self
        path = folder / self.file
        form = self.format or _FORMATS.get(path.suffix)
        if form is None:
            raise ConfigError(f"{path}: key 'format': got nothing; expected one of jsonl, sharegpt, trace; add it")
        if form == "trace":
            return self._replaying(read_trace(path), self.name, self.file)
        whole = self.model_copy(update={"format": form})
        repeat = self.cache.kind == "repeat"
        whole._read = read_corpus(path, form, self.name, self.output_tokens, repeat=repeat)  # noqa: SLF001 - as above
        return whole


def _name_of(path: Path) -> str:
    return re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")[:63] or "file"


def load_workload(name_or_file: str) -> Workload:
    """A shipped workload by name, or one's own by file; ConfigError says what is wrong and where."""
    path = Path(name_or_file)
    if path.suffix in (".jsonl", ".json"):
        return Workload(name=_name_of(path), file=path.name).read(path.parent)
    if path.suffix not in (".yaml", ".yml"):
        path = FOLDER / f"{name_or_file}.yaml"
        if not path.is_file():
            known = ", ".join(sorted(file.stem for file in FOLDER.glob("*.yaml")))
            expected = f"expected one of {known}, or a .yaml, .jsonl or .json file"
            raise ConfigError(f"--workload {name_or_file}: unknown; {expected}")
    return _workload(read_document(path)).read(path.parent)


def _workload(document: Document) -> Workload:
    if not isinstance(document.data, dict):
        raise document.error((), "expected a mapping with name, input_tokens and output_tokens")
    try:
        return Workload.model_validate(document.data)
    except ValidationError as error:
        raise _explain(document, error) from None


def _explain(document: Document, error: ValidationError) -> ConfigError:
    """The first problem as one line: file, line, key, what stood there, what was expected."""
    first = error.errors(include_url=False, include_context=False)[0]
    reason = first["msg"].removeprefix("Value error, ") + "; " if first["type"] == "value_error" else ""
    if not first["loc"]:
        return document.error((), reason + "correct one of them")
    path: KeyPath = tuple(first["loc"])
    tree, shown = document.data, path
    for depth, key in enumerate(path):
        if not isinstance(tree, Mapping):  # a bare number that stands for a length
            shown = path[:depth]
            break
        tree = tree.get(key)
    got = "nothing" if tree is None else repr(tree)
    expected = _expected(shown)
    return document.error(
        shown, f"key '{'.'.join(map(str, shown))}': got {got}; {reason}expected {expected}; correct it"
    )


def _expected(path: KeyPath) -> str:
    """What the key at a path should hold; where there is no such key, those that there are."""
    model: type[BaseModel] = Workload
    said = ""
    inner: dict[str, type[BaseModel]] = {
        "session": Session, "input_tokens": Length, "output_tokens": Length, "turn_input_tokens": Length,
        "turns": Length, "cache": Cache,
    }  # fmt: skip
    for key in path:
        info = model.model_fields.get(str(key))
        if info is None:
            return f"one of {', '.join(model.model_fields)}"
        said = info.description or said
        model = inner.get(str(key), model)
    return said

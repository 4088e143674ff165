"""A Trace is a record of real traffic: when requests came, and how long they and their answers were. No text is in it.

Four forms are told apart by their first line: our own JSON lines, Azure's LLM inference CSV, BurstGPT's CSV and
Mooncake's JSON lines. It does not know how a trace is replayed (``providers.replay``) or when (the engine).
"""

from __future__ import annotations

import csv
import hashlib
import math
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from providers.errors import ConfigError
from providers.length import MOST_TOKENS

BLOCK_TOKENS = 512  # what one of Mooncake's hash_ids stands for
_OWN_KEYS = ("at_s", "input_tokens", "output_tokens", "session")
_FORMS = (
    '{"at_s", "input_tokens", "output_tokens"} a line, Azure\'s TIMESTAMP,ContextTokens,GeneratedTokens,'
    " BurstGPT's Timestamp,...,Request tokens,Response tokens, or Mooncake's {timestamp, input_length, ...} a line"
)


@dataclass(frozen=True, slots=True)
class Trace:
    """``offsets_s`` begin at 0 and never fall; ``left_out`` requests without a prompt or an answer are not in it.

    ``sessions`` and ``blocks`` are empty where the file has none.
    """

    path: Path
    kind: str  # own | azure | burstgpt | mooncake
    sha256: str
    offsets_s: Sequence[float]
    input_tokens: Sequence[int]
    output_tokens: Sequence[int]
    sessions: Sequence[str] = ()
    blocks: Sequence[Sequence[int]] = ()
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.offsets_s)

    @property
    def duration_s(self) -> float:
        return self.offsets_s[-1]


@dataclass(frozen=True, slots=True)
class _Row:
    at_s: float
    input_tokens: int
    output_tokens: int
    session: str = ""
    blocks: tuple[int, ...] = ()


def read_trace(path: Path) -> Trace:
    """The trace of a file, by time; ConfigError names file and line of what cannot be read."""
    try:
        content = path.read_bytes()
        lines = content.decode("utf-8-sig").splitlines()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name an existing trace") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text; a trace is CSV or JSON lines, unpack it first") from None
    kind, read, records = _recognized(path, lines)
    rows: list[_Row] = []
    left_out = 0
    for number, record in records:
        try:
            row = read(record)
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{path}:{number}: {_reason(error)}; correct or remove this line") from None
        # A failed request has no answer to replay; in a file of one's own it is a mistake, and was refused as such.
        if row.input_tokens and row.output_tokens:
            rows.append(row)
        else:
            left_out += 1
    if not rows:
        raise ConfigError(f"{path}: holds no request with a prompt and an answer; expected at least one")
    rows.sort(key=lambda row: row.at_s)  # stable: what came together keeps the order of the file
    return Trace(
        path=path,
        kind=kind,
        sha256=hashlib.sha256(content).hexdigest(),
        offsets_s=array("d", (row.at_s - rows[0].at_s for row in rows)),
        input_tokens=array("l", (row.input_tokens for row in rows)),
        output_tokens=array("l", (row.output_tokens for row in rows)),
        sessions=tuple(row.session for row in rows) if any(row.session for row in rows) else (),
        blocks=tuple(row.blocks for row in rows) if any(row.blocks for row in rows) else (),
        left_out=left_out,
    )


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"key '{error.args[0]}': missing"
    return str(error) if isinstance(error, ValueError) else "expected one request"


Records = Iterator[tuple[int, Mapping[str, Any]]]


def _recognized(path: Path, lines: Sequence[str]) -> tuple[str, Callable[[Mapping[str, Any]], _Row], Records]:
    """(kind, how a record is read, the records with their line numbers) by the first line that is not empty."""
    first = next((line for line in lines if line.strip()), "")
    if first.lstrip().startswith("{"):
        try:
            keys = orjson.loads(first).keys()
        except orjson.JSONDecodeError as error:
            raise _not_json(path, lines.index(first) + 1, error) from None
        if "at_s" in keys:
            return "own", _own, _objects(path, lines)
        if {"timestamp", "input_length"} <= keys:
            return "mooncake", _mooncake, _objects(path, lines)
    else:
        head = [cell.strip() for cell in next(csv.reader([first]), [])]
        if {"TIMESTAMP", "ContextTokens", "GeneratedTokens"} <= set(head):
            return "azure", _azure, _cells(path, lines, head)
        if {"Timestamp", "Request tokens", "Response tokens"} <= set(head):
            return "burstgpt", _burstgpt, _cells(path, lines, head)
    raise ConfigError(f"{path}:1: not a known trace; expected {_FORMS}")


def _objects(path: Path, lines: Sequence[str]) -> Records:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise _not_json(path, number, error) from None
        if not isinstance(record, dict):
            raise ConfigError(f"{path}:{number}: expected an object; correct or remove this line")
        yield number, record


def _not_json(path: Path, number: int, error: orjson.JSONDecodeError) -> ConfigError:
    return ConfigError(f"{path}:{number}: not JSON ({error.msg}); correct or remove this line")


def _cells(path: Path, lines: Sequence[str], head: list[str]) -> Records:
    """The rows after the head; a cell that is missing is empty, which no reader takes for a number."""
    reader = csv.reader(lines)
    started = False
    try:
        for cells in reader:
            if started and cells:
                yield reader.line_num, dict(zip(head, cells + [""] * (len(head) - len(cells)), strict=False))
            started = started or bool(cells)
    except csv.Error as error:
        raise ConfigError(f"{path}:{reader.line_num}: not CSV ({error}); correct or remove this line") from None


def _own(record: Mapping[str, Any]) -> _Row:
    if unknown := [key for key in record if key not in _OWN_KEYS]:
        raise ValueError(f"key '{unknown[0]}': unknown; expected one of {', '.join(_OWN_KEYS)}")
    return _Row(
        _number(record, "at_s"),
        _tokens(record, "input_tokens", 1),
        _tokens(record, "output_tokens", 1),
        _label(record.get("session")),
    )


def _mooncake(record: Mapping[str, Any]) -> _Row:
    blocks = record.get("hash_ids") or ()
    if not isinstance(blocks, list | tuple) or not all(isinstance(block, int) for block in blocks):
        raise ValueError("key 'hash_ids': expected a list of whole numbers")
    at_s = _number(record, "timestamp") / 1000
    return _Row(at_s, _tokens(record, "input_length"), _tokens(record, "output_length"), blocks=tuple(blocks))


def _azure(record: Mapping[str, Any]) -> _Row:
    stamp = record["TIMESTAMP"].strip()
    try:
        at = datetime.fromisoformat(stamp)
    except ValueError:
        raise ValueError(f"key 'TIMESTAMP': got {stamp!r}; expected a time as 2023-11-16 18:15:46.68") from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return _Row(at.timestamp(), _tokens(record, "ContextTokens"), _tokens(record, "GeneratedTokens"))


def _burstgpt(record: Mapping[str, Any]) -> _Row:
    session = _label(record.get("Session ID"))
    asked, answered = _tokens(record, "Request tokens"), _tokens(record, "Response tokens")
    return _Row(_number(record, "Timestamp"), asked, answered, session)


def _number(record: Mapping[str, Any], key: str) -> float:
    value = record[key]
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (ValueError, TypeError):
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"key '{key}': got {value!r}; expected a time, 0 or more")
    return number


def _tokens(record: Mapping[str, Any], key: str, least: int = 0) -> int:
    number = _whole(record[key])
    if not least <= number <= MOST_TOKENS:
        raise ValueError(f"key '{key}': got {record[key]!r}; expected a whole number from {least} to {MOST_TOKENS}")
    return number


def _whole(value: Any) -> int:
    """A whole number, written 12, "12" or "12.0"; -1 for whatever is none."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (ValueError, TypeError):
        return -1
    return int(number) if number.is_integer() else -1


def _label(value: Any) -> str:
    return "" if value is None else str(value).strip()

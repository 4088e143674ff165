"""A Sample is what one request did: one row on disk, and everything later is computed from rows alone.

The metric contract, stated here and in README in the same words:

s = the clock read just before the first byte of the request is written to an established connection: connect and TLS
are outside TTFT (own columns), the upload of a long prompt is inside. c1..ck = arrival of the reads that completed each
content-bearing event (with TLS: completed its record). N = output tokens; M = those that were streamed (N less
reasoning tokens when no reasoning fragment was seen); n1 = tokens that came at c1.

TTFT          c1 - s, the first non-empty fragment of any category (answer, reasoning, tool call)
TTFO          first answer fragment - s
E2E           ck - s
TPOT          (E2E - TTFT) / (M - n1), per request, k >= 2 and M - n1 >= 1; undefined otherwise, never 0
output speed  (M - n1) / (E2E - TTFT) tokens/s per request, M - n1 >= 16

This module does not know how a sample was measured, nor what is made of it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import lru_cache
from operator import attrgetter
from typing import Any, Literal, get_args

from providers.errors import RunError

SCHEMA_VERSION = 1

Phase = Literal["preflight", "cold", "ramp", "warmup", "measure"]
ErrorKind = Literal[
    "auth", "rate_limited", "overloaded", "timeout_connect", "timeout_first_token", "timeout_idle", "timeout_total",
    "server", "bad_request", "context_length", "content_filter", "truncated", "protocol", "connection", "cut_off",
    "dropped",
]  # fmt: skip
ERROR_KINDS: tuple[str, ...] = get_args(ErrorKind)
PHASES: tuple[str, ...] = get_args(Phase)
BEFORE_LOAD = ("preflight", "cold")  # asked one by one, no part of the load
DETAIL_LIMIT = 200


@dataclass(slots=True, kw_only=True)  # frozen in use, not by declaration: that would cost 4 us per request
class Sample:
    """One request. Instants are unix seconds on the worker's clock, durations seconds from s; None is unknown.

    ``connection`` is empty when no connection was established: then no byte was sent, and s is the moment the attempt
    began. A failed request keeps its true duration in ``end_s``.
    """

    # who
    request_id: str  # ours, sent as x-request-id
    worker: str = ""
    worker_region: str = ""
    worker_cloud: str = ""
    provider: str
    capability: str = ""
    endpoint_region: str = ""
    phase: Phase  # by scheduled time
    pair: str = ""  # requests of one pair carried the same prompt
    slot: int | None = None  # the closed-loop user
    session: str = ""
    turn: int | None = None
    prompt_id: str = ""
    # when
    scheduled_at: float
    started_at: float
    lag_s: float | None = None  # started_at - scheduled_at; the next four are inside
    held_s: float | None = None  # held back by the provider's max_rps or max_concurrency; empty: not held
    dns_s: float | None = None
    tcp_s: float | None = None
    tls_s: float | None = None
    headers_s: float | None = None
    ttft_s: float | None = None
    ttfo_s: float | None = None
    e2e_s: float | None = None  # last content
    end_s: float | None = None  # end of stream, or of the failure
    gap_p50_s: float | None = None  # gaps between content chunks; a chunk is not a token
    gap_p99_s: float | None = None
    gap_max_s: float | None = None
    # what
    chunks: int = 0
    bounded_chunks: int = 0  # shared a read of several segments with a later chunk: their time is an upper bound
    ttft_bounded: bool = False
    input_tokens: int | None = None  # total, cached included
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None  # total, reasoning included
    reasoning_tokens: int | None = None
    target_input_tokens: int | None = None
    target_output_tokens: int | None = None
    first_chunk_tokens: float | None = None  # n1
    output_chars: int = 0
    reasoning_chars: int = 0
    token_source: str = ""  # usage | tokenizer | estimate
    cost_usd: float | None = None
    provider_cost_usd: float | None = None  # what the provider itself said it billed
    # how it went
    status: int | None = None
    error: str = ""  # empty is success
    finish: str = ""
    detail: str = ""  # scrubbed, at most 200 characters
    retry_after_s: float | None = None
    server_s: float | None = None
    in_flight: int = 0  # of this provider in this worker, when the request was sent
    connection: str = ""  # new | resumed (new, with an earlier TLS session) | reused
    remote_addr: str = ""
    served_model: str = ""
    served_region: str = ""
    provider_request_id: str = ""
    observer_lag_s: float | None = None  # user-space read time - kernel time, worst of the request
    stamp: str = ""  # kernel | user

    @property
    def tpot_s(self) -> float | None:
        """(E2E - TTFT) / (M - n1); None where the request does not define it."""
        if self.ttft_s is None or self.e2e_s is None or self.output_tokens is None or self.first_chunk_tokens is None:
            return None
        hidden = 0 if self.reasoning_chars else self.reasoning_tokens or 0
        later_tokens = self.output_tokens - hidden - self.first_chunk_tokens
        return (self.e2e_s - self.ttft_s) / later_tokens if self.chunks >= 2 and later_tokens >= 1 else None


_DECODERS: dict[str, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "bool": lambda cell: cell == "1",
    "str": str,
    "Phase": str,
}
COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(Sample))
# One cell by type: six decimals for floats, so that packed blocks and CSV agree; empty for unknown.
_CELLS: dict[type, str] = {float: "%.6f", int: "%d", str: "%s", bool: "%d", type(None): "%.0s"}
# A provider's own words: a spreadsheet would run those that look like a formula (OWASP, "CSV injection").
_FOREIGN = tuple(map(COLUMNS.index, ("detail", "served_model", "served_region", "provider_request_id")))
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")  # the mark itself, too, so that reading back is exact
_MARK = "'"
_fields = attrgetter(*COLUMNS)
_TYPES: dict[str, str] = {f.name: str(f.type) for f in fields(Sample)}


def kind_of(column: str) -> str:
    """``int``, ``float``, ``bool`` or ``str``; scoring reads the file by this."""
    kind = _TYPES[column].removesuffix(" | None")
    return "str" if kind == "Phase" else kind


def to_row(sample: Sample) -> list[str]:
    values = _values(sample)
    return [cell % value for cell, value in zip(_cells(tuple(map(type, values))), values, strict=True)]


def to_line(sample: Sample) -> str:
    """The row as a line of CSV. Samples of one kind know the same things, so a whole row is one formatting step."""
    values = _values(sample)
    line = _line_of(tuple(map(type, values))) % values
    if line.count(",") == len(COLUMNS) - 1 and '"' not in line and "\n" not in line and "\r" not in line:
        return line + "\n"
    quoted = io.StringIO()
    csv.writer(quoted, lineterminator="\n").writerow(to_row(sample))
    return quoted.getvalue()


@lru_cache(1024)
def _line_of(kinds: tuple[type, ...]) -> str:
    return ",".join(_cells(kinds))


def _cells(kinds: tuple[type, ...]) -> list[str]:
    """The format of each cell of a row with values of these types."""
    # A request may cost a hundred-thousandth of a dollar: six decimals would round its bill by percents.
    return [
        "%.9f" if kind is float and name.endswith("_usd") else _CELLS[kind]
        for name, kind in zip(COLUMNS, kinds, strict=True)
    ]


def _values(sample: Sample) -> tuple[Any, ...]:
    """The fields in their order, a provider's own words made harmless."""
    values: tuple[Any, ...] = _fields(sample)
    for index in _FOREIGN:
        if values[index].startswith(_FORMULA):
            return tuple(defused(value) if at in _FOREIGN else value for at, value in enumerate(values))
    return values


def defused(cell: str) -> str:
    """The text behind a mark where a spreadsheet would take it for a formula; ``from_row`` takes the mark away."""
    return _MARK + cell if cell.startswith(_FORMULA) else cell


def from_row(row: Iterable[str]) -> Sample:
    """The sample of a CSV row in the order of ``COLUMNS``; RunError when a cell does not fit its column."""
    cells = list(row)
    if len(cells) != len(COLUMNS):
        raise RunError(f"sample row has {len(cells)} cells; expected {len(COLUMNS)}")
    for index in _FOREIGN:
        cells[index] = cells[index].removeprefix(_MARK)
    values: dict[str, Any] = {}
    for name, cell in zip(COLUMNS, cells, strict=True):
        declared = _TYPES[name]
        if cell == "" and declared.endswith("| None"):
            values[name] = None
            continue
        try:
            values[name] = _DECODERS[declared.removesuffix(" | None")](cell)
        except ValueError:
            raise RunError(f"sample column '{name}': got {cell!r}; expected {declared}") from None
    return Sample(**values)

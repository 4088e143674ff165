"""A Frame is the samples of one run as columns, beside what its manifest says of them.

It does not know what a good number is; it only refuses files that cannot be read for what they claim to be.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv

from providers.errors import RunError
from providers.run import Run
from providers.sample import COLUMNS, ERROR_KINDS, kind_of

LOCAL = "local"  # the region of a worker that was given none
_UNREAD = frozenset({
    "session", "turn", "prompt_id", "detail", "finish", "status", "retry_after_s", "server_s", "remote_addr",
    "served_model", "served_region", "provider_request_id", "provider_cost_usd", "headers_s", "in_flight",
    "worker_cloud", "endpoint_region", "ttft_bounded", "gap_p50_s", "gap_max_s", "pair", "target_input_tokens",
})  # fmt: skip
_LATER = frozenset({"held_s"})  # not in the first files of schema 1: where it is absent it is unknown
READ: tuple[str, ...] = tuple(column for column in COLUMNS if column not in _UNREAD)
_KEYS = ("worker", "worker_region", "provider", "capability", "phase", "token_source", "error", "connection", "stamp")
_ARROW = {"int": pa.float64(), "float": pa.float64(), "str": pa.string()}  # float64 knows the unknown


@dataclass(frozen=True, slots=True)
class Frame:
    """``samples`` are the rows of every phase, ``measured`` those that are scored; ``problems`` are words."""

    manifest: dict[str, Any]
    samples: pd.DataFrame
    measured: pd.DataFrame
    problems: tuple[str, ...]

    @property
    def config(self) -> dict[str, Any]:
        return dict(self.manifest.get("config") or {})

    @property
    def closed_loop(self) -> bool:
        return bool((self.config.get("arrivals") or {}).get("kind") == "closed")

    @property
    def basis(self) -> str:
        """Which clock the score reads: from the scheduled instant in open loop, from the first byte in closed loop."""
        return "service" if self.closed_loop else "response"

    @property
    def declared(self) -> dict[str, dict[str, Any]]:
        """Every provider that was planned, in the order of the providers file."""
        entries = {str(entry["name"]): entry for entry in self.manifest.get("providers") or []}
        taking_part = (self.manifest.get("matrix") or {}).get("planned") or entries
        return {name: entry for name, entry in entries.items() if name in taking_part}

    @property
    def workers(self) -> list[dict[str, Any]]:
        return list(self.manifest.get("workers") or [])

    @property
    def span(self) -> tuple[float, float]:
        """Unix seconds of the measured window: as planned when the run is complete, else as far as it came."""
        phases: Mapping[str, float | None] = self.manifest.get("phases") or {}
        scheduled = self.measured["scheduled_at"]
        first, last = float(scheduled.min()), float(scheduled.max())
        begin = phases.get("measure_at") or first
        end = phases.get("drain_at") if self.manifest.get("complete") else None
        return min(begin, first), max(end or last, last)


def read_frame(run: Run) -> Frame:
    """The run's manifest and samples; RunError when a file is missing, newer than this program, or not what it says."""
    manifest = run.read_manifest()
    samples, problems = read_samples(run.samples)
    return Frame(manifest, samples, samples[samples["phase"] == "measure"], tuple(problems))


def read_samples(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """The rows that scoring needs, and in words what was wrong with the file yet did not stop us."""
    _check_header(path)
    problems: list[str] = []
    try:
        table = read_table(path, {column: _arrow_type(column) for column in READ}, problems)
    except pa.ArrowInvalid as error:
        raise RunError(f"{path}: {error}; expected rows as providers.sample writes them, remove the bad row") from None
    repeated = table["request_id"].to_pandas().duplicated()
    samples = table.drop_columns("request_id").to_pandas(split_blocks=True)
    if repeated.any():
        problems.append(f"{int(repeated.sum())} rows repeat a request_id; the first of each was kept")
        samples = samples[~repeated].reset_index(drop=True)
    return _typed(samples, path, problems), problems


def _check_header(path: Path) -> None:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header = next(csv.reader(file), [])
    except FileNotFoundError:
        raise RunError(f"{path}: no such file; the run measured nothing, make it again") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: cannot be read ({error}); make the run again") from None
    if not header:
        raise RunError(f"{path}: empty; expected a header line and one row per request, make the run again")
    if unknown := [column for column in header if column not in COLUMNS]:
        raise RunError(f"{path}: column '{unknown[0]}' is unknown; the file is newer than this program, update it")
    if missing := [column for column in READ if column not in {*header, *_LATER}]:
        raise RunError(f"{path}: column '{missing[0]}' is missing; expected the columns of schema 1")


def read_table(path: Path, types: Mapping[str, pa.DataType], problems: list[str]) -> pa.Table:
    """Arrow reads a million rows in about a second; a crash may have cut the last line, which is then left out."""

    def leave_out(row: arrow_csv.InvalidRow) -> str:
        problems.append(f"row {row.number}: {row.actual_columns} cells instead of {row.expected_columns}; left out")
        return "skip"

    with pa.memory_map(str(path)) as file:
        data = file.read_buffer()
        whole = _whole_lines(memoryview(data))
        if whole < data.size:
            problems.append("the last line was cut off in writing; left out")
        return arrow_csv.read_csv(
            pa.BufferReader(data.slice(0, whole)),
            read_options=arrow_csv.ReadOptions(use_threads=False),  # so that bad rows are met in their order
            parse_options=arrow_csv.ParseOptions(invalid_row_handler=leave_out),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict(types), include_columns=list(types), include_missing_columns=True
            ),
        )


def _whole_lines(data: memoryview) -> int:
    """Bytes up to and including the last line end."""
    for end in range(len(data), max(0, len(data) - 65536), -1):
        if data[end - 1] == 0x0A:
            return end
    return 0


def _arrow_type(column: str) -> pa.DataType:
    return pa.dictionary(pa.int32(), pa.string()) if column in _KEYS else _ARROW[kind_of(column)]


def _typed(samples: pd.DataFrame, path: Path, problems: list[str]) -> pd.DataFrame:
    """Infinities as unknown, an unnamed region by its name; RunError for an unknown error kind."""
    kinds = set(samples["error"].cat.categories) - {"", *ERROR_KINDS}
    if kinds:
        raise RunError(f"{path}: column 'error': got {min(kinds)!r}; expected one of {', '.join(ERROR_KINDS)}")
    for column in samples.select_dtypes("float64").columns:
        if np.isinf(samples[column]).any():
            samples[column] = samples[column].where(np.isfinite(samples[column]))
    undated = samples["scheduled_at"].isna()
    if undated.any():
        problems.append(f"{int(undated.sum())} rows have no scheduled_at; left out")
        samples = samples[~undated].reset_index(drop=True)
    return samples.assign(region=samples["worker_region"].map(lambda region: region or LOCAL))

"""A Cell is what one provider did for the workers of one region: its measured rows as arrays, ready to be counted.

It does not know other cells, profiles or intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scoring.quantile import Flags, Floats

TIMEOUTS = ("timeout_connect", "timeout_first_token", "timeout_idle", "timeout_total")
SPEED_TOKENS = 16  # output speed of a shorter answer is noise


@dataclass(frozen=True, slots=True)
class Series:
    """Values of one kind with the instants their requests were scheduled at; ``censored`` ones are lower bounds."""

    values: Floats
    censored: Flags
    at: Floats

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True)
class Cell:
    """``rows`` are measured samples in the order of the file. ``counted`` ones make up success's denominator."""

    provider: str
    region: str
    rows: pd.DataFrame
    ok: Flags
    counted: Flags

    @property
    def attempts(self) -> int:
        return int(self.counted.sum())

    @property
    def successes(self) -> int:
        return int(self.ok.sum())

    @property
    def scheduled_at(self) -> Floats:
        return self.column("scheduled_at")

    def column(self, name: str) -> Floats:
        return self.rows[name].to_numpy(dtype=np.float64)

    def errors(self) -> dict[str, int]:
        counts = self.rows["error"].value_counts()
        return {str(kind): int(counts[kind]) for kind in sorted(map(str, counts.index)) if kind and counts[kind]}


def make_cell(provider: str, region: str, rows: pd.DataFrame, unhealthy: Collection[str] = ()) -> Cell:
    """A drop is the provider's failure unless the worker was unhealthy; what we cut off is nobody's."""
    error = rows["error"]
    ours = (error == "cut_off") | ((error == "dropped") & rows["worker"].isin(list(unhealthy)))
    return Cell(provider, region, rows, (error == "").to_numpy(dtype=bool), ~ours.to_numpy(dtype=bool))


def own_lag_s(cell: Cell) -> Floats:
    """How late we were, of the requests that were sent: lag without connection set-up and the provider's limits."""
    sent = (cell.rows["connection"] != "").to_numpy(dtype=bool)
    setup = sum(np.nan_to_num(cell.column(name)) for name in ("held_s", "dns_s", "tcp_s", "tls_s"))
    lag = np.maximum(cell.column("lag_s") - setup, 0)[sent]
    return lag[~np.isnan(lag)]


def latency(cell: Cell, column: str, basis: str) -> Series:
    """Of successes the value; of timeouts and cut-offs that lack it, "longer than it ran"; of other errors nothing.

    A first token that came before a timeout did come: it is not censored. On the response basis lag is inside.
    """
    value = clocked(cell, column, basis)
    waited = cell.rows["error"].isin([*TIMEOUTS, "cut_off"]).to_numpy(dtype=bool)
    if column == "e2e_s":
        value = np.where(waited, np.nan, value)
    censored = waited & np.isnan(value)
    value = np.where(censored, clocked(cell, "end_s", basis), value)
    return _series(cell, value, censored, (cell.ok | waited))


def clocked(cell: Cell, column: str, basis: str) -> Floats:
    """A duration on the clock of a basis: from the scheduled instant (response), or from the first byte (service)."""
    value = cell.column(column)
    return value + np.nan_to_num(cell.column("lag_s")) if basis == "response" else value


def successful(cell: Cell, value: Callable[[Cell], Floats]) -> Series:
    return _series(cell, value(cell), np.zeros(len(cell.rows), dtype=bool), cell.ok)


def streamed_after_first(cell: Cell) -> Floats:
    """M - n1: tokens that were streamed after the first chunk."""
    hidden = np.where(cell.column("reasoning_chars") > 0, 0, np.nan_to_num(cell.column("reasoning_tokens")))
    return cell.column("output_tokens") - hidden - cell.column("first_chunk_tokens")


def tpot_s(cell: Cell) -> Floats:
    later = streamed_after_first(cell)
    defined = (cell.column("chunks") >= 2) & (later >= 1)
    return _ratio(cell.column("e2e_s") - cell.column("ttft_s"), np.where(defined, later, np.nan))


def output_speed(cell: Cell) -> Floats:
    later = streamed_after_first(cell)
    return _ratio(np.where(later >= SPEED_TOKENS, later, np.nan), cell.column("e2e_s") - cell.column("ttft_s"))


def tokens(cell: Cell) -> Floats:
    """Input and output tokens of each success, 0 elsewhere."""
    both = np.nan_to_num(cell.column("input_tokens")) + np.nan_to_num(cell.column("output_tokens"))
    return np.where(cell.ok, both, 0)


def _series(cell: Cell, value: Floats, censored: Flags, kept: Flags) -> Series:
    kept = kept & ~np.isnan(value)
    return Series(value[kept], censored[kept], cell.scheduled_at[kept])


def _ratio(over: Floats, under: Floats) -> Floats:
    return np.divide(over, under, out=np.full_like(over, np.nan), where=under > 0)

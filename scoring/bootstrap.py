"""A Bootstrap redraws the windows of a run, the same ones for every provider, and asks each time what would have been.

The counts of each window are multiplied with how often it was drawn, so the cost does not grow with the requests:
2,000 replicates are one matrix product per series. It does not know weights or ranks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoring.cell import Cell, Series, tokens
from scoring.metrics import (
    PERCENTILES,
    Figure,
    Terms,
    cost_columns,
    hours_spent_usd,
    meets_slo,
    metric_name,
    quantile_of,
)
from scoring.quantile import SLACK, Floats, event_mass
from scoring.windows import Windows

STEP = 0.005  # relative width of a histogram bin: 2,764 of them from 1 ms to 1,000 s
_RANGE = (1e-6, 1e6)
_SERIES = ("ttft", "ttfo", "e2e", "tpot", "output_speed")
Draws = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Resampling:
    """``draws`` says how often each replicate (row) drew each window (column)."""

    windows: Windows
    draws: Draws
    seed: int

    @property
    def replicates(self) -> int:
        return len(self.draws)


def stream(seed: int, *names: str) -> np.random.Generator:
    """A random stream of its own for every name, so that one provider's presence moves no other's draws."""
    digest = hashlib.sha256("/".join(names).encode()).digest()
    words = np.frombuffer(digest[:16], dtype="<u4").tolist()
    return np.random.default_rng([seed, *words])


def resample(windows: Windows, replicates: int, seed: int, alone: str = "") -> Resampling:
    """The same draws for all providers, so that what moved them all cancels; ``alone`` is one drawn for itself."""
    shares = np.full(windows.count, 1 / windows.count)
    draws = stream(seed, "windows", *([alone] if alone else [])).multinomial(windows.count, shares, size=replicates)
    return Resampling(windows, draws.astype(np.float32), seed)


def replicate(
    cells: Sequence[Cell], terms: Terms, figures: Mapping[str, Figure], resampling: Resampling
) -> dict[str, Floats]:
    """Metric -> its value in every replicate, for each metric that has a point value."""
    values: dict[str, Floats] = {}
    for stem in _SERIES:
        _, percentiles, series_of = PERCENTILES[stem]
        exact = {p: figures[name] for p in percentiles if figures[name := metric_name(stem, p)].value is not None}
        if exact:
            found = _quantiles([series_of(cell, terms) for cell in cells], exact, resampling)
            values |= {metric_name(stem, p): found[p] for p in exact}
    return values | _shares(cells, terms, resampling) | _costs(cells, terms, figures, resampling)


def interval(values: Floats) -> tuple[float, float]:
    """The central 95 % of the replicates."""
    low, high = np.quantile(values, [0.025, 0.975], method="inverted_cdf")
    return float(low), float(high)


def _quantiles(parts: Sequence[Series], exact: Mapping[str, Figure], resampling: Resampling) -> dict[str, Floats]:
    """The quantiles of each replicate's mixture, in proportion to the exact one: bins cost no bias.

    A quantile that falls on censored mass is infinite.
    """
    parts = [part for part in parts if len(part)]
    floor, size = _bins(parts)
    once = np.ones((1, resampling.windows.count), dtype=np.float32)
    cumulative = _cumulative(parts, floor, size, resampling.windows, np.concatenate([once, resampling.draws]))
    found = {}
    for percentile, figure in exact.items():
        values = _read(cumulative, quantile_of(percentile), floor)
        whole = values[0]
        known = figure.value is not None and not figure.censored and np.isfinite(whole)
        found[percentile] = values[1:] * (figure.value / whole) if known else values[1:]
    return found


def band(parts: Sequence[Series], shares: Sequence[float], resampling: Resampling) -> list[tuple[float, float]]:
    """The interval of each quantile of a mixture; an end that falls on censored mass is infinite."""
    parts = [part for part in parts if len(part)]
    floor, size = _bins(parts)
    cumulative = _cumulative(parts, floor, size, resampling.windows, resampling.draws)
    return [interval(_read(cumulative, share, floor)) for share in shares]


def _bin(values: Floats) -> npt.NDArray[np.int64]:
    index: npt.NDArray[np.int64] = np.floor(np.log(np.clip(values, *_RANGE)) / STEP).astype(np.int64)
    return index


def _bins(parts: Sequence[Series]) -> tuple[int, int]:
    """The lowest bin in use, and how many there are up to the highest."""
    bins = [_bin(part.values) for part in parts]
    floor = min(int(index.min()) for index in bins)
    return floor, max(int(index.max()) for index in bins) - floor + 1


def _cumulative(parts: Sequence[Series], floor: int, size: int, windows: Windows, draws: Draws) -> Floats:
    """Each replicate's distribution function over the bins."""
    ended: Floats = np.zeros((len(draws), size))
    hidden: Floats = np.zeros((len(draws), size))
    filled: Floats = np.zeros((len(draws), 1))
    for part in parts:
        drawn = [draws @ _histogram(part, flags, floor, size, windows) for flags in (~part.censored, part.censored)]
        n = sum(counts.sum(axis=1, keepdims=True, dtype=np.float64) for counts in drawn)
        ended += drawn[0] / np.maximum(n, 1)
        hidden += drawn[1] / np.maximum(n, 1)
        filled += n > 0
    scale = np.maximum(filled, 1)
    if any(part.censored.any() for part in parts):
        return event_mass(ended / scale, hidden / scale)
    cumulative: Floats = np.cumsum(ended / scale, axis=1)
    return cumulative


def _histogram(part: Series, kept: npt.NDArray[np.bool_], floor: int, size: int, windows: Windows) -> Draws:
    """Counts by window and bin."""
    place = windows.index(part.at[kept]) * size + _bin(part.values[kept]) - floor
    counts = np.bincount(place, minlength=windows.count * size)
    return counts.reshape(windows.count, size).astype(np.float32)


def _read(cumulative: Floats, p: float, floor: int) -> Floats:
    """The quantile of every row, interpolated within its bin; infinite where a row does not come so far."""
    target = p - SLACK
    place = np.argmax(cumulative >= target, axis=1)
    rows = np.arange(len(cumulative))
    above = cumulative[rows, place]
    below = np.where(place > 0, cumulative[rows, np.maximum(place - 1, 0)], 0.0)
    within = np.clip((p - below) / np.maximum(above - below, SLACK), 0, 1)
    return np.where(above >= target, np.exp((floor + place + within) * STEP), np.inf)


def _shares(cells: Sequence[Cell], terms: Terms, resampling: Resampling) -> dict[str, Floats]:
    """Success is drawn from Beta(k + 1/2, n - k + 1/2) of the replicate: windows alone know no failure never seen."""
    asked = [cell for cell in cells if cell.attempts]
    if not asked:
        return {}
    columns = ([cell.counted.astype(np.float64), cell.ok.astype(np.float64), meets_slo(cell, terms)] for cell in asked)
    n, k, good = np.stack(
        [_sums(cell, resampling, own) for cell, own in zip(asked, columns, strict=True)], axis=1
    )  # each: regions x replicates
    filled = np.maximum((n > 0).sum(axis=0), 1)
    inverse = np.divide(1, n, out=np.zeros_like(n), where=n > 0)
    success = (k * inverse).sum(axis=0) / filled
    attempts = filled**2 / np.maximum(inverse.sum(axis=0), SLACK)  # as metrics.effective_n
    random = stream(resampling.seed, "success", cells[0].provider, *(cell.region for cell in cells))
    rate = random.beta(success * attempts + 0.5, np.maximum(1 - success, 0) * attempts + 0.5)
    return {
        "success": rate,
        "error_rate": 1 - rate,
        "slo_attainment": (good * inverse).sum(axis=0) / filled,
        "goodput_rps": good.sum(axis=0) / terms.window_s,
    }


def _costs(
    cells: Sequence[Cell], terms: Terms, figures: Mapping[str, Figure], resampling: Resampling
) -> dict[str, Floats]:
    """As ``metrics`` counts them: usage by its price, and fixed hours by the tokens they made."""
    if figures["cost_per_1k_tokens"].value is None:
        return {}
    spent, priced, priced_ok, made, served = (np.zeros(resampling.replicates) for _ in range(5))
    for cell in cells:
        columns = [np.ones(len(cell.rows)), *cost_columns(cell), tokens(cell), cell.ok.astype(np.float64)]
        n, *sums = _sums(cell, resampling, columns)
        spent += sums[0] / np.maximum(n, 1)
        priced += sums[1] / np.maximum(n, 1)
        priced_ok += sums[2] / np.maximum(n, 1)
        made += sums[3]
        served += sums[4]
    per_token, per_request = np.zeros(resampling.replicates), np.zeros(resampling.replicates)
    if priced_ok.any():
        per_token, per_request = _per_thousand(spent, priced), _per_thousand(spent, priced_ok)
    if hours_usd := hours_spent_usd(terms):
        per_token = per_token + _per_thousand(np.full_like(made, hours_usd), made)
        per_request = per_request + _per_thousand(np.full_like(made, hours_usd), served)
    return {"cost_per_1k_tokens": per_token, "usd_per_1k_ok_requests": per_request}


def _per_thousand(spent: Floats, made: Floats) -> Floats:
    """USD per 1,000; without tokens money bought nothing, however little it was."""
    return np.divide(1000 * spent, made, out=np.full_like(spent, np.inf), where=made > 0)


def _sums(cell: Cell, resampling: Resampling, columns: Sequence[Floats]) -> Floats:
    """Each column's sum in every replicate."""
    index = resampling.windows.index(cell.scheduled_at)
    count = resampling.windows.count
    by_window = np.stack([np.bincount(index, weights=column, minlength=count) for column in columns])
    sums: Floats = by_window.astype(np.float64) @ resampling.draws.T.astype(np.float64)
    return sums

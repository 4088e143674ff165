"""A Metric is one figure of a provider: its name, its unit, and how it follows from the rows of its cells.

Several regions are a mixture with equal mass each. It does not know scores; intervals are ``bootstrap``'s.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scoring.cell import Cell, Series, clocked, latency, output_speed, successful, tokens, tpot_s
from scoring.quantile import FLOORS, Floats, distribution

Z_95 = 1.959963984540054  # the normal quantile of a two-sided 95 %


@dataclass(frozen=True, slots=True)
class Figure:
    """``value`` is None when it cannot be told; ``censored`` says it is a lower bound, to be printed with a >=."""

    value: float | None
    unit: str
    n: int
    lo: float | None = None
    hi: float | None = None
    censored: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """What a figure needs beside rows: the scored clock, the measured seconds, the SLO, and hosting in USD/hour."""

    basis: str
    window_s: float
    slo: Mapping[str, float]
    hourly_usd: float | None = None


SeriesOf = Callable[[Cell, Terms], Series]
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
# metric stem -> (unit, percentiles, the series it is taken from)
PERCENTILES: dict[str, tuple[str, tuple[str, ...], SeriesOf]] = {
    "ttft": ("s", ("p50", "p90", "p95", "p99"), lambda c, t: latency(c, "ttft_s", t.basis)),
    "ttfo": ("s", ("p50", "p90", "p95", "p99"), lambda c, t: latency(c, "ttfo_s", t.basis)),
    "e2e": ("s", ("p50", "p90", "p95", "p99"), lambda c, t: latency(c, "e2e_s", t.basis)),
    "ttft_response": ("s", ("p50", "p95"), lambda c, _: latency(c, "ttft_s", "response")),
    "ttft_service": ("s", ("p50", "p95"), lambda c, _: latency(c, "ttft_s", "service")),
    "e2e_response": ("s", ("p50", "p95"), lambda c, _: latency(c, "e2e_s", "response")),
    "e2e_service": ("s", ("p50", "p95"), lambda c, _: latency(c, "e2e_s", "service")),
    "ttft_success": ("s", ("p50", "p95"), lambda c, t: _of_successes(c, "ttft_s", t.basis)),
    "e2e_success": ("s", ("p50", "p95"), lambda c, t: _of_successes(c, "e2e_s", t.basis)),
    "tpot": ("s", ("p50", "p95"), lambda c, _: successful(c, tpot_s)),
    "output_speed": ("tokens/s", ("p50",), lambda c, _: successful(c, output_speed)),
    "gap_p99": ("s", ("p50",), lambda c, _: successful(c, lambda cell: cell.column("gap_p99_s"))),
    "output_tokens": ("tokens", ("p50",), lambda c, _: successful(c, lambda cell: cell.column("output_tokens"))),
}
_SHORT = {"gap_p99_p50": "gap_p99"}  # the median request's own p99 of gaps
# metric -> (unit, which way is better); what a profile may score
SCORABLE: dict[str, tuple[str, str]] = {
    **{f"{stem}_{p}": ("s", "lower") for stem in ("ttft", "ttfo", "e2e") for p in ("p50", "p90", "p95", "p99")},
    **{f"tpot_{p}": ("s", "lower") for p in ("p50", "p95")},
    "output_speed_p50": ("tokens/s", "higher"),
    "error_rate": ("share", "lower"),
    "cost_per_1k_tokens": ("USD", "lower"),
    "usd_per_1k_ok_requests": ("USD", "lower"),
    "slo_attainment": ("share", "higher"),
}


def metric_name(stem: str, percentile: str) -> str:
    name = f"{stem}_{percentile}"
    return _SHORT.get(name, name)


def quantile_of(percentile: str) -> float:
    return _QUANTILES[percentile]


def measure(cells: Sequence[Cell], terms: Terms) -> dict[str, Figure]:
    """Every metric of one provider over the given regions."""
    figures: dict[str, Figure] = {}
    for stem, (unit, percentiles, series_of) in PERCENTILES.items():
        figures |= _percentiles(stem, unit, percentiles, [series_of(cell, terms) for cell in cells])
    return figures | _shares(cells, terms) | _costs(cells, terms)


def _percentiles(stem: str, unit: str, percentiles: Sequence[str], series: list[Series]) -> dict[str, Figure]:
    curve = distribution([part.values for part in series], [part.censored for part in series])  # noqa: PD011 - no frame
    figures = {}
    for percentile in percentiles:
        p = _QUANTILES[percentile]
        enough = curve.n >= FLOORS[p]
        value, censored = curve.quantile(p) if enough else (None, False)
        figures[metric_name(stem, percentile)] = Figure(value, unit, curve.n, censored=censored)
    return figures


def _of_successes(cell: Cell, column: str, basis: str) -> Series:
    return successful(cell, lambda c: clocked(c, column, basis))


def _shares(cells: Sequence[Cell], terms: Terms) -> dict[str, Figure]:
    attempts = [cell.attempts for cell in cells]
    n = sum(attempts)
    success = mixed_share([cell.successes for cell in cells], attempts)
    good = [int(meets_slo(cell, terms).sum()) for cell in cells]
    attained = mixed_share(good, attempts)
    low, high = wilson(success, effective_n(attempts))
    made = sum(float(np.nansum(np.where(cell.ok, cell.column("output_tokens"), 0))) for cell in cells)
    return {
        "success": Figure(success if n else None, "share", n, low, high),
        "error_rate": Figure(error_rate(success, effective_n(attempts)) if n else None, "share", n),
        "slo_attainment": Figure(attained if n else None, "share", n),
        "goodput_rps": Figure(sum(good) / terms.window_s, "requests/s", n),
        "output_tokens_per_s": Figure(made / terms.window_s, "tokens/s", n),
    }


def meets_slo(cell: Cell, terms: Terms) -> Floats:
    """1 for a success that meets every SLO on the scored clock; lacking an SLO's metric fails it."""
    good = cell.ok.copy()
    for name, limit in terms.slo.items():
        took = tpot_s(cell) if name == "tpot_s" else clocked(cell, name, terms.basis)
        good &= took <= limit  # nan compares false
    return good.astype(np.float64)


def _costs(cells: Sequence[Cell], terms: Terms) -> dict[str, Figure]:
    """Billed usage by price and, where replicas are paid by the hour, their hours by the tokens they made."""
    priced = [cell.rows["cost_usd"].notna().to_numpy(dtype=bool) for cell in cells]
    known = [cell.ok & has for cell, has in zip(cells, priced, strict=True)]
    n = sum(int(flags.sum()) for flags in known)
    hosted = hosting_usd(cells, terms)
    per_token = None if hosted is None else hosted[0]
    per_request = None if hosted is None else hosted[1]
    if n:
        spent, made, served = cost_sums(cells)
        per_token = 1000 * spent / made + (per_token or 0) if made else None
        per_request = 1000 * spent / served + (per_request or 0)
    return {
        "cost_per_1k_tokens": Figure(per_token, "USD", n),
        "usd_per_1k_ok_requests": Figure(per_request, "USD", n),
        "hosted_usd_per_1k_tokens": Figure(None if hosted is None else hosted[0], "USD", n),
    }


def cost_columns(cell: Cell) -> tuple[Floats, Floats, Floats]:
    """Per row: USD billed (failures too), and for each success whose cost is known its tokens and a 1."""
    cost = cell.column("cost_usd")
    known = cell.ok & ~np.isnan(cost)
    return np.nan_to_num(cost), np.where(known, tokens(cell), 0), known.astype(np.float64)


def cost_sums(cells: Sequence[Cell]) -> tuple[float, float, float]:
    """Per attempt, averaged over regions: USD, tokens, successes."""
    columns = [[float(part.sum()) / len(cell.rows) for part in cost_columns(cell)] for cell in cells if len(cell.rows)]
    spent, made, served = (sum(part) / len(columns) for part in zip(*columns, strict=True))
    return spent, made, served


def hosting_usd(cells: Sequence[Cell], terms: Terms) -> tuple[float, float] | None:
    """USD of hosting per 1,000 tokens and per 1,000 successes; None when nothing is paid by the hour."""
    spent = hours_spent_usd(terms)
    made, served = sum(float(tokens(cell).sum()) for cell in cells), sum(cell.successes for cell in cells)
    return (1000 * spent / made, 1000 * spent / served) if spent is not None and made and served else None


def hours_spent_usd(terms: Terms) -> float | None:
    return None if terms.hourly_usd is None else terms.hourly_usd * terms.window_s / 3600


def edge_rtt(samples: pd.DataFrame) -> Figure:
    """Median TCP handshake of new connections in any phase: the network's own share, to the provider's edge.

    Resuming a TLS session shortens the handshake after this one.
    """
    opened = samples["connection"].isin(["new", "resumed"])
    handshakes = samples.loc[opened, "tcp_s"].dropna().to_numpy(dtype=np.float64)
    value = float(np.median(handshakes)) if len(handshakes) else None
    return Figure(value, "s", len(handshakes))


def mixed_share(hits: Sequence[int], attempts: Sequence[int]) -> float:
    """The mean of the regions' shares; regions without attempts have no say."""
    shares = [k / n for k, n in zip(hits, attempts, strict=True) if n]
    return sum(shares) / len(shares) if shares else 0.0


def effective_n(attempts: Sequence[int]) -> float:
    """Attempts that would tell one share as precisely as the mean of several regions' does; n for one region."""
    filled = [n for n in attempts if n]
    return len(filled) ** 2 / sum(1 / n for n in filled) if filled else 0.0


def error_rate(success: float, n: float) -> float:
    """(k + 1/2) / (n + 1): fifty of fifty is not five nines."""
    return ((1 - success) * n + 0.5) / (n + 1)


def wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % score interval (1927)."""
    if n == 0:
        return 0.0, 1.0
    spread = Z_95 * math.sqrt(share * (1 - share) / n + (Z_95 / (2 * n)) ** 2)
    centre, scale = share + Z_95**2 / (2 * n), 1 + Z_95**2 / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)

"""A Bar is what we hold our harness to, the figure that was measured beside it, and whether it was met."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from tests.bench.clients import C_READER, FAST_WHOLE, OUR_HARNESS, Figures
from tests.bench.peers import PEERS
from tests.bench.rows import Row

Table = Mapping[tuple[str, str], Figures]  # by load and client
_FULL_RATE = 0.98


@dataclass(frozen=True, slots=True)
class Bar:
    """``measured`` names the load of each figure; a bar is met when every figure meets it."""

    text: str
    measured: str
    met: bool


def bars(rows: Iterable[Row]) -> list[Bar]:
    """Those that these rows can judge."""
    table = {(row.load.label, row.client): row.figures for row in rows if not row.seat.fifo and not row.load.tls}
    peers = any(peer.name == client for peer in PEERS for _, client in table)
    judged = _beside_peers(table) if peers else _alone(table)
    return [bar for bar in judged if bar is not None]


def _alone(table: Table) -> Iterable[Bar | None]:
    ours = _of(table, OUR_HARNESS)
    c_reader = _of(table, C_READER)
    yield _at_most("TTFT error p50 <= 0.1 ms", ours("ttft_p50_ms"), 0.1, "ms")
    yield _at_most("TTFT error p99 <= 1 ms", ours("ttft_p99_ms"), 1, "ms")
    yield _at_most("gap error p99 <= 0.05 ms (each answer's median gap)", ours("gap_p50_p99_ms"), 0.05, "ms")
    yield _at_most("gap error p99 <= 0.05 ms (each answer's largest gap)", ours("gap_max_p99_ms"), 0.05, "ms")
    yield _at_most("CPU per streamed event <= 30 us", ours("cpu_us"), 30, "us")
    yield _at_most("CPU per streamed event <= 2 x C reader", _ratio(ours("cpu_us"), c_reader("cpu_us")), 2, "x")
    yield _many_streams(table)
    whole = _whole(table, OUR_HARNESS)
    yield _at_least("unstreamed >= 20,000 requests/s per core", whole, 20_000, "/s")
    yield _at_least("unstreamed >= 3 x FastHttpUser", _ratio(whole, _whole(table, FAST_WHOLE)), 3, "x")
    yield _at_most("wall time outside the load <= 4 s", ours("outside_s"), 4, "s")


def _beside_peers(table: Table) -> Iterable[Bar | None]:
    ours = _of(table, OUR_HARNESS)
    best_error, best_cpu = _best_peer(table, "ttft_p99_ms"), _best_peer(table, "cpu_us")
    at_200 = {load: ratio for load, ratio in _ratio(ours("ttft_p99_ms"), best_error).items() if load == "200"}
    yield _at_most("TTFT error p99 <= 1/50 of the best peer's, 200 streams", at_200, 1 / 50, "x")
    yield _at_most("CPU per streamed event <= 1/4 of the best peer's", _ratio(ours("cpu_us"), best_cpu), 1 / 4, "x")
    yield _at_most("wall time outside the load <= 4 s", ours("outside_s"), 4, "s")


def _many_streams(table: Table) -> Bar | None:
    figures = table.get(("1000", OUR_HARNESS))
    if figures is None:
        return None
    rate, error_ms = figures["rate"], figures["ttft_p99_ms"]
    text = "1000 streams on a core at full rate with TTFT error p99 <= 5 ms"
    return Bar(text, f"{rate:.1%} of the rate, {error_ms:.3g} ms", rate >= _FULL_RATE and error_ms <= 5)


def _of(table: Table, client: str) -> Callable[[str], dict[str, float]]:
    """One figure of one client, by load."""
    streamed = {load: figures for (load, name), figures in table.items() if name == client and "whole" not in load}
    return lambda figure: {load: figures[figure] for load, figures in streamed.items()}


def _whole(table: Table, client: str) -> dict[str, float]:
    return {load: row["a_second"] for (load, name), row in table.items() if name == client and "whole" in load}


def _best_peer(table: Table, figure: str) -> dict[str, float]:
    """The smallest figure among the peers, by load."""
    names = {peer.name for peer in PEERS}
    best: dict[str, float] = {}
    for (load, name), figures in table.items():
        if name in names and not math.isnan(figures[figure]):
            best[load] = min(best.get(load, math.inf), figures[figure])
    return best


def _ratio(ours: dict[str, float], theirs: dict[str, float]) -> dict[str, float]:
    return {load: value / theirs[load] for load, value in ours.items() if theirs.get(load)}


def _at_most(text: str, values: dict[str, float], limit: float, unit: str) -> Bar | None:
    return _judged(text, values, unit, lambda value: value <= limit)


def _at_least(text: str, values: dict[str, float], limit: float, unit: str) -> Bar | None:
    return _judged(text, values, unit, lambda value: value >= limit)


def _judged(text: str, values: dict[str, float], unit: str, good: Callable[[float], bool]) -> Bar | None:
    if not values:
        return None
    told = (f"{load}: {_figure(value)} {unit}{'' if good(value) else ' (missed)'}" for load, value in values.items())
    return Bar(text, ", ".join(told), all(good(value) for value in values.values()))


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"

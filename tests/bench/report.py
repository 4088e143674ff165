"""The Report is the rows as Markdown: what a terminal shows is what the results file says."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version

from tests.bench.bars import bars
from tests.bench.clients import EVENTS, FIRST_MS, GAP_MS, STAGGER_S, WARM_UP_S, Figures
from tests.bench.rows import LATE_MS, Row
from tests.bench.truth import HERE

_PACKAGES = ("nephoscope", "locust", "gevent", "geventhttpclient", "requests", "orjson", "httptools")
Columns = Sequence[tuple[str, Callable[[Figures], str]]]
_STREAMED: Columns = (
    ("TTFT error p50 / p99, ms", lambda f: f"{_ms(f['ttft_p50_ms'])} / {_ms(f['ttft_p99_ms'])}"),
    ("in start-up p99, ms", lambda f: _ms(f["start_p99_ms"])),
    ("gap error p99, ms: median / largest", lambda f: f"{_ms(f['gap_p50_p99_ms'])} / {_ms(f['gap_max_p99_ms'])}"),
    ("CPU/event, us", lambda f: f"{f['cpu_us']:.1f}"),
    ("rate", lambda f: f"{f['rate']:.0%}"),
    ("outside load, s", lambda f: f"{f['outside_s']:.1f}"),
    ("server late p99, ms", lambda f: _ms(f["late_p99_ms"])),
)
_WHOLE: Columns = (
    ("requests/s", lambda f: f"{f['a_second']:,.0f}"),
    ("CPU/request, us", lambda f: f"{f['cpu_us']:.1f}"),
    ("server late p99, ms", lambda f: _ms(f["late_p99_ms"])),
)
_METHOD = f"""\
`truth.c` answers every request by a schedule ({FIRST_MS} ms to the first of {EVENTS} content events, one every \
{GAP_MS} ms) and logs when it wrote what. Server and client have a core each. Streams start spread over \
{STAGGER_S:g} s; the steady part begins {WARM_UP_S} s after the first arrival and ends at the last one; what arrived \
earlier is "start-up". Rows are interleaved, repeated, and each figure is the median of its repetitions.

* TTFT error: the client's TTFT less the server's (first write - arrival) for the same request, absolute.
* gap error: of each answer, the median gap and the largest gap, as the client noted them less as the server wrote \
them, absolute; p99 over answers. The largest of {EVENTS - 1} gaps is a harder measure than a single gap.
* CPU: user and system time of the client's process in the steady part, over the events written in it.
* rate: events written in the steady part over what the schedule allows. An overloaded client reads several events at \
once: its CPU per event falls while its times become wrong.
* outside load: wall time of the whole command less first arrival to last write; our harness scores its run in it.
* Python floor: `floor.py`, one epoll set, one recvmsg and one append a read, nothing decoded, no framework: no client \
in Python costs less.
* A row whose server was late by more than {LATE_MS:g} ms at p99 is measured again, and refused the third time.
* Limits: loopback only, two cores, one machine; no network card, no loss, no distance."""
_PEERS_METHOD = """
* Peers are taken at their word: a quantile they report less the same quantile of the truth. Steady is the second half \
of their requests, start-up the first. Their gap error is that of per-request means. All their processes share the one \
core, and all count; they start all streams at once, as is their default."""


def report(rows: Sequence[Row], *, facts: dict[str, str], command: str, repeats: int, peers: bool) -> str:
    """The whole results file."""
    title = "# Beside published load generators" if peers else "# Our figures beside the floor and stock Locust"
    counted = f"{repeats} repetitions" if repeats > 1 else "one repetition"
    made = f"Made by `{command}`; {counted}. Times at ordinary priority are the ones to quote."
    parts = [title, made, _facts(facts), tables(rows), "## Method", _METHOD + (_PEERS_METHOD if peers else "")]
    return "\n\n".join([*parts, "## Commands", _commands(rows)]) + "\n"


def tables(rows: Sequence[Row]) -> str:
    """Bars first, then the rows of each priority."""
    parts = [_bars(rows)]
    for priority in dict.fromkeys(row.seat.priority for row in rows):
        seated = [row for row in rows if row.seat.priority == priority]
        parts.append(f"## Streams, {priority} priority\n\n" + _table(seated, _STREAMED, whole=False))
        if any(row.load.whole for row in seated):
            parts.append(f"## Unstreamed answers, {priority} priority\n\n" + _table(seated, _WHOLE, whole=True))
    return "\n\n".join(parts)


def _bars(rows: Sequence[Row]) -> str:
    judged = [(bar.text, bar.measured, "met" if bar.met else "**not met**") for bar in bars(rows)]
    return "## Bars\n\n" + _markdown(("bar", "measured, by load", ""), judged)


def _table(rows: Iterable[Row], columns: Columns, *, whole: bool) -> str:
    head = ("streams", "client", *(name for name, _ in columns))
    body = [
        (row.load.label, row.client + (" **server late**" if row.late else ""), *(c(row.figures) for _, c in columns))
        for row in rows
        if row.load.whole == whole
    ]
    return _markdown(head, body)


def _markdown(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = [list(head), *map(list, body)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def _facts(facts: dict[str, str]) -> str:
    pins = (HERE / "peers.txt").read_text(encoding="utf-8").split()
    versions = ", ".join([*(f"{name} {version(name)}" for name in _PACKAGES), *(p.replace("==", " ") for p in pins)])
    return "\n".join(f"* {name}: {value}" for name, value in {**facts, "versions": versions}.items())


def _commands(rows: Sequence[Row]) -> str:
    """One of each client is enough: loads differ in their numbers only."""
    first = {(row.client, row.seat.priority, row.load.whole): row.command for row in reversed(rows)}
    return "```\n" + "\n".join(dict.fromkeys(reversed(first.values()))) + "\n```"


def _ms(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}" if value < 10 else f"{value:.0f}"

"""A Client is a load generator under test: how it is started for a load, and how its own figures are read afterwards.

These write a row per request, so each of their figures is compared with the truth of the same request.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tests.bench.truth import AUTHORITY, Truth, compiled

WARM_UP_S = 2  # the first second staggers the starts, the next one lets streams overlap as they will
STAGGER_S = 1.0
FIRST_MS, GAP_MS, EVENTS = 200, 20, 50
OUR_HARNESS = "nephoscope"
C_READER = "C reader"
PYTHON_FLOOR = "Python floor"
FAST_WHOLE = "FastHttpUser"

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Load:
    """So many streams at once, each asking again when it has its answer; ``whole`` answers come unstreamed, at once."""

    streams: int
    window_s: int
    whole: bool = False
    tls: bool = False

    @property
    def label(self) -> str:
        return f"{self.streams}{' whole' if self.whole else ''}{' TLS' if self.tls else ''}"

    @property
    def model(self) -> str:
        return "sim-t0-g0-n8" if self.whole else f"sim-t{FIRST_MS}-g{GAP_MS}-n{EVENTS}"

    @property
    def asking_s(self) -> int:
        return WARM_UP_S + self.window_s

    @property
    def requests_a_second(self) -> float:
        """What the schedule of a stream allows when nobody loses time between two answers."""
        return self.streams / ((FIRST_MS + (EVENTS - 1) * GAP_MS) / 1000)


@dataclass(frozen=True, slots=True)
class Client:
    """``command`` takes the load, the server's URL and a folder of its own; ``read`` that folder and the truth."""

    name: str
    command: Callable[[Load, str, Path], list[str]]
    read: Callable[[Path, Truth], Figures]
    processes: bool = False  # works in several processes: all of its session count


def harness(load: Load, url: str, folder: Path) -> list[str]:
    """Ours, as a person runs it."""
    request = {"max_tokens": EVENTS, "stream": not load.whole}
    entry = {"name": "truth", "type": "http", "base_url": f"{url}/v1", "model": load.model, "request": request}
    providers = folder / "providers.yaml"
    providers.write_text(json.dumps({"providers": [entry]}), encoding="utf-8")  # JSON is YAML
    return [
        *(("env", f"SSL_CERT_FILE={folder / AUTHORITY}") if load.tls else ()),
        *(sys.executable, "-m", "locust", "-f", "locustfiles/compare.py", "--headless", "--no-preflight"),
        *("--providers", str(providers), "--results", str(folder / "results")),
        *("-u", str(load.streams), "--warm-up", f"{WARM_UP_S}s", "-t", f"{load.window_s}s"),
    ]


def reader(load: Load, url: str, folder: Path) -> list[str]:
    return [str(compiled("reader")), *_bare(load, url, folder)]


def floor(load: Load, url: str, folder: Path) -> list[str]:
    return [sys.executable, "-m", "tests.bench.floor", *_bare(load, url, folder)]


def _bare(load: Load, url: str, folder: Path) -> list[str]:
    """What the two that are nothing but a loop of reads are told."""
    told = ["-p", url.rpartition(":")[2], "-m", load.model, "-c", str(load.streams)]
    told += ["-d", str(load.asking_s), "-r", f"{STAGGER_S:g}", "-o", str(folder / "samples.csv")]
    return [*told, "-n"] if load.whole else told


def stock(user_class: str) -> Callable[[Load, str, Path], list[str]]:
    def command(load: Load, url: str, folder: Path) -> list[str]:
        users = ("-u", str(load.streams), "-r", str(load.streams), "-t", f"{load.asking_s}s")
        return [
            *(sys.executable, "-m", "locust", "-f", "tests/bench/stock.py", user_class, "--headless", "--host", url),
            *(*users, "--model", load.model, "--samples", str(folder / "samples.csv")),
        ]

    return command


def joined(samples: str) -> Callable[[Path, Truth], Figures]:
    """Errors request by request, as absolute values: what the client noted less what the server did."""

    def read(folder: Path, truth: Truth) -> Figures:
        noted = pd.read_csv(folder / samples, dtype={"request_id": str})
        both = noted.merge(truth.requests, on="request_id")
        both = both[both.ttft_s.notna() & (both.whole == 1)]
        ttft_ms = (both.ttft_s * 1e3 - (both.first_ns - both.arrival_ns) / 1e6).abs()
        steady = both.arrival_ns >= truth.window(WARM_UP_S)[0]
        figures = quantiles("ttft", ttft_ms[steady]) | {"start_p99_ms": quantile(ttft_ms[~steady], 0.99)}
        for name in ("gap_p50", "gap_max"):
            error_ms = (both[f"{name}_s"] * 1e3 - both[f"{name}_ns"] / 1e6).abs()
            figures[f"{name}_p99_ms"] = quantile(error_ms[steady], 0.99)
        return figures | {"requests": float(steady.sum())}

    return read


def quantile(values: pd.Series[float], share: float) -> float:
    return float(values.quantile(share, interpolation="higher")) if len(values) else float("nan")


def quantiles(name: str, values: pd.Series[float]) -> Figures:
    return {f"{name}_p50_ms": quantile(values, 0.5), f"{name}_p99_ms": quantile(values, 0.99)}


def nothing(_folder: Path, _truth: Truth) -> Figures:
    """Whole answers have no first token: the server's log says all."""
    return {}


STREAMING = (
    Client(OUR_HARNESS, harness, joined("results/latest/samples.csv")),
    Client(C_READER, reader, joined("samples.csv")),
    Client(PYTHON_FLOOR, floor, joined("samples.csv")),
    Client("FastHttpUser readline", stock("FastReadline"), joined("samples.csv")),
    Client("FastHttpUser iter_lines", stock("FastLines"), joined("samples.csv")),
    Client("HttpUser iter_lines", stock("RequestsLines"), joined("samples.csv")),
)
WHOLE = (
    Client(OUR_HARNESS, harness, nothing),
    Client(C_READER, reader, nothing),
    Client(PYTHON_FLOOR, floor, nothing),
    Client(FAST_WHOLE, stock("FastWhole"), nothing),
)

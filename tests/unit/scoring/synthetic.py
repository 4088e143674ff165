"""A synthetic run: a real run folder with rows drawn from known laws, so that scores can be held against a truth."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from providers.run import Run
from providers.sample import COLUMNS, Sample, to_row

MEASURE_AT = 1_795_470_000.0
WARM_UP_S = 2.0


@dataclass(frozen=True)
class Law:
    """What one provider does. ``prices`` are USD per 1M input and output tokens; None is unknown."""

    name: str
    ttft_s: float = 0.3
    spread: float = 0.3  # of the logarithm
    gap_s: float = 0.02
    error_rate: float = 0.0
    error: str = "server"
    prices: tuple[float, float] | None = (0.5, 1.5)
    output_tokens: int = 64
    capability: str = "mock-chat"
    cloud: str = ""
    region: str = ""
    model: str = "mock-8b"
    type: str = "mock"
    key: str = ""  # providers of one key draw the same values; empty: the name

    def declared(self) -> dict[str, Any]:
        price = {"input_per_1m": None, "output_per_1m": None, "hourly_usd": None, "replicas": 1, "as_of": None}
        if self.prices:
            price |= {"input_per_1m": self.prices[0], "output_per_1m": self.prices[1]}
        limits = {"first_token_timeout_s": 30.0, "total_timeout_s": 120.0, "max_rps": None, "max_concurrency": None}
        who = {key: getattr(self, key) for key in ("name", "type", "capability", "cloud", "region", "model")}
        return {**who, "price": price, "limits": limits, "request": {"stream": True}, "mock": {}}


AWS = Law("aws", ttft_s=0.25, gap_s=0.012, prices=(0.2, 0.6), cloud="aws", region="us-east-1")
AZURE = Law("azure", ttft_s=0.8, gap_s=0.025, prices=(0.25, 0.75), error_rate=0.02, cloud="azure", region="eastus2")
GCP = Law("gcp", ttft_s=0.5, gap_s=0.018, prices=(0.15, 0.45), cloud="gcp", region="us-central1")
THREE = (AWS, AZURE, GCP)


@dataclass(frozen=True)
class Experiment:
    laws: Sequence[Law] = THREE
    rate_rps: float = 20.0
    window_s: float = 30.0
    regions: Sequence[str] = ("",)
    seed: int = 1
    closed: bool = False
    pairing: str = ""  # empty: as the kind of load has it
    edit: Callable[[Sample], Sample | None] = field(default=lambda sample: sample)  # None leaves the row out
    manifest: Mapping[str, Any] = field(default_factory=dict)  # replaces whole keys

    def samples(self) -> Iterable[Sample]:
        for region in self.regions:
            instants = self._instants(region)
            for law in self.laws:
                rng = _rng(self.seed, law.key or law.name, region)
                for index, at in enumerate(instants):
                    sample = self.edit(_sample(law, region, index, float(at), rng))
                    if sample is not None:
                        yield sample

    def write(self, path: Path) -> Run:
        """The run folder, as the load process leaves it."""
        path.mkdir(parents=True, exist_ok=True)
        run = Run(path)
        rows = list(self.samples())
        with run.samples.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(map(to_row, rows))
        run.write_manifest(self._manifest(path.name, rows) | dict(self.manifest))
        return run

    def _instants(self, region: str) -> np.ndarray:
        rng = _rng(self.seed, "arrivals", region)
        count = round(self.rate_rps * (self.window_s + WARM_UP_S) / len(self.regions))
        return np.sort(rng.uniform(MEASURE_AT - WARM_UP_S, MEASURE_AT + self.window_s, count))

    def _manifest(self, run_id: str, rows: Sequence[Sample]) -> dict[str, Any]:
        counts = {law.name: sum(row.provider == law.name for row in rows) for law in self.laws}
        arrivals = {"kind": "poisson", "rate_rps": self.rate_rps, "users": None}
        if self.closed:
            arrivals = {"kind": "closed", "rate_rps": None, "users": 4}
        matrix = {law.name: dict.fromkeys(self.regions, 1) for law in self.laws}
        return {
            "run_id": run_id,
            "created_at": "2026-11-23T21:30:00Z",
            "complete": True,
            "ended": "finished",
            "command": f"locust --headless -t {self.window_s:g}s --warm-up 2s --rate {self.rate_rps:g}",
            "config": {
                "arrivals": arrivals,
                "workload": {"name": "chat", "input_tokens": 128, "output_tokens": 64, "cache": {"kind": "bust"}},
                "phases": {"warm_up_s": WARM_UP_S, "window_s": self.window_s, "drain_s": 30.0},
                "slo": None,
                "seed": self.seed,
                "pairing": self.pairing or ("prompt" if self.closed else "instant"),
            },
            "providers": [law.declared() for law in self.laws],
            "hashes": {"config": "c" * 64, "providers": "p" * 64, "workload": "w" * 64, "prompts": "q" * 64},
            "versions": {"python": "3.11", "nephoscope": "0.1.0"},
            "git_commit": "0123456789ab",
            "host": {"cpu_model": "synthetic", "cores": 2, "system": "Linux"},
            "workers": [worker(region) for region in self.regions],
            "phases": {
                "start_at": MEASURE_AT - WARM_UP_S - 1,
                "warmup_at": MEASURE_AT - WARM_UP_S,
                "measure_at": MEASURE_AT,
                "drain_at": MEASURE_AT + self.window_s,
                "end_at": MEASURE_AT + self.window_s + 3,
            },
            "matrix": {"planned": matrix, "realized": matrix},
            "counts": {name: {"scheduled": n, "sent": n, "dropped": 0, "lost": 0} for name, n in counts.items()},
            "warnings": [],
        }


def worker(region: str = "", **health: Any) -> dict[str, Any]:
    """A worker in good health, but for what is given."""
    return {
        "name": f"worker-{region}" if region else "local", "region": region, "cloud": "", "clock_offset_s": 0.0,
        "clock_uncertainty_s": 0.0, "loop_lag_p99_s": 0.002, "loop_lag_max_s": 0.005, "cpu_windows": 30,
        "cpu_busy_windows": 0, "sockets_refused": 0, "clock_steps": 0, **health,
    }  # fmt: skip


def failed(sample: Sample, kind: str, **known: Any) -> Sample:
    """The sample as a failure of this kind: nothing came, it ended after its ``end_s``."""
    nothing = {"ttft_s": None, "ttfo_s": None, "e2e_s": None, "chunks": 0, "cost_usd": None, "output_tokens": None}
    return replace(sample, error=kind, **(nothing | known))


def _rng(seed: int, *names: str) -> np.random.Generator:
    return np.random.default_rng([seed, *"/".join(names).encode()])


def _sample(law: Law, region: str, index: int, at: float, rng: np.random.Generator) -> Sample:
    stretch, speed, fails = (
        np.exp(law.spread * rng.standard_normal()),
        np.exp(0.1 * rng.standard_normal()),
        rng.random(),
    )
    ttft_s = float(law.ttft_s * stretch)
    e2e_s = ttft_s + float(law.gap_s * speed * (law.output_tokens - 1))
    cost = None if law.prices is None else (128 * law.prices[0] + law.output_tokens * law.prices[1]) / 1e6
    sample = Sample(
        request_id=f"{law.name}-{region}-{index}", worker=f"worker-{region}" if region else "local",
        worker_region=region, provider=law.name, capability=law.capability, endpoint_region=law.region,
        phase="measure" if at >= MEASURE_AT else "warmup", pair=str(index), slot=index % 4, prompt_id=f"chat-{index}",
        scheduled_at=at, started_at=at + 0.001, lag_s=0.001, headers_s=ttft_s / 2, ttft_s=ttft_s, ttfo_s=ttft_s,
        e2e_s=e2e_s, end_s=e2e_s + 0.001, gap_p50_s=law.gap_s, gap_p99_s=2 * law.gap_s, gap_max_s=3 * law.gap_s,
        tcp_s=0.0004 if index == 0 else None, chunks=law.output_tokens, input_tokens=128, cached_tokens=0,
        output_tokens=law.output_tokens, reasoning_tokens=0, target_input_tokens=128,
        target_output_tokens=law.output_tokens, first_chunk_tokens=1.0, output_chars=4 * law.output_tokens,
        token_source="usage", cost_usd=cost, status=200, finish="length",
        connection="new" if index == 0 else "reused", observer_lag_s=0.0002, stamp="kernel",
    )  # fmt: skip
    return failed(sample, law.error, status=500) if fails < law.error_rate else sample

"""The Preflight sends each provider one request before the load, and shows what came back.

A provider that fails it stays in the run: failing is a result. Its samples are kept, in a phase of their own: ``cold``
when the first request after idleness is what was asked for, since nothing else has touched the provider before it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import gevent

from locustfiles.engine.lane import Lane
from locustfiles.engine.load import Load
from providers.sample import Phase, Sample

_INDEX = -1  # a prompt that the load itself never sends


def preflight(load: Load, lanes: Sequence[Lane]) -> list[Sample]:
    """One sample per lane that the budget admits, all asked at once."""
    phase: Phase = "cold" if load.experiment.cold_start else "preflight"
    jobs = [(lane, lane.prepare(load.experiment.workload, load.experiment.seed, _INDEX, phase)) for lane in lanes]
    greenlets = [
        gevent.spawn(load.perform, lane, job, phase, time.time()) for lane, job in jobs if load.admit(lane, job)
    ]
    gevent.joinall(greenlets)
    return [greenlet.get() for greenlet in greenlets]


def table(samples: Sequence[Sample]) -> str:
    """The preflight as text, at most 80 columns wide."""
    head = ("provider", "answer", "TTFT", "E2E", "in", "out", "USD")
    rows = [head, *(_row(sample) for sample in samples)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = []
    for row in rows:
        left = [row[0].ljust(widths[0]), row[1].ljust(widths[1])]
        right = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        lines.append("  ".join([*left, *right]).rstrip())
    lines += [f"  {s.provider}: {s.detail}"[:80] for s in samples if s.error]
    return "\n".join(lines)


def _row(sample: Sample) -> tuple[str, ...]:
    return (
        sample.provider[:24],
        sample.error or f"{sample.status} ok",
        milliseconds(sample.ttft_s),
        milliseconds(sample.e2e_s),
        "" if sample.input_tokens is None else str(sample.input_tokens),
        "" if sample.output_tokens is None else str(sample.output_tokens),
        "" if sample.cost_usd is None else f"{sample.cost_usd:.2g}",
    )


def milliseconds(value_s: float | None) -> str:
    """Three digits, in ms below one second."""
    if value_s is None:
        return "-"
    return f"{value_s * 1000:.0f} ms" if value_s < 1 else f"{value_s:.2f} s"

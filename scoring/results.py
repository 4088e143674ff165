"""Results are the tidy table of a summary: one line per provider, region and metric.

It computes nothing; what it holds stands in ``summary.json`` too.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from scoring.doubts import accepted
from scoring.knee_words import sweep_lines

COLUMNS = ("provider", "capability", "scenario", "region", "metric", "unit", "value", "lo", "hi", "n")
ALL_REGIONS = "all"


def to_csv(summary: Mapping[str, Any]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for tag in summary["tags"]:
        for provider in tag["providers"]:
            who = (provider["name"], tag["capability"], summary["run"]["workload"])
            writer.writerows([*who, *line] for line in _lines(provider))
    for *where, value, lo, hi, n in sweep_lines(summary.get("sweep"), summary["run"]["workload"]):
        writer.writerow([*where, *map(_number, (value, lo, hi)), n])
    return text.getvalue()


def _lines(provider: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """The composite first, then the pooled metrics, then those of every region."""
    numbers = (provider["score"], provider["score_lo"], provider["score_hi"])
    yield ALL_REGIONS, "score", "points", *map(_number, numbers), provider["n"]
    if accepted(provider):
        yield ALL_REGIONS, "accepted_invalid", "", "1", "", "", provider["n"]
    for region, metrics in ((ALL_REGIONS, provider["metrics"]), *provider["regions"].items()):
        for name, figure in metrics.items():
            numbers = (figure["value"], figure["lo"], figure["hi"])
            yield region, name, figure["unit"], *map(_number, numbers), figure["n"]


def _number(value: float | None) -> str:
    """Nine significant digits; empty is unknown."""
    return "" if value is None else f"{value:.9g}"

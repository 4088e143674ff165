"""Cold is what a provider's first request took, asked before anything had warmed it: a figure of its own.

It stands beside the warm median, never in it; it does not know scores.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from scoring.cell import latency, make_cell
from scoring.metrics import Figure

_TIMES = {"ttft": "ttft_s", "e2e": "e2e_s"}
METRICS = {"cold_ttft": "s", "cold_ttft_ratio": "ratio", "cold_e2e": "s", "cold_e2e_ratio": "ratio"}  # with units


def cold_start(rows: pd.DataFrame, warm: Mapping[str, Figure], basis: str) -> dict[str, Figure]:
    """Median over the regions' first requests and how many times the warm median it is; nothing if none was asked.

    A first request that failed leaves its figure unknown.
    """
    cold = rows[rows["phase"] == "cold"]
    if not len(cold):
        return {}
    cell = make_cell("", "", cold)
    found = {}
    for stem, column in _TIMES.items():
        first = latency(cell, column, basis)
        took = np.asarray(first.values)[~first.censored]
        value, usual = (float(np.median(took)) if len(took) else None), warm[f"{stem}_p50"].value
        found[f"cold_{stem}"] = Figure(value, "s", len(took))
        found[f"cold_{stem}_ratio"] = Figure(value / usual if value and usual else None, "ratio", len(took))
    return found

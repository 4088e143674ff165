"""The knee of every provider of a sweep, recomputed from its rows and its manifest alone.

It does not know when the run stopped asking: the law of ``providers.knee`` is applied to the rows that are there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from providers import knee
from scoring.cell import clocked, make_cell, output_speed
from scoring.frame import Frame
from scoring.metrics import Terms, meets_slo

Json = dict[str, Any]


def sweep(frame: Frame, slo: Mapping[str, float]) -> Json | None:
    """None when the run was no sweep."""
    target = frame.config.get("attainment")
    begin = (frame.manifest.get("phases") or {}).get("warmup_at")
    if target is None or begin is None:
        return None
    steps = _steps(frame)
    providers = {
        str(name): _provider(rows, begin, steps, slo, target)
        for name, rows in frame.measured.groupby("provider", observed=True)
    }
    return {"attainment": target, "alpha": knee.ALPHA, "settle_share": knee.SETTLE_SHARE, "providers": providers}


def _steps(frame: Frame) -> list[tuple[float, float, float]]:
    """(settled_s, until_s, rate_rps) of each measured step, in seconds since the warm-up began."""
    warm_up_s, found, begin_s = frame.config["phases"]["warm_up_s"], [], 0.0
    for step in frame.config["arrivals"]["steps"]:
        until_s = step["until_s"]
        if until_s > warm_up_s:
            found.append((begin_s + knee.SETTLE_SHARE * (until_s - begin_s), until_s, step["rate_rps"]))
        begin_s = until_s
    return found


def _provider(
    rows: pd.DataFrame,
    begin: float,
    steps: Sequence[tuple[float, float, float]],
    slo: Mapping[str, float],
    target: float,
) -> Json:
    offset_s = rows["scheduled_at"] - begin
    judged, told = [], []
    for settled_s, until_s, rate_rps in steps:
        own = rows[(offset_s >= settled_s) & (offset_s < until_s) & (rows["error"] != "cut_off")]
        if not len(own):
            continue
        asks, numbers = _asks(own, until_s - settled_s, slo)
        step = knee.judge(rate_rps, asks, target, len(steps))
        judged.append(step)
        told.append({"rate_rps": rate_rps, "n": step.n, "attainment": step.share, "state": step.state, **numbers})
    found = knee.find(judged, target)
    return {
        "capability": str(rows["capability"].iloc[0]),
        "knee_rps": found.rate_rps,
        "lo_rps": found.lo_rps,
        "hi_rps": found.hi_rps,
        "n": sum(step.n for step in judged),
        "steps": _on_front(told),
    }


def _asks(rows: pd.DataFrame, length_s: float, slo: Mapping[str, float]) -> tuple[list[knee.Ask], Json]:
    cell = make_cell("", "", rows)
    good = meets_slo(cell, Terms("response", length_s, slo)) > 0
    ttft = clocked(cell, "ttft_s", "response")
    columns = zip(cell.scheduled_at, good, np.nan_to_num(cell.column("in_flight")), ttft, strict=True)
    asks = [knee.Ask(float(at), bool(met), float(n), None if np.isnan(t) else float(t)) for at, met, n, t in columns]
    speeds = output_speed(cell)[cell.ok]
    speeds = speeds[~np.isnan(speeds)]
    made = float(np.nansum(np.where(cell.ok, cell.column("output_tokens"), 0)))
    return asks, {
        "output_tokens_per_s": made / length_s,
        "output_speed_p50": float(np.median(speeds)) if len(speeds) else None,
        "ttft_p50_s": float(np.nanmedian(ttft)) if (~np.isnan(ttft)).any() else None,
    }


def _on_front(steps: list[Json]) -> list[Json]:
    """Marked where no other step gives both more tokens/s and at least the speed per user."""

    def beaten(step: Json) -> bool:
        mine = (step["output_tokens_per_s"], step["output_speed_p50"] or 0)
        others = [(other["output_tokens_per_s"], other["output_speed_p50"] or 0) for other in steps]
        return any(a >= mine[0] and b >= mine[1] and (a, b) != mine for a, b in others)

    return [{**step, "pareto": step["output_speed_p50"] is not None and not beaten(step)} for step in steps]

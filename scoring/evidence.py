"""Evidence is what a run's rows and manifest say for and against it: the figures behind every reason of the verdict.

It does not know scores, nor how a reason is worded or limited (``scoring.validity``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from providers.reasons import RULES
from providers.sample import BEFORE_LOAD
from scoring.cell import Cell, latency, own_lag_s
from scoring.frame import LOCAL, Frame
from scoring.probe import different, finding_of, words_of
from scoring.quantile import FLOORS, sample_quantile
from scoring.validity import Reason, Where, judge

PRICE_DAYS = 30


def unhealthy_workers(frame: Frame) -> set[str]:
    """Workers whose drops say nothing about providers."""
    return {str(w.get("name", "")) for w in frame.workers if _worker_reasons(w, Where(), _arrivals(frame, w))}


def fastest_s(cells: Iterable[Cell]) -> float | None:
    """The lowest TTFT p50 of all cells: what the self-check's error is held against."""
    return min((ttft for cell in cells if (ttft := _ttft_p50_s(cell))), default=None)


def cell_reasons(frame: Frame, cell: Cell, capability: str, floor: int, fastest: float | None) -> list[Reason]:
    """Reasons of one provider x region; ``floor`` is the n that the scored percentiles need."""
    where = Where(capability, cell.provider, cell.region)
    workers = [w for w in frame.workers if (w.get("region") or LOCAL) == cell.region]
    found = [r for w in workers for r in _worker_reasons(w, where, _arrivals(frame, w))]
    found += [r for w in workers for r in _self_check(w, where, fastest)]
    if not len(cell.rows):
        return found + judge("n_small", 0, where)
    found += _send_lag(cell, where) + judge("limit_held", _held(cell), where)
    return found + _delivery(cell, where, floor) + _overload(cell, where)


_OF_ALL_STEPS = ("send_lag", "under_delivered", "bounded_events", "limit_held")
_OF_SCORES = ("n_small", "windows_lt_30")


def of_sweep(below: Iterable[Reason], whole: Iterable[Reason]) -> list[Reason]:
    """What can be said against a sweep, from its steps below every knee and from all that were asked.

    What we did counts in all steps, for it might have made the knee; what a provider did counts below the knees, since
    overload beyond is what a sweep is for. That the score rests on little concerns no knee: the score says so itself.
    """
    kept = [reason for reason in below if reason.code not in (*_OF_ALL_STEPS, *_OF_SCORES)]
    return [*kept, *(reason for reason in whole if reason.code in _OF_ALL_STEPS)]


def _worker_reasons(worker: Mapping[str, Any], where: Where, arrivals: int) -> list[Reason]:
    windows = worker.get("cpu_windows") or 0
    busy = (worker.get("cpu_busy_windows") or 0) / windows if windows else None
    refused = (worker.get("sockets_refused") or 0) / max(arrivals, 1)
    return [
        *judge("loop_lag", worker.get("loop_lag_p99_s"), where),
        *judge("worker_cpu", busy, where),
        *judge("sockets", refused, where),
    ]


def _self_check(worker: Mapping[str, Any], where: Where, fastest: float | None) -> list[Reason]:
    error_s = (worker.get("self_check") or {}).get("ttft_error_p99_s")
    return judge("self_check", error_s, where, limits=RULES["self_check"].limits(fastest))


def _arrivals(frame: Frame, worker: Mapping[str, Any]) -> int:
    return int((frame.samples["worker"] == worker.get("name", "")).sum())


def _send_lag(cell: Cell, where: Where) -> list[Reason]:
    """Without name look-up and connection set-up, which are the provider's and the network's."""
    lag = own_lag_s(cell)
    if not len(lag):
        return []
    limits = RULES["send_lag"].limits(_ttft_p50_s(cell))
    return judge("send_lag", sample_quantile(lag, 0.99), where, limits=limits)


def _ttft_p50_s(cell: Cell) -> float | None:
    first = latency(cell, "ttft_s", "service")
    seen = first.values[~first.censored]
    return sample_quantile(seen, 0.5) if len(seen) else None


def _held(cell: Cell) -> float:
    """The share of requests that the provider's declared limits held back."""
    return float((np.nan_to_num(cell.column("held_s")) > 0).mean())


def _delivery(cell: Cell, where: Where, floor: int) -> list[Reason]:
    rows = cell.rows
    n = len(rows)
    dropped = (rows["error"] == "dropped").to_numpy(dtype=bool)
    theirs = int((dropped & cell.counted).sum())
    ours = int((dropped & ~cell.counted).sum())
    events = float(cell.column("chunks").sum())
    bounded = float(cell.column("bounded_chunks").sum()) / events if events else None
    own = RULES["n_small"]
    return [
        *judge("under_delivered", (n - theirs - ours) / (n - theirs) if n > theirs else None, where),
        *judge("bounded_events", bounded, where),
        *judge("n_small", n, where, limits=(floor, own.invalid or 0)),
        *judge("cut_off", float((rows["error"] == "cut_off").sum()) / n, where),
    ]


def _overload(cell: Cell, where: Where) -> list[Reason]:
    dropped = (cell.rows["error"] == "dropped").to_numpy(dtype=bool) & cell.counted
    overloaded = (cell.rows["error"] == "overloaded").to_numpy(dtype=bool)
    return judge("provider_overloaded", float((dropped | overloaded).mean()), where)


def tag_reasons(frame: Frame, capability: str, cells: Mapping[str, Sequence[Cell]]) -> list[Reason]:
    """What makes the providers of one tag unlike each other."""
    where = Where(capability)
    sources = {s for parts in cells.values() for c in parts for s in c.rows["token_source"][c.ok].unique() if s}
    found = judge("token_source_mixed", None, where, about=", ".join(sorted(sources))) if len(sources) > 1 else []
    stamps = {s for parts in cells.values() for c in parts for s in c.rows["stamp"].unique() if s}
    found += judge("stamp_mixed", None, where) if len(stamps) > 1 else []
    if reasoning_mixed(cells):
        found += judge("reasoning_visibility_mixed", None, where)
    if len(cells) < 2:
        return found
    return (
        found + _unlike(frame, where, cells) + _unequal_load(frame, where, cells) + _other_models(frame, where, cells)
    )


def reasoning_mixed(cells: Mapping[str, Sequence[Cell]]) -> bool:
    """True when some providers stream their reasoning and others only count it."""
    shown = {p for p, parts in cells.items() if any((c.column("reasoning_chars") > 0).any() for c in parts)}
    counted = {p for p, parts in cells.items() if any((c.column("reasoning_tokens") > 0).any() for c in parts)}
    return bool(shown and counted - shown)


def _unlike(frame: Frame, where: Where, cells: Mapping[str, Sequence[Cell]]) -> list[Reason]:
    entries = [frame.declared.get(provider) or {} for provider in cells]
    models = sorted({str(entry.get("model")) for entry in entries if entry.get("model")})
    limits = {repr(sorted(_load_limits(entry).items())) for entry in entries}
    lengths = [length for parts in cells.values() if (length := _median_output(parts))]
    mismatch = max(lengths) / min(lengths) - 1 if len(lengths) > 1 else None
    return [
        *(judge("model_differs", None, where, about=f"declared as {', '.join(models)}") if len(models) > 1 else []),
        *(judge("limits_unequal", None, where) if len(limits) > 1 else []),
        *judge("output_length_mismatch", mismatch, where),
    ]


def _other_models(frame: Frame, where: Where, cells: Mapping[str, Sequence[Cell]]) -> list[Reason]:
    """Names are what providers say; answers are what they do."""
    found = {name: finding for name in cells if (finding := finding_of(frame.manifest, name))}
    return [
        reason
        for name in different(found)
        for reason in judge(
            "model_differs", found[name].agreement, Where(where.capability, name), about=words_of(found[name])
        )
    ]


def _load_limits(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Those that shape the load; how much a model can read does not."""
    return {name: limit for name, limit in (entry.get("limits") or {}).items() if name != "context_tokens"}


def _median_output(cells: Sequence[Cell]) -> float | None:
    values = np.concatenate([cell.column("output_tokens")[cell.ok] for cell in cells])
    values = values[~np.isnan(values)]
    return float(np.median(values)) if len(values) else None


def _unequal_load(frame: Frame, where: Where, cells: Mapping[str, Sequence[Cell]]) -> list[Reason]:
    counts = [sum(len(cell.rows) for cell in parts) for parts in cells.values()]
    asked = counts
    if frame.closed_loop:
        asked = [sum(cell.rows["slot"].nunique() for cell in parts) for parts in cells.values()]
    return [
        *judge("load_unequal", max(asked) / min(asked) - 1 if min(asked) else None, where),
        *judge("n_differs", max(counts) / min(counts), where),
        *judge("not_simultaneous", _apart(cells), where),
    ]


def _apart(cells: Mapping[str, Sequence[Cell]]) -> float | None:
    """The share of the whole time in which not all providers were asked."""
    spans = [
        (min(c.scheduled_at.min() for c in parts), max(c.scheduled_at.max() for c in parts)) for parts in cells.values()
    ]
    whole = max(end for _, end in spans) - min(begin for begin, _ in spans)
    common = min(end for _, end in spans) - max(begin for begin, _ in spans)
    return float(1 - max(common, 0) / whole) if whole > 0 else None


def run_reasons(frame: Frame) -> list[Reason]:
    """What concerns the whole run, or a provider in all regions."""
    manifest = frame.manifest
    found = [reason for name in frame.declared for reason in _provider_reasons(frame, name)]
    found += _empty_cells(frame)
    if len(frame.workers) > 1:
        found += judge("clock", max(w.get("clock_uncertainty_s") or 0.0 for w in frame.workers))
    if not manifest.get("complete"):
        found += judge("incomplete", None, about=f"ended as '{manifest.get('ended', 'unknown')}'")
    return found + judge("single_run") + judge("single_time_of_day")


def _provider_reasons(frame: Frame, name: str) -> list[Reason]:
    entry = frame.declared.get(name) or {}
    where = Where(str(entry.get("capability") or "default"), name)
    counts = (frame.manifest.get("counts") or {}).get(name) or {}
    sent = counts.get("sent") or 0
    found = judge("lost_samples", (counts.get("lost") or 0) / max(sent, 1), where)
    if entry.get("type") == "mock":
        found += judge("mock_data", None, where)
    age = _price_age_days(entry, frame.manifest)
    if age is not None and age > PRICE_DAYS:
        found += judge("price_stale", age, where, limits=(PRICE_DAYS, PRICE_DAYS))
    return found


def _price_age_days(entry: Mapping[str, Any], manifest: Mapping[str, Any]) -> int | None:
    as_of, created = (entry.get("price") or {}).get("as_of"), manifest.get("created_at")
    try:
        return (date.fromisoformat(str(created)[:10]) - date.fromisoformat(str(as_of)[:10])).days
    except ValueError:  # either is unknown
        return None


def _empty_cells(frame: Frame) -> list[Reason]:
    """A provider that answered nothing still has rows; no row at all means that nobody asked."""
    planned = (frame.manifest.get("matrix") or {}).get("planned") or {}
    asked = frame.samples[~frame.samples["phase"].isin(BEFORE_LOAD)]
    present = set(asked[["provider", "region"]].drop_duplicates().itertuples(index=False, name=None))
    found: list[Reason] = []
    for provider, regions in planned.items():
        capability = str((frame.declared.get(provider) or {}).get("capability") or "default")
        for region, count in regions.items():
            if count and (provider, region or LOCAL) not in present:
                found += judge("empty_cell", None, Where(capability, provider, region or LOCAL))
    return found


def percentile_floor(metrics: Sequence[str]) -> int:
    """The n that the largest scored percentile needs."""
    needed = [n for p, n in FLOORS.items() for metric in metrics if metric.endswith(f"_p{round(100 * p)}")]
    return max(needed, default=0)

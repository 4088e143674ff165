"""A Summary is an analysis as one JSON object: what dashboard, router and report read.

It holds no clock reading and no path, so scoring twice gives the same bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from providers.reasons import LEVELS, NOTE
from scoring.analysis import Analysis
from scoring.knee_words import sweep_json
from scoring.metrics import SCORABLE, Figure
from scoring.profile import Profile
from scoring.score import point_worth
from scoring.standing import OK, Standing
from scoring.tag import Tag
from scoring.validity import Reason, worst
from scoring.words import next_step, sentence, words

SUMMARY_VERSION = 1
SCHEMA = Path(__file__).with_name("summary.schema.json")
Json = dict[str, Any]


def summarize(analysis: Analysis) -> Json:
    tags = [_tag(tag, analysis) for tag in analysis.tags]
    whole = {
        "schema_version": SUMMARY_VERSION,
        "run": _run(analysis),
        "profile": _profile(analysis.profile, analysis.slo),
        "bootstrap": min((tag["bootstrap"] for tag in tags), key=lambda b: b["windows"]),
        "verdict": _verdict(analysis.level, analysis.reasons),
        "accepted_invalid": analysis.accepted_invalid,
        "sweep": sweep_json(analysis.sweep, analysis.slo, _levels(analysis)),
        "tags": tags,
    }
    rounded: Json = nine_digits(whole)
    return rounded


def to_text(summary: Mapping[str, Any]) -> str:
    return json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def nine_digits(value: Any) -> Any:
    """Every number as it is published; what is not a number is unknown."""
    if isinstance(value, dict):
        return {key: nine_digits(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [nine_digits(inner) for inner in value]
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else None
    return value


def _run(analysis: Analysis) -> Json:
    manifest, config = analysis.frame.manifest, analysis.frame.config
    begin, end = analysis.frame.span
    return {
        "run_id": manifest.get("run_id"),
        "created_at": manifest.get("created_at"),
        "complete": bool(manifest.get("complete")),
        "ended": manifest.get("ended"),
        "mock": any(entry.get("type") == "mock" for entry in analysis.frame.declared.values()),
        "command": manifest.get("command"),
        "workload": (config.get("workload") or {}).get("name"),
        "arrivals": config.get("arrivals"),
        "basis": analysis.frame.basis,
        "window_s": end - begin,
        "requests": len(analysis.frame.measured),
        "seed": config.get("seed"),
        "self_checks": [_self_check(worker) for worker in analysis.frame.workers if worker.get("self_check")],
        "git_commit": manifest.get("git_commit"),
        "hashes": manifest.get("hashes"),
        "versions": manifest.get("versions"),
        "config": config,
        "warnings": [*(manifest.get("warnings") or []), *analysis.frame.problems],
    }


def _self_check(worker: Mapping[str, Any]) -> Json:
    check = worker["self_check"]
    figures = ("n", "failed", "ttft_error_p50_s", "ttft_error_p99_s", "truth_width_p50_s")
    return {"worker": worker.get("name"), "region": worker.get("region"), **{name: check.get(name) for name in figures}}


def _profile(profile: Profile, slo: Mapping[str, float]) -> Json:
    return {
        "name": profile.name,
        "version": profile.version,
        "sha256": profile.sha256,
        "aggregation": "arithmetic",
        "weights": profile.weights,
        "dimensions": profile.shares,
        "anchors": {
            metric: {**anchor.model_dump(), "unit": SCORABLE[metric][0], "better": SCORABLE[metric][1]}
            for metric, anchor in profile.anchors.items()
        },
        "slo": dict(slo),
        "presets": profile.presets,
    }


def _verdict(level: str, reasons: Sequence[Reason]) -> Json:
    def place(reason: Reason) -> tuple[int, str, str, str, str]:
        at = (reason.capability or "", reason.provider or "", reason.region or "")
        return (-LEVELS.index(reason.level), reason.code, *at)

    found = [asdict(reason) for reason in sorted(reasons, key=place)]
    return {
        "level": level,
        "reasons": [reason for reason in found if reason["level"] != NOTE],
        "notes": [reason for reason in found if reason["level"] == NOTE],
    }


def _levels(analysis: Analysis) -> dict[str, str]:
    climbed = analysis.sweep.climbed if analysis.sweep else ()
    return {own.name: worst(analysis.concerning(own.capability, own.name)) for own in climbed}


def _tag(tag: Tag, analysis: Analysis) -> Json:
    change = tag.dethroning
    return {
        "capability": tag.capability,
        "sentence": sentence(tag),
        "words": words(tag, analysis),
        "next": asdict(next_step(tag, analysis)),
        "ranking": [standing.name for standing in tag.ranked],
        "kendall_tau": tag.kendall_tau,
        "settle_s": tag.settle_s,
        "dethrone": None if change is None else asdict(change),
        "point_worth": point_worth(analysis.profile),
        "reads": dict(tag.reading),
        "bootstrap": _bootstrap(tag, analysis),
        "pairs": [asdict(pair) for pair in tag.pairs],
        "providers": [_standing(standing, tag, analysis) for standing in tag.standings],
    }


def _bootstrap(tag: Tag, analysis: Analysis) -> Json:
    windows = tag.windows
    reason = None
    if not windows.usable:
        reason = f"{windows.count} windows of {windows.length_s:.3g} s; intervals need 10, {windows.needed_s:.3g} s"
    return {
        "replicates": tag.replicates,
        "windows": windows.count,
        "window_s": windows.length_s,
        "correlation_s": windows.correlation_s,
        "needed_s": windows.needed_s,
        "seed": analysis.frame.config.get("seed") or 0,
        "reason": reason,
    }


def _standing(standing: Standing, tag: Tag, analysis: Analysis) -> Json:
    name = standing.name
    ranked = [other.name for other in tag.ranked]
    rank_lo, rank_hi = tag.rank_intervals.get(name, (None, None)) if name in ranked else (None, None)
    reasons = analysis.concerning(tag.capability, name)
    success = standing.figures["success"]
    entry = analysis.frame.declared.get(name) or {}
    return {
        "name": name,
        **{key: entry.get(key) or "" for key in ("type", "cloud", "region", "model")},
        "rank": ranked.index(name) + 1 if name in ranked else None,
        "rank_lo": rank_lo,
        "rank_hi": rank_hi,
        "rank_shares": tag.rank_shares.get(name),
        "status": standing.status,
        "reason": standing.reason,
        "score": standing.score,
        "score_lo": standing.lo,
        "score_hi": standing.hi,
        "score_geometric": standing.geometric,
        "p_first": tag.p_first.get(name) if standing.status == OK else None,
        "tie": tag.letters.get(name),
        "contributions": standing.points,
        "normalized": standing.normalized,
        "n": standing.attempts,
        "successes": standing.successes,
        "success": {"value": success.value, "lo": success.lo, "hi": success.hi},
        "errors": _errors(standing),
        "metrics": _figures(standing.figures),
        "regions": {region: _figures(figures) for region, figures in sorted(standing.regions.items())},
        "verdict": {"level": worst(reasons), "reasons": sorted({r.code for r in reasons if r.level != NOTE})},
    }


def _errors(standing: Standing) -> dict[str, int]:
    total: dict[str, int] = {}
    for cell in standing.cells:
        for kind, count in cell.errors().items():
            total[kind] = total.get(kind, 0) + count
    return dict(sorted(total.items()))


def _figures(figures: Mapping[str, Figure]) -> Json:
    return {name: asdict(figure) for name, figure in sorted(figures.items())}

"""An Analysis is one run, judged and ranked: its tags and the reasons of its verdict.

It knows the order of the work, not the form of any output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from providers.reasons import INVALID
from scoring import evidence
from scoring.cell import Cell, make_cell
from scoring.cold import cold_start
from scoring.errors import NothingMeasuredError
from scoring.frame import LOCAL, Frame
from scoring.knee import Sweep, below_knees, sweep
from scoring.metrics import Figure, Terms, edge_rtt
from scoring.probe import finding_of, probed
from scoring.profile import Profile
from scoring.score import saturated
from scoring.standing import Standing
from scoring.tag import Question, Tag, rank
from scoring.validity import Reason, Where, judge, worst

Cells = Mapping[str, Mapping[str, Cell]]  # by provider and region


@dataclass(frozen=True, slots=True)
class Analysis:
    frame: Frame
    profile: Profile
    slo: dict[str, float]
    floor: int  # the n that the scored percentiles need
    tags: tuple[Tag, ...]
    reasons: tuple[Reason, ...]
    accepted_invalid: bool
    sweep: Sweep | None = None

    @property
    def level(self) -> str:
        return worst(self.reasons)

    def concerning(self, capability: str, provider: str) -> list[Reason]:
        return [reason for reason in self.reasons if reason.concerns(capability, provider)]


def analyse(frame: Frame, profile: Profile, *, accept_invalid: bool = False) -> Analysis:
    measured = frame.measured
    if not len(measured):
        ended = frame.manifest.get("ended", "unknown")
        raise NothingMeasuredError(
            f"{frame.manifest.get('run_id', 'run')}: no request was scheduled in the measured window (the run ended as"
            f" '{ended}'); nothing to score, run it again"
        )
    slo = {k: float(v) for k, v in (frame.config.get("slo") or profile.slo.model_dump()).items() if v is not None}
    found = sweep(frame, slo, evidence.unhealthy_workers(frame))
    whole = _cells(frame) if found else None
    frame = below_knees(frame, found) if found else frame
    cells = _cells(frame)
    floor = evidence.percentile_floor([metric for metric, weight in profile.indicators.items() if weight])
    reasons = evidence.run_reasons(frame)
    fastest = evidence.fastest_s(cell for own in cells.values() for cell in own.values())
    tags: list[Tag] = []
    for capability, names in _capabilities(frame).items():
        own = {name: cells[name] for name in names if name in cells}
        if any(len(cell.rows) for parts in own.values() for cell in parts.values()):
            reasons += _tag_reasons(frame, capability, own, floor, fastest)
            if whole:
                asked = {name: whole[name] for name in own}
                reasons = evidence.of_sweep(reasons, _cell_reasons(frame, capability, asked, floor, fastest))
            spoiled = frozenset() if accept_invalid else _spoiled(capability, own, reasons)
            tag = rank(_question(frame, capability, own, slo, spoiled), profile)
            _add_from_outside(frame, tag)
            reasons += _result_reasons(tag, profile, of_sweep=found is not None)
            tags.append(tag)
    return Analysis(frame, profile, slo, floor, tuple(tags), tuple(reasons), accept_invalid, found)


def _cells(frame: Frame) -> dict[str, dict[str, Cell]]:
    unhealthy = evidence.unhealthy_workers(frame)
    found: dict[str, dict[str, Cell]] = {}
    for (provider, region), rows in frame.measured.groupby(["provider", "region"], observed=True):
        found.setdefault(str(provider), {})[str(region)] = make_cell(str(provider), str(region), rows, unhealthy)
    planned = (frame.manifest.get("matrix") or {}).get("planned") or {}
    for provider, regions in planned.items():  # who was planned and never asked is shown, too
        for region in (region or LOCAL for region in regions):
            own = found.setdefault(provider, {})
            if region not in own:
                own[region] = make_cell(provider, region, frame.measured.iloc[:0])
    return found


def _capabilities(frame: Frame) -> dict[str, list[str]]:
    """Tag -> its providers by name; as declared, or as the rows say where the manifest is silent."""
    tags = {name: str(entry.get("capability") or "default") for name, entry in frame.declared.items()}
    for provider, capability in frame.measured[["provider", "capability"]].drop_duplicates().itertuples(index=False):
        tags.setdefault(str(provider), str(capability) or "default")
    found: dict[str, list[str]] = {}
    for name in sorted(tags):
        found.setdefault(tags[name], []).append(name)
    return dict(sorted(found.items()))


def _tag_reasons(frame: Frame, capability: str, cells: Cells, floor: int, fastest: float | None) -> list[Reason]:
    parts = {name: list(own.values()) for name, own in cells.items()}
    asked = {name: [cell for cell in own if len(cell.rows)] for name, own in parts.items()}
    each = _cell_reasons(frame, capability, cells, floor, fastest)
    return each + evidence.tag_reasons(frame, capability, {name: own for name, own in asked.items() if own})


def _cell_reasons(frame: Frame, capability: str, cells: Cells, floor: int, fastest: float | None) -> list[Reason]:
    everywhere = [cell for own in cells.values() for cell in own.values()]
    return [r for c in everywhere for r in evidence.cell_reasons(frame, c, capability, floor, fastest)]


def _spoiled(capability: str, cells: Cells, reasons: Sequence[Reason]) -> frozenset[tuple[str, str]]:
    """The provider x region cells that our side spoiled."""
    invalid = [reason for reason in reasons if reason.level == INVALID]
    everywhere = ((name, region) for name, own in cells.items() for region in own)
    return frozenset(at for at in everywhere if any(reason.concerns(capability, *at) for reason in invalid))


def _question(
    frame: Frame, capability: str, cells: Cells, slo: Mapping[str, float], spoiled: frozenset[tuple[str, str]]
) -> Question:
    span = frame.span
    window_s = max(span[1] - span[0], 1e-9)
    terms = {name: Terms(frame.basis, window_s, slo, _hourly_usd(frame.declared.get(name) or {})) for name in cells}
    mixed = evidence.reasoning_mixed({name: list(own.values()) for name, own in cells.items()})
    seed, paired = int(frame.config.get("seed") or 0), frame.config.get("pairing") != "none"
    return Question(capability, cells, terms, span, seed, paired, mixed, spoiled)


def _hourly_usd(entry: Mapping[str, Any]) -> float | None:
    price = entry.get("price") or {}
    hourly = price.get("hourly_usd")
    return None if hourly is None else float(hourly) * int(price.get("replicas") or 1)


def _result_reasons(tag: Tag, profile: Profile, *, of_sweep: bool) -> list[Reason]:
    """What only the scores can tell."""
    found = [] if of_sweep else judge("windows_lt_30", tag.windows.count, Where(tag.capability))
    for standing in tag.standings:
        where = Where(tag.capability, standing.name)
        beyond = [
            m
            for m, f in _scored(standing, profile, tag)
            if f.value is not None and saturated(profile.anchors[m], f.value)
        ]
        found += judge("anchor_saturated", None, where, about=", ".join(beyond)) if beyond else []
        if standing.figures["edge_rtt_s"].value is None:
            found += judge("network_unknown", None, where)
    return found


def _scored(standing: Standing, profile: Profile, tag: Tag) -> list[tuple[str, Figure]]:
    return [(m, standing.figures[tag.reading.get(m, m)]) for m, weight in profile.indicators.items() if weight]


def _add_from_outside(frame: Frame, tag: Tag) -> None:
    """What other phases tell: connections are opened before the window, probe and cold start come before all."""
    for standing in tag.standings:
        rows = frame.samples[frame.samples["provider"] == standing.name]
        regions = set(standing.regions)
        pooled = [(standing.figures, rows[rows["region"].isin(regions)])]
        for figures, own in [*pooled, *((standing.regions[r], rows[rows["region"] == r]) for r in regions)]:
            figures["edge_rtt_s"] = edge_rtt(own)
            figures.update(cold_start(own, figures, frame.basis))
        if finding := finding_of(frame.manifest, standing.name):
            standing.figures.update(probed(finding))

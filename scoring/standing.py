"""A Standing is one provider's place in a tag: its figures, their normalized values, its points and its status.

It depends on this provider's rows and the profile alone: no other provider enters it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from scoring.bootstrap import Resampling, interval, replicate
from scoring.cell import Cell
from scoring.metrics import PERCENTILES, Figure, Terms, effective_n, measure, quantile_of, wilson
from scoring.profile import Profile
from scoring.quantile import FLOORS, Floats
from scoring.score import contributions, dimension_shares, geometric, normalize

OK, FAILED, NOT_ELIGIBLE, INVALID, NO_SCORE = "ok", "failed", "not_eligible", "invalid", "no_score"
Reading = Mapping[str, str]  # scored metric -> the figure it reads, where that has another name


@dataclass(slots=True)
class Standing:
    """``score`` is None where it cannot be told, and ``reason`` then says why. Replicates are filled in later."""

    name: str
    cells: tuple[Cell, ...]
    regions: dict[str, dict[str, Figure]]
    figures: dict[str, Figure]
    status: str
    reason: str | None
    normalized: dict[str, float | None]
    points: dict[str, float]
    score: float | None
    geometric: float | None
    shares: dict[str, float] = field(default_factory=dict)  # of each dimension on its own, 0 to 1
    replicates: Floats | None = None
    dimension_replicates: dict[str, Floats] = field(default_factory=dict)
    lo: float | None = None
    hi: float | None = None

    @property
    def attempts(self) -> int:
        return sum(cell.attempts for cell in self.cells)

    @property
    def successes(self) -> int:
        return sum(cell.successes for cell in self.cells)


def stand(
    name: str, cells: Sequence[Cell], terms: Terms, profile: Profile, reading: Reading, *, invalid: bool
) -> Standing:
    """The point values of one provider; ``cells`` are those of the pooled regions."""
    figures = measure(cells, terms)
    regions = {cell.region: measure([cell], terms) for cell in cells} if len(cells) > 1 else {cells[0].region: figures}
    attempts, successes = sum(c.attempts for c in cells), sum(c.successes for c in cells)
    values = {metric: figures[reading.get(metric, metric)] for metric in profile.indicators}
    gaps = {m: why for m, f in values.items() if profile.indicators[m] and (why := _gap(m, f, attempts, successes))}
    normalized = {m: None if m in gaps else _normalized(profile, m, f) for m, f in values.items()}
    standing = Standing(name, tuple(cells), regions, figures, OK, None, normalized, {}, None, None)
    if successes == 0 and attempts:
        _fail(standing, profile)
    elif gaps:
        standing.status, standing.reason = NO_SCORE, "; ".join(gaps.values())
    else:
        _score(standing, profile)
        _check_eligibility(standing, profile)
    if invalid:
        standing.status = INVALID
        standing.reason = "our side of the measurement does not allow it; see the verdict"
        standing.score, standing.geometric, standing.points, standing.shares = None, None, {}, {}
    return standing


def _normalized(profile: Profile, metric: str, figure: Figure) -> float:
    """A lower bound scores 0, and so does what is missing because requests failed."""
    if figure.value is None or figure.censored:
        return 0.0
    return float(normalize(profile.anchors[metric], figure.value))


def _gap(metric: str, figure: Figure, attempts: int, successes: int) -> str | None:
    """Why a scored figure is missing for a cause other than failure; None when it is there or failure took it."""
    if figure.value is not None:
        return None
    if figure.unit == "USD":
        return "price unknown: declare 'price' in the providers file"
    stem, _, percentile = metric.rpartition("_")
    floor = FLOORS[quantile_of(percentile)] if stem in PERCENTILES else 1
    if attempts < floor:
        return f"{metric} needs {floor} requests, has {attempts}: measure longer"
    if successes < floor:
        return None
    return f"{metric} cannot be measured here: only {figure.n} of {successes} answers define it"


def _fail(standing: Standing, profile: Profile) -> None:
    """Never dropped from a table: no success is a score of 0."""
    standing.status, standing.reason = FAILED, "no request succeeded"
    standing.normalized = dict.fromkeys(profile.indicators, 0.0)
    _score(standing, profile)


def _score(standing: Standing, profile: Profile) -> None:
    known = {metric: value or 0.0 for metric, value in standing.normalized.items()}
    standing.points = contributions(profile, known)
    standing.shares = dimension_shares(profile, known)
    standing.score = sum(standing.points.values())
    standing.geometric = 0.0 if standing.status == FAILED else geometric(profile, known)


def _check_eligibility(standing: Standing, profile: Profile) -> None:
    attempts = [cell.attempts for cell in standing.cells]
    gate = profile.eligibility
    if sum(attempts) < gate.n:
        standing.reason = f"n too small to judge success ({sum(attempts)} of {gate.n} requests)"
        return
    low = wilson(standing.figures["success"].value or 0.0, effective_n(attempts))[0]
    if low < gate.success_wilson_low:
        standing.status = NOT_ELIGIBLE
        standing.reason = f"success may be as low as {low:.3f}; {gate.success_wilson_low:g} is required"


def add_replicates(
    standing: Standing, terms: Terms, profile: Profile, reading: Reading, resampling: Resampling
) -> None:
    """Intervals of the figures and, where there is a score, its replicates."""
    found = replicate(standing.cells, terms, standing.figures, resampling)
    standing.figures = _with_intervals(standing.figures, found)
    if len(standing.cells) == 1:
        standing.regions = {standing.cells[0].region: standing.figures}
    else:
        for cell in standing.cells:
            own = standing.regions[cell.region]
            standing.regions[cell.region] = _with_intervals(own, replicate([cell], terms, own, resampling))
    if standing.score is None:
        return
    normalized = {m: _replicated(profile, m, reading, standing, found, resampling) for m in profile.indicators}
    standing.dimension_replicates = dimension_shares(profile, normalized)
    standing.replicates = sum(contributions(profile, normalized).values(), np.zeros(resampling.replicates))
    standing.lo, standing.hi = interval(standing.replicates)


def _replicated(
    profile: Profile,
    metric: str,
    reading: Reading,
    standing: Standing,
    found: Mapping[str, Floats],
    resampling: Resampling,
) -> Floats:
    values = found.get(reading.get(metric, metric))
    if values is None or standing.status == FAILED:
        return np.zeros(resampling.replicates)
    return normalize(profile.anchors[metric], values)


def _with_intervals(figures: Mapping[str, Figure], found: Mapping[str, Floats]) -> dict[str, Figure]:
    """``hi`` stays None where the replicates know no upper bound; success keeps Wilson's interval."""
    widened = dict(figures)
    for metric, values in found.items():
        if metric != "success" and figures[metric].value is not None:
            low, high = interval(values)
            widened[metric] = replace(
                figures[metric], lo=low if np.isfinite(low) else None, hi=high if np.isfinite(high) else None
            )
    return widened

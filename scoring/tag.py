"""A Tag is the providers of one capability, ranked against each other and against nobody else.

It knows standings and rankings, not files or screens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from scoring import ranking
from scoring.bootstrap import Resampling, resample, stream
from scoring.cell import Cell, Series, latency
from scoring.dethrone import Dethroning, smallest_change
from scoring.metrics import Terms
from scoring.profile import Profile
from scoring.standing import FAILED, NOT_ELIGIBLE, OK, Reading, Standing, add_replicates, stand
from scoring.windows import Windows, cut

FEWEST_REPLICATES, REPLICATES_PER_PAIR = 2000, 40
_RANKED = (OK, NOT_ELIGIBLE, FAILED)  # in this order, whatever their scores


@dataclass(frozen=True, slots=True)
class Question:
    """What a tag is asked: rows by provider and region, what every figure needs, and what our side spoiled."""

    capability: str
    cells: Mapping[str, Mapping[str, Cell]]
    terms: Mapping[str, Terms]
    span: tuple[float, float]
    seed: int
    paired: bool = True
    reasoning_mixed: bool = False
    spoiled: frozenset[tuple[str, str]] = frozenset()  # (provider, region) whose cell is INVALID

    @property
    def reading(self) -> Reading:
        """Where some stream their reasoning and some hide it, the first *answer* token is what compares."""
        if not self.reasoning_mixed:
            return {}
        return {f"ttft_{p}": f"ttfo_{p}" for p in ("p50", "p90", "p95", "p99")}


@dataclass(slots=True)
class Tag:
    """``standings`` are ranked ones first, best first, then the others by name. Without windows nothing is sure."""

    capability: str
    standings: list[Standing]
    windows: Windows
    replicates: int | None = None
    pairs: list[ranking.Pair] = field(default_factory=list)
    letters: dict[str, str] = field(default_factory=dict)
    rank_intervals: dict[str, tuple[int, int]] = field(default_factory=dict)
    rank_shares: dict[str, list[float]] = field(default_factory=dict)  # of replicates, by rank from the first
    p_first: dict[str, dict[str, float]] = field(default_factory=dict)
    dethroning: Dethroning | None = None
    settle_s: float | None = None
    kendall_tau: float | None = None
    reading: Reading = field(default_factory=dict)

    @property
    def ranked(self) -> list[Standing]:
        return [standing for standing in self.standings if standing.status in _RANKED]

    @property
    def contenders(self) -> list[Standing]:
        """Those who may lead."""
        return [standing for standing in self.standings if standing.status == OK]

    @property
    def tied(self) -> list[Standing]:
        """Contenders that cannot be told from the leader, the leader first."""
        beaten = {p.b for p in self.pairs if p.a == self.standings[0].name and p.p_holm < ranking.SIGNIFICANT}
        return [s for s in self.contenders if s.name not in beaten] if self.pairs else self.contenders[:1]


def pooled_regions(
    cells: Mapping[str, Mapping[str, Cell]], spoiled: frozenset[tuple[str, str]]
) -> dict[str, list[str]]:
    """The regions over which each provider is pooled: one common set, with no INVALID cell in it.

    A provider that leaves nothing in common with the others stands aside: it gets no regions.
    """
    sound = {p: [r for r in own if (p, r) not in spoiled] for p, own in cells.items()}
    ranked = sorted((p for p in sound if sound[p]), key=lambda p: (-len(sound[p]), p))
    while ranked:
        common = [r for r in sound[ranked[0]] if all(r in sound[p] for p in ranked)]
        if common:
            return {p: sorted(common) if p in ranked else [] for p in cells}
        ranked.pop()
    return {p: [] for p in cells}


def rank(question: Question, profile: Profile) -> Tag:
    standings = _standings(question, profile)
    windows = cut(question.span, _latencies(question, standings))
    tag = Tag(question.capability, _ordered(standings), windows, reading=question.reading)
    tag.kendall_tau = _agreement(tag)
    tag.dethroning = _dethroning(tag, profile)
    if windows.usable:
        _resample(tag, question, profile)
    return tag


def _standings(question: Question, profile: Profile) -> list[Standing]:
    regions = pooled_regions(question.cells, question.spoiled)
    found = []
    for name, own in question.cells.items():
        cells = [own[region] for region in (regions[name] or sorted(own))]
        standing = stand(name, cells, question.terms[name], profile, question.reading, invalid=not regions[name])
        found.append(standing)
    return found


def _latencies(question: Question, standings: Sequence[Standing]) -> list[Series]:
    cells = [cell for standing in standings for cell in standing.cells]
    basis = next(iter(question.terms.values())).basis
    return [latency(cell, column, basis) for cell in cells for column in ("ttft_s", "e2e_s")]


def _ordered(standings: Sequence[Standing]) -> list[Standing]:
    def place(standing: Standing) -> tuple[int, float, str]:
        known = _RANKED.index(standing.status) if standing.status in _RANKED else len(_RANKED)
        return known, -(standing.score or 0.0), standing.name

    return sorted(standings, key=place)


def _agreement(tag: Tag) -> float | None:
    scored = [(s.score, s.geometric) for s in tag.contenders if s.score is not None and s.geometric is not None]
    return ranking.kendall_tau([score for score, _ in scored], [other for _, other in scored])


def _dethroning(tag: Tag, profile: Profile) -> Dethroning | None:
    contenders = tag.contenders
    if len(contenders) < 2:
        return None
    return smallest_change(contenders[0].name, {s.name: s.shares for s in contenders}, profile.weights)


def _resample(tag: Tag, question: Question, profile: Profile) -> None:
    """Intervals of everything, and how sure the order is."""
    contenders = tag.contenders
    questions = len(ranking.compared([s.name for s in contenders])) if contenders else 0
    tag.replicates = max(FEWEST_REPLICATES, REPLICATES_PER_PAIR * questions)
    resampling = resample(tag.windows, tag.replicates, question.seed)
    for standing in tag.standings:
        # Unpaired prompts are not one experiment seen by all: differences then carry the scatter of both sides.
        own = resampling if question.paired else resample(tag.windows, tag.replicates, question.seed, standing.name)
        add_replicates(standing, question.terms[standing.name], profile, question.reading, own)
    replicates = {s.name: s.replicates for s in contenders if s.replicates is not None}
    if replicates:
        _compare(tag, replicates, profile, resampling)
    _rank_intervals(tag)


def _compare(tag: Tag, replicates: Mapping[str, np.ndarray], profile: Profile, resampling: Resampling) -> None:
    names = list(replicates)
    scores = {s.name: s.score for s in tag.contenders if s.score is not None}
    dimensions = {s.name: s.dimension_replicates for s in tag.contenders}
    tag.pairs = ranking.pairs(names, scores, replicates)
    tag.letters = ranking.tie_letters(names, tag.pairs)
    fixed = ranking.p_first(replicates)
    near, anyhow = (
        ranking.p_first_under(
            dimensions, profile.weights, stream(resampling.seed, "weights", kind), near=kind == "near"
        )
        for kind in ("near", "uniform")
    )
    tag.p_first = {name: {"fixed": fixed[name], "near": near[name], "uniform": anyhow[name]} for name in names}
    if tag.pairs and tag.pairs[0].p_holm >= ranking.SIGNIFICANT:
        first = tag.pairs[0]
        measured_s = tag.windows.count * tag.windows.length_s
        tag.settle_s = ranking.settle_s(measured_s, first.difference, first.lo, first.hi)


def _rank_intervals(tag: Tag) -> None:
    """Within each class of status: no draw of windows makes a failed provider eligible."""
    before, places = 0, range(1, len(tag.ranked) + 1)
    for status in _RANKED:
        group = {s.name: s.replicates for s in tag.standings if s.status == status and s.replicates is not None}
        for name, drawn in ranking.ranks(group).items() if group else ():
            low, high = np.quantile(drawn, [0.025, 0.975], method="inverted_cdf")
            tag.rank_intervals[name] = before + int(low), before + int(high)
            tag.rank_shares[name] = [float((drawn + before == place).mean()) for place in places]
        before += len(group)

"""A Card is a scorecard as others read it: the router, the dashboard, the list of runs. Standard library only.

It refuses what is newer than it knows, and it computes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from providers.errors import RunError
from providers.run import Run, read_versioned

NEWEST = 1


@dataclass(frozen=True, slots=True)
class Value:
    """``value`` None is unknown; ``hi`` None beside a known ``lo`` is unbounded; ``censored`` is a lower bound."""

    value: float | None
    unit: str = ""
    n: int = 0
    lo: float | None = None
    hi: float | None = None
    censored: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """One provider within its tag. ``rank`` is None where it was not ranked, and ``reason`` then says why."""

    name: str
    capability: str
    status: str  # ok | failed | not_eligible | invalid | no_score
    reason: str | None
    rank: int | None
    score: float | None
    score_lo: float | None
    score_hi: float | None
    p_first: float | None  # under the profile's own weights
    n: int
    level: str  # of the verdict
    metrics: dict[str, Value]
    contributions: dict[str, float]
    normalized: dict[str, float | None]

    def value(self, metric: str) -> float | None:
        """A metric's figure, None when it is unknown or was never measured."""
        found = self.metrics.get(metric)
        return found.value if found else None


@dataclass(frozen=True, slots=True)
class Tag:
    """``standings`` are ranked ones first."""

    capability: str
    sentence: str
    words: tuple[str, ...]
    standings: tuple[Standing, ...]

    @property
    def leader(self) -> Standing | None:
        """The first of those that may lead."""
        return next((standing for standing in self.standings if standing.rank == 1 and standing.status == "ok"), None)


@dataclass(frozen=True, slots=True)
class Card:
    """``document`` is the whole summary, for whoever needs more."""

    run_id: str
    created_at: str
    complete: bool
    mock: bool
    level: str
    accepted_invalid: bool
    basis: str
    profile: str
    profile_sha256: str
    tags: tuple[Tag, ...]
    document: dict[str, Any]

    @property
    def standings(self) -> tuple[Standing, ...]:
        return tuple(standing for tag in self.tags for standing in tag.standings)

    def standing(self, provider: str) -> Standing | None:
        return next((standing for standing in self.standings if standing.name == provider), None)


def read_card(path: Path) -> Card:
    """The card of a run folder or of a ``summary.json``; RunError when it is missing, broken or newer than this."""
    file = Run(path).summary if path.is_dir() else path
    if not file.is_file():
        raise RunError(f"{file}: no such file; score the run first: python -m scoring {path}")
    document = read_versioned(file, NEWEST)
    try:
        return _card(document)
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{file}: not a scorecard ({error!r} is missing or wrong); score the run again") from None


def _card(document: dict[str, Any]) -> Card:
    run, profile = document["run"], document["profile"]
    return Card(
        run_id=str(run["run_id"]),
        created_at=str(run["created_at"]),
        complete=bool(run["complete"]),
        mock=bool(run["mock"]),
        level=str(document["verdict"]["level"]),
        accepted_invalid=bool(document["accepted_invalid"]),
        basis=str(run["basis"]),
        profile=str(profile["name"]),
        profile_sha256=str(profile["sha256"]),
        tags=tuple(_tag(tag) for tag in document["tags"]),
        document=document,
    )


def _tag(tag: Mapping[str, Any]) -> Tag:
    capability = str(tag["capability"])
    standings = tuple(_standing(provider, capability) for provider in tag["providers"])
    return Tag(capability, str(tag["sentence"]), tuple(tag["words"]), standings)


def _standing(provider: Mapping[str, Any], capability: str) -> Standing:
    first = provider["p_first"]
    return Standing(
        name=str(provider["name"]),
        capability=capability,
        status=str(provider["status"]),
        reason=provider["reason"],
        rank=provider["rank"],
        score=provider["score"],
        score_lo=provider["score_lo"],
        score_hi=provider["score_hi"],
        p_first=None if first is None else first["fixed"],
        n=int(provider["n"]),
        level=str(provider["verdict"]["level"]),
        metrics={name: Value(**figure) for name, figure in provider["metrics"].items()},
        contributions=dict(provider["contributions"]),
        normalized=dict(provider["normalized"]),
    )

"""Scored synthetic runs, made once where tests only read them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scoring.analysis import analyse
from scoring.frame import read_frame
from scoring.profile import Profile, load_profile
from scoring.summary import summarize
from tests.unit.scoring.synthetic import Experiment

Summary = dict[str, Any]


def scored(experiment: Experiment, path: Path, profile: Profile | None = None, **options: Any) -> Summary:
    return summarize(analyse(read_frame(experiment.write(path)), profile or load_profile(), **options))


@pytest.fixture
def score(tmp_path: Path) -> Callable[..., Summary]:
    """Write a run and score it; each call is a run of its own."""
    calls = iter(range(1000))
    return lambda experiment, *args, **options: scored(experiment, tmp_path / f"run{next(calls)}", *args, **options)


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """Three healthy providers, 30 windows: nothing to complain about."""
    return scored(Experiment(), tmp_path_factory.mktemp("plain"))

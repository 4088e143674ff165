"""The Shelf holds every run of a results folder as a reader meets it: scored, under way, not scored yet, or corrupt.

Runs are found by listing the folder and matched by equality: no path is ever made of what a reader typed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from providers.errors import RunError
from providers.run import Run, find_runs
from scoring.card import read_card

SCORED, RUNNING, UNSCORED, CORRUPT = "scored", "running", "not scored", "corrupt"


@dataclass(frozen=True, slots=True)
class Entry:
    """``level`` is the verdict's, of a scored run; ``fault`` says what is wrong with a corrupt one."""

    run: Run
    state: str
    created_at: str = ""
    providers: tuple[str, ...] = ()
    mock: bool = False
    level: str = ""
    fault: str = ""


def entries(results: Path) -> list[Entry]:
    """Newest first; what has not changed since it was last met is not read again."""
    return [_read(run, _changed(run.manifest), _changed(run.summary)) for run in find_runs(results)]


def find(shelf: list[Entry], run_id: str) -> Entry | None:
    return next((entry for entry in shelf if entry.run.run_id == run_id), None)


def fault_of(run: Run, error: Exception) -> str:
    """One line that names files from the run's folder on, and tells nothing of where the results lie."""
    said = str(error) if isinstance(error, RunError) else f"{run.run_id}/summary.json: not a scorecard ({error!r})"
    return said.replace(f"{run.path.parent}/", "")


def _changed(file: Path) -> int | None:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return None


@lru_cache(maxsize=2048)
def _read(run: Run, _manifest: int | None, summary: int | None) -> Entry:
    try:
        manifest = run.read_manifest()
        level = read_card(run.path).level if summary is not None else ""
        declared = manifest.get("providers") or []
        return Entry(
            run,
            state=SCORED if level else RUNNING if manifest.get("ended") == "running" else UNSCORED,
            created_at=str(manifest.get("created_at") or ""),
            providers=tuple(str(entry["name"]) for entry in declared),
            mock=any(entry.get("type") == "mock" for entry in declared),
            level=level,
        )
    except (RunError, KeyError, TypeError, AttributeError) as error:
        return Entry(run, CORRUPT, fault=fault_of(run, error))

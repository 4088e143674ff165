"""The Catalogue: every run of a results folder in one table, newest first.

It reads cards and manifests and scores nothing.
"""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from providers.errors import RunError
from providers.notation import points
from providers.run import Run, find_runs
from scoring.card import Card, read_card

_UNKNOWN = "\N{EN DASH}"


def print_catalogue(results: Path, console: Console | None = None) -> None:
    if not results.is_dir():
        raise RunError(f"{results}: no such folder; expected the results of a run, as 'locust --headless' writes them")
    console = console or Console(highlight=False, markup=False, emoji=False)
    rows = [_row(run) for run in find_runs(results)]
    if not rows:
        console.print(f"No run in {results} yet; make one: locust --headless")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("run", no_wrap=True)
    for heading in ("date", "providers", "verdict", "leader"):
        table.add_column(heading)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _marks(card: Card) -> str:
    accepted = card.accepted_invalid and card.level == "INVALID"
    marks = [word for word, met in (("mock", card.mock), ("accepted", accepted)) if met]
    return f" ({', '.join(marks)})" if marks else ""


def _row(run: Run) -> tuple[str, ...]:
    try:
        manifest = run.read_manifest()
    except RunError:
        return run.run_id, _UNKNOWN, _UNKNOWN, "unreadable", _UNKNOWN
    date = str(manifest.get("created_at") or "").replace("T", " ").removesuffix("Z")[:16]
    names = ", ".join(str(entry["name"]) for entry in manifest.get("providers") or [])
    if not run.summary.is_file():
        return run.run_id, date, names, "not scored", _UNKNOWN
    try:
        card = read_card(run.path)
    except RunError:
        return run.run_id, date, names, "unreadable", _UNKNOWN
    leaders = [(tag.leader.name, tag.leader.score) for tag in card.tags if tag.leader]
    leader = ", ".join(f"{name} {points(score or 0)}" for name, score in leaders)
    return run.run_id, date, names, f"{card.level}{_marks(card)}", leader or _UNKNOWN

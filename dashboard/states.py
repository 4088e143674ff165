"""The States in which there is no scorecard to show: each says what is the case and what to do about it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from dash import dcc, html

from dashboard.picker import link_to
from dashboard.shelf import CORRUPT, RUNNING, Entry
from providers.notation import duration

SILENT_S = 30.0  # the load process writes a line a second


def no_run() -> list[Any]:
    return _state(
        "No run yet",
        "Make one: half a minute against mock clouds on this machine, no account needed.",
        "locust --headless --rate 20 -t 30s --warm-up 5s",
        "This page shows it as soon as it is there.",
    )


def unknown_run(run_id: str, newest: Entry) -> list[Any]:
    way_out = dcc.Link("Show the newest run", href=link_to(newest))
    return _state("No such run", "None of the runs here is called", run_id, way_out)


def unknown_page(path: str) -> list[Any]:
    return _state("No such page", "Nothing stands at", path, dcc.Link("Show the scorecard", href="/"))


def unscored(entry: Entry) -> list[Any]:
    """What to say of a run that has no readable scorecard."""
    score = f"python -m scoring {Path(entry.run.path.parent.name) / entry.run.run_id}"
    if entry.state == RUNNING:
        return _running(entry, score)
    if entry.state == CORRUPT:
        return corrupt(entry.fault)
    return _state("Not scored yet", "The samples of this run are here, its scorecard is not. Make it:", score)


def corrupt(fault: str) -> list[Any]:
    return _state(
        "This run cannot be read", "One of its files is broken:", fault, "Other runs stand in the list above."
    )


def _running(entry: Entry, score: str) -> list[Any]:
    silence_s = _silence_s(entry)
    if silence_s < SILENT_S:
        return _state("This run is under way", "Its scorecard will appear here when it ends.")
    said = f"It wrote nothing for {duration(silence_s)}. If its process is gone, score what it left:"
    return _state("This run is under way, or was cut off", said, score)


def _silence_s(entry: Entry) -> float:
    files = [file for file in (entry.run.live, entry.run.samples, entry.run.manifest) if file.is_file()]
    return time.time() - max(file.stat().st_mtime for file in files) if files else 0.0


def _state(title: str, said: str, told: str = "", after: Any = None) -> list[Any]:
    command = html.Pre(html.Code(told), className="command", tabIndex=0) if told else None
    way_out = html.P(after, className="quiet") if after else None
    return [html.Section([html.H1(title, className="sentence"), html.P(said), command, way_out], className="state")]

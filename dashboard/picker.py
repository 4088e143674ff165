"""The Picker: all runs, newest first, as plain links. The address alone says which run is shown."""

from __future__ import annotations

from urllib.parse import urlencode

from dash import dcc, html

from dashboard.facts import moment
from dashboard.shelf import SCORED, Entry
from dashboard.verdict import chip


def picker(shelf: list[Entry], shown: Entry | None, path: str) -> html.Details:
    """Its key makes it a new one for each run shown, and so a closed one."""
    now = _when(shown) if shown else "choose one"
    items = [html.Li(_link(entry, path, current=entry is shown)) for entry in shelf]
    return html.Details(
        [html.Summary([html.Span("Run ", className="quiet"), now]), html.Ol(items)],
        id="picker",
        key=shown.run.run_id if shown else "none",
    )


def link_to(entry: Entry, path: str = "/") -> str:
    return f"{path}?{urlencode({'run': entry.run.run_id})}"


def _link(entry: Entry, path: str, *, current: bool) -> dcc.Link:
    about = " · ".join([entry.run.run_id, *filter(None, [", ".join(entry.providers), "mock" if entry.mock else ""])])
    return dcc.Link(
        [
            html.Span(_when(entry)),
            chip(entry.level) if entry.state == SCORED else html.Span(entry.state, className="chip"),
            html.Small(about),
        ],
        href=link_to(entry, path),
        className="current" if current else None,
    )


def _when(entry: Entry) -> str:
    return moment(entry.created_at) if entry.created_at else entry.run.run_id

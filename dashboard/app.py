"""The App: a frame that finds the run the address names and hands its card to a page. It computes no score.

Everything is served from here: no other host is ever asked. All state is in the query string.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from dash import Dash, Input, Output, dcc, html
from flask import Response, abort, send_from_directory

from dashboard import states
from dashboard.facts import FILES
from dashboard.pages import PAGES
from dashboard.picker import picker
from dashboard.shelf import SCORED, Entry, entries, fault_of, find
from providers.errors import RunError
from providers.run import find_runs
from scoring.card import read_card

PULSE_MS = 3000  # how often a page without a scorecard looks again
INDEX = Path(__file__).with_name("index.html")


def create_app(results: Path) -> Dash:
    app = Dash(
        __name__,
        title="Nephoscope",
        update_title="",
        index_string=INDEX.read_text(encoding="utf-8"),
        serve_locally=True,
        compress=True,
        add_log_handler=False,
    )
    app.layout = _frame
    app.callback(
        Output("picked", "children"),
        Output("page", "children"),
        Output("pulse", "disabled"),
        Input("address", "pathname"),
        Input("address", "search"),
        Input("pulse", "n_intervals"),
    )(partial(_show, results))
    app.server.add_url_rule("/files/<run_id>/<name>", "files", partial(_send, results))
    app.server.after_request(partial(_guard, _policy(app)))
    return app


def _frame() -> html.Div:
    brand = dcc.Link([html.Img(src="/assets/icon.svg", alt=""), "Nephoscope"], href="/", className="brand")
    return html.Div(
        [
            dcc.Location(id="address", refresh="callback-nav"),
            dcc.Interval(id="pulse", interval=PULSE_MS, disabled=True),
            html.Header([brand, html.Div(id="picked")]),
            html.Main(id="page"),
        ]
    )


def _show(results: Path, path: str | None, search: str | None, _beat: int | None) -> tuple[Any, list[Any], bool]:
    """The picker, the page, and whether the page can rest."""
    shelf = entries(results)
    wanted = parse_qs((search or "").removeprefix("?")).get("run", [""])[0]
    entry = find(shelf, wanted) if wanted else next(iter(shelf), None)
    if not shelf:
        return None, states.no_run(), False
    chosen = picker(shelf, entry, path or "/")
    if entry is None:
        return chosen, states.unknown_run(wanted, shelf[0]), True
    return chosen, _page(entry, path or "/"), entry.state == SCORED


def _page(entry: Entry, path: str) -> list[Any]:
    layout = PAGES.get(path)
    if layout is None:
        return states.unknown_page(path)
    if entry.state != SCORED:
        return states.unscored(entry)
    try:
        return layout(read_card(entry.run.path))
    except (RunError, KeyError, TypeError, AttributeError, ValueError) as error:
        return states.corrupt(fault_of(entry.run, error))


def _send(results: Path, run_id: str, name: str) -> Response:
    """A raw file of a run that was found by listing, from a closed list of names."""
    run = next((run for run in find_runs(results) if run.run_id == run_id), None)
    if run is None or name not in FILES:
        abort(404)
    return send_from_directory(run.path.resolve(), name, as_attachment=True)


def _policy(app: Dash) -> str:
    """Scripts are our files and Dash's one line of start, by its hash; plotly writes style elements and image blobs."""
    scripts = " ".join(app.csp_hashes())
    return (
        f"default-src 'self'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _guard(policy: str, response: Response) -> Response:
    response.headers["Content-Security-Policy"] = policy
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response

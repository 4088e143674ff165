"""The Facts of a run: what was asked, when, with which versions, and the files that hold every number."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from dash import html

from providers.notation import digits, duration

Json = dict[str, Any]
FILES = ("summary.json", "results.csv", "samples.csv", "manifest.json")  # of a run folder, and what may be fetched


def panel(summary: Json) -> html.Section:
    terms = [item for name, value in _facts(summary).items() for item in (html.Dt(name), html.Dd(value))]
    run_id = summary["run"]["run_id"]
    files = [html.Li(html.A(name, href=address(run_id, name), download=name)) for name in FILES]
    return html.Section(
        className="facts",
        children=[
            html.H2("This run"),
            html.Dl(terms),
            html.H2("Its files"),
            html.Ul(files, className="files"),
        ],
    )


def address(run_id: str, name: str) -> str:
    return f"/files/{quote(run_id)}/{name}"


def _facts(summary: Json) -> Json:
    run, profile = summary["run"], summary["profile"]
    return {
        "Run": html.Code(run["run_id"]),
        "Date": moment(run["created_at"]),
        "Command": html.Code(run["command"] or "unknown"),
        "Load": _load(run),
        "Measured": f"{run['requests']:,} requests in {duration(run['window_s'])}, latency from {_basis(run['basis'])}",
        "Seed": str(run["seed"]),
        "Profile": [profile["name"], " ", html.Code(profile["sha256"][:12], title=profile["sha256"])],
        "Git commit": html.Code(run["git_commit"] or "unknown"),
    }


def _load(run: Json) -> str:
    arrivals = run["arrivals"] or {}
    if arrivals.get("kind") == "closed":
        return f"{run['workload']}, closed loop, {arrivals.get('users')} users"
    return f"{run['workload']}, {arrivals.get('kind')}, {digits(arrivals.get('rate_rps') or 0)} requests/s per provider"


def _basis(basis: str) -> str:
    return "the scheduled instant" if basis == "response" else "the first byte sent"


def moment(created_at: str) -> str:
    """``2026-11-23 22:08 UTC`` of an ISO instant."""
    return f"{created_at[:16].replace('T', ' ')} UTC"

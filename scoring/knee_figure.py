"""A sweep drawn: throughput against the speed that one user sees, step by step. It reads the summary alone.

Steps are joined at right angles, since nothing was measured between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from providers.notation import digits, percent
from scoring.figures import plain, stamp
from scoring.look import Look, looks

Json = Mapping[str, Any]
_INK, _GRID = "#4a5058", "rgba(128, 134, 142, 0.25)"


def knee_figure(sweep: Json, *, mock: bool = False) -> go.Figure:
    """The Pareto steps of each provider as a line, all its steps as markers; open ones lie beyond its knee."""
    look = looks([own["name"] for own in sweep["providers"]])
    figure = go.Figure()
    for own in sweep["providers"]:
        known = [step for step in own["steps"] if step["output_speed_p50"] is not None]
        figure.add_trace(_curve(own["name"], known, look[own["name"]]))
        figure.add_trace(_steps(own["name"], known, look[own["name"]]))
    figure.update_layout(
        height=420, paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", font={"size": 12, "color": _INK},
        xaxis={"title": {"text": "for each user (tokens/s, median)"}, "gridcolor": _GRID, "rangemode": "tozero"},
        yaxis={"title": {"text": "in all (output tokens/s)"}, "gridcolor": _GRID, "rangemode": "tozero"},
        annotations=[stamp()] if mock else [],
    )  # fmt: skip
    return figure


def _curve(name: str, steps: Sequence[Json], look: Look) -> go.Scatter:
    best = sorted((step for step in steps if step["best"]), key=lambda step: step["output_speed_p50"])
    return go.Scatter(
        x=[step["output_speed_p50"] for step in best], y=[step["tokens_per_s"] for step in best], mode="lines",
        line={"shape": "vh", "color": look.colour, "width": 2}, legendgroup=name, showlegend=False, hoverinfo="skip",
    )  # fmt: skip


def _steps(name: str, steps: Sequence[Json], look: Look) -> go.Scatter:
    beyond = [step["outcome"] in ("fails", "saturated") for step in steps]
    return go.Scatter(
        name=plain(name), legendgroup=name, mode="markers",
        x=[step["output_speed_p50"] for step in steps], y=[step["tokens_per_s"] for step in steps],
        marker={"symbol": [look.marker + ("-open" if far else "") for far in beyond], "color": look.colour, "size": 11},
        text=[_told(step) for step in steps], hovertemplate="%{fullData.name}: %{text}<extra></extra>",
    )  # fmt: skip


def _told(step: Json) -> str:
    return f"{digits(step['rate_rps'])} requests/s, {percent(step['attainment'] or 0.0)} meet the SLOs"

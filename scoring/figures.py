"""Figures: a scorecard drawn. Pure functions from summary data to plotly figures, the only ones that know plotly.

They know no page and no theme: paper is transparent, inks are mid-tones which the dashboard's style sheet overrides.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from providers.notation import chance, points
from scoring.look import SHADES, Look, looks

Json = Mapping[str, Any]

_INK, _STRIP_INK, _GRID = "#4a5058", "#16191d", "rgba(128, 134, 142, 0.25)"
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
_LABEL, _STRIP = 0.25, -0.24  # a row is 1 high: its label above the dot, its strip below
_ROW_PX, _FRAME_PX = 96, 92
_DASH = "\N{EN DASH}"
_NAME = 22  # characters, so that it fits beside the rest on a telephone


def score_figure(providers: Sequence[Json], *, mock: bool = False) -> go.Figure:
    """Score and 95 % interval of each provider on one axis; under it the points of each dimension, ending at the score.

    ``providers`` are those of a summary's tag, in its order.
    """
    figure = go.Figure()
    dimensions = dict.fromkeys(name for provider in providers for name in provider["contributions"])
    for name, shade in zip(dimensions, SHADES * len(dimensions), strict=False):
        figure.add_trace(_strip(providers, name, shade))
    look = looks([provider["name"] for provider in providers])
    for row, provider in enumerate(providers):
        if provider["score"] is not None:
            figure.add_trace(_dot(provider, -row, look[provider["name"]]))
    figure.update_layout(_layout(len(providers)), annotations=_labels(providers) + ([stamp()] if mock else []))
    return figure


def _strip(providers: Sequence[Json], dimension: str, shade: str) -> go.Bar:
    scored = [(row, p) for row, p in enumerate(providers) if dimension in p["contributions"]]
    return go.Bar(
        name=dimension, orientation="h", width=0.22,
        y=[_STRIP - row for row, _ in scored],
        x=[p["contributions"][dimension] for _, p in scored],
        text=[points(p["contributions"][dimension]) for _, p in scored],
        customdata=[plain(p["name"]) for _, p in scored],
        hovertemplate=f"%{{customdata}}: %{{x:.1f}} points from {plain(dimension)}<extra></extra>",
        textposition="inside", insidetextanchor="middle", textangle=0,
        textfont={"size": 12, "color": _STRIP_INK},
        marker={"color": shade, "line": {"width": 0}, "opacity": [_opacity(p) for _, p in scored]},
    )  # fmt: skip


def _dot(provider: Json, y: float, look: Look) -> go.Scatter:
    score, lo, hi = provider["score"], provider["score_lo"], provider["score_hi"]
    whisker = None
    if lo is not None:
        whisker = {"array": [hi - score], "arrayminus": [score - lo], "thickness": 4, "width": 0, "color": look.colour}
    return go.Scatter(
        x=[score], y=[y], error_x=whisker, mode="markers", showlegend=False, cliponaxis=False,
        opacity=_opacity(provider),
        marker={"symbol": look.marker, "color": look.colour, "size": 15},
        hovertemplate=f"{plain(provider['name'])}: {_score(provider)} points, n = {provider['n']:,}<extra></extra>",
    )  # fmt: skip


def _labels(providers: Sequence[Json]) -> list[Json]:
    """Rank, name and tie on the left, the chance to be first on the right, the score beside its whisker."""
    shared = {letter for letter, count in Counter("".join(p["tie"] or "" for p in providers)).items() if count > 1}
    labels = []
    for row, provider in enumerate(providers):
        tie = "".join(letter for letter in provider["tie"] or "" if letter in shared)
        rank = _DASH if provider["rank"] is None else provider["rank"]
        name = f"{rank}  <b>{plain(_short(provider['name']))}</b>{f'  tie {tie}' if tie else ''}"
        labels.append(_label(name, (0, _LABEL - row), "left", font={"size": 14}))
        labels.append(_label(_chances(provider), (100, _LABEL - row), "right", opacity=0.75))
        if provider["score"] is not None:
            labels.append(_value(provider, -row))
    return labels


def _label(text: str, at: tuple[float, float], anchor: str, **style: Any) -> Json:
    return {"text": text, "x": at[0], "y": at[1], "xanchor": anchor, "yanchor": "middle", "showarrow": False,
            "xshift": -4 if anchor == "left" else 4, **style}  # fmt: skip


def _chances(provider: Json) -> str:
    if provider["status"] != "ok":
        return str(provider["status"]).replace("_", " ")
    first = provider["p_first"]
    return f"first: {chance(first['fixed'])}" if first else ""


def _value(provider: Json, y: float) -> Json:
    """On the side where there is room."""
    score, lo, hi = (provider[key] for key in ("score", "score_lo", "score_hi"))
    if score > 50:
        return _label(_score(provider), (score if lo is None else lo, y), "right", xshift=-12)
    return _label(_score(provider), (score if hi is None else hi, y), "left", xshift=12)


def _score(provider: Json) -> str:
    score = points(provider["score"])
    if provider["score_lo"] is None:
        return score
    return f"{score} ({points(provider['score_lo'])}{_DASH}{points(provider['score_hi'])})"


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"


def _opacity(provider: Json) -> float:
    return 1.0 if provider["rank"] is not None else 0.4


def plain(text: str) -> str:
    """Plotly reads some markup in its texts: ours is written here, other people's is shown as it is."""
    return html.escape(text).replace("%{", "%&#123;")


def stamp() -> Json:
    """Simulated data must not travel as real data, not even as a screenshot."""
    return {"text": "MOCK DATA", "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5, "showarrow": False,
            "textangle": -18, "font": {"size": 56}, "opacity": 0.07}  # fmt: skip


def _layout(rows: int) -> Json:
    return {
        "height": _ROW_PX * rows + _FRAME_PX,
        "margin": {"l": 14, "r": 18, "t": 40, "b": 52},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": _FONT, "size": 12, "color": _INK},
        "barmode": "stack",
        "uniformtext": {"minsize": 12, "mode": "hide"},
        "hoverlabel": {"bgcolor": "#22262b", "bordercolor": "#22262b",
                       "font": {"color": "#f2f3f4", "size": 14, "family": _FONT}},
        "modebar": {"bgcolor": "rgba(0,0,0,0)"},
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "yref": "paper", "traceorder": "normal",
                   "itemclick": False, "itemdoubleclick": False},
        "xaxis": {"range": [-0.6, 100.6], "tickvals": [0, 20, 40, 60, 80, 100], "gridcolor": _GRID, "zeroline": False,
                  "fixedrange": True, "title": {"text": "score (points of 100)", "standoff": 8}},
        "yaxis": {"range": [0.6 - rows, 0.45], "visible": False, "fixedrange": True},
    }  # fmt: skip

"""Figures of the ranking: scores with intervals, where the points come from, and how sure every rank is.

They read a summary's tag and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from providers.notation import chance, points
from scoring.look import SHADES, looks
from scoring.paper.style import BLUES, COLUMN_IN, INK, PAGE_IN, PALE, drawn_as, sheet

Json = Mapping[str, Any]
_ROW_IN, _FRAME_IN = 0.3, 0.5
_NAME = 22


def score(tag: Json) -> Figure | None:
    """A dot and its 95 % interval for every provider; P(first) beside it."""
    providers = [provider for provider in tag["providers"] if provider["score"] is not None]
    if not providers:
        return None
    figure, (axes,) = sheet(COLUMN_IN, _ROW_IN * len(providers) + _FRAME_IN)
    found = looks([provider["name"] for provider in tag["providers"]])
    for row, provider in enumerate(providers):
        _dot(axes, provider, row, drawn_as(found[provider["name"]]))
    axes.set_xlabel("score $S$, points of 100 (95 % interval)")
    axes.set_xlim(*_enclosing(providers))
    _rows(axes, [_named(provider) for provider in providers])
    return figure


def _dot(axes: Axes, provider: Json, row: int, paint: Mapping[str, Any]) -> None:
    faded = 1.0 if provider["status"] == "ok" else 0.45
    if provider["score_lo"] is not None:
        axes.plot(
            [provider["score_lo"], provider["score_hi"]], [row, row], color=paint["color"], linewidth=2, alpha=faded,
            solid_capstyle="butt",
        )  # fmt: skip
    axes.plot([provider["score"]], [row], linestyle="", alpha=faded, **{**paint, "markersize": 6})
    first = provider["p_first"]
    beside = f"first: {chance(first['fixed'])}" if first else provider["status"].replace("_", " ")
    told = "" if provider["status"] == "ok" and not first else beside
    axes.annotate(points(provider["score"]), (provider["score"], row), (0, 5), textcoords="offset points",
                  ha="center", va="bottom", fontsize=7)  # fmt: skip
    axes.annotate(told, (1, row), (2, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                  va="center", fontsize=7, color=PALE)  # fmt: skip


def _enclosing(providers: Sequence[Json]) -> tuple[float, float]:
    """Tens around all intervals: a dot plot need not begin at 0, and narrow intervals want the room."""
    ends = [end for p in providers for end in (p["score"], p["score_lo"], p["score_hi"]) if end is not None]
    low, high = np.floor(min(ends) / 10 - 0.2) * 10, np.ceil(max(ends) / 10 + 0.2) * 10
    return max(0.0, float(low)) - 0.5, min(100.0, float(high)) + 0.5


def contributions(tag: Json) -> Figure | None:
    """The points of each dimension, end to end: they add up to the score."""
    providers = [provider for provider in tag["providers"] if provider["contributions"]]
    if not providers:
        return None
    figure, (axes,) = sheet(COLUMN_IN, _ROW_IN * len(providers) + _FRAME_IN + 0.25)
    begin = np.zeros(len(providers))
    handles: list[Any] = []
    names = list(providers[0]["contributions"])
    for place, name in enumerate(names):
        parts = np.array([provider["contributions"][name] for provider in providers])
        bars = axes.barh(range(len(providers)), parts, 0.62, begin, color=SHADES[place % len(SHADES)],
                         edgecolor="white", linewidth=0.8)  # fmt: skip
        handles.append(bars)
        _inside(axes, begin, parts)
        begin = begin + parts
    for row, total in enumerate(begin):
        axes.annotate(points(total), (total, row), (3, 0), textcoords="offset points", va="center", fontweight="bold")
    axes.set_xlim(0, 100)
    axes.set_xlabel("points of 100")
    _rows(axes, [_short(provider["name"]) for provider in providers])
    figure.legend(handles, names, loc="outside upper center", ncols=4, handlelength=1, columnspacing=1)
    return figure


def _inside(axes: Axes, begin: np.ndarray, parts: np.ndarray) -> None:
    for row, (left, part) in enumerate(zip(begin, parts, strict=True)):
        if part >= 6:
            axes.text(left + part / 2, row, points(part), ha="center", va="center", fontsize=7)


def acceptability(tag: Json) -> Figure | None:
    """The share of replicates in which each provider takes each rank; then P(first) under other weights."""
    providers = [provider for provider in tag["providers"] if provider["rank_shares"]]
    if not providers:
        return None
    ranks = [str(rank) for rank in range(1, len(providers[0]["rank_shares"]) + 1)]
    cells = [[*provider["rank_shares"], None, *_elsewhere(provider)] for provider in providers]
    wide = COLUMN_IN if len(ranks) <= 6 else PAGE_IN
    figure, (axes,) = sheet(wide, 0.24 * len(providers) + 0.55)
    _shares(axes, cells)
    axes.set_xticks(range(len(ranks) + 3), [*ranks, "", "near", "any"])
    for x, text in (((len(ranks) - 1) / 2, "rank"), (len(ranks) + 1.5, "first, other weights")):
        axes.annotate(text, (x, 0), (0, -14), xycoords=("data", "axes fraction"), textcoords="offset points",
                      ha="center", va="top")  # fmt: skip
    _rows(axes, [_short(provider["name"]) for provider in providers])
    return figure


def _elsewhere(provider: Json) -> list[float | None]:
    first = provider["p_first"]
    return [first["near"], first["uniform"]] if first else [None, None]


def _shares(axes: Axes, cells: Sequence[Sequence[float | None]]) -> None:
    for row, line in enumerate(cells):
        for column, share in enumerate(line):
            if share is not None:
                axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=BLUES(share), edgecolor="white"))
                axes.text(column, row, _in_percent(share), ha="center", va="center", fontsize=7,
                          color="white" if share > 0.6 else INK)  # fmt: skip
    axes.set_xlim(-0.5, len(cells[0]) - 0.5)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _in_percent(share: float) -> str:
    """0 and 100 are said of never and always only."""
    if 0 < share < 0.01 or 0.99 < share < 1:
        return "<1" if share < 0.5 else ">99"
    return f"{100 * share:.0f}"


def _rows(axes: Axes, names: Sequence[str]) -> None:
    """One row each, the first on top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")


def _named(provider: Json) -> str:
    return f"{_short(provider['name'])} ({provider['tie']})" if provider["tie"] else _short(provider["name"])


def _short(name: str) -> str:
    return (name if len(name) <= _NAME else f"{name[: _NAME - 1]}…").replace("$", r"\$")

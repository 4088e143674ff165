"""Figures of latency: percentile curves with intervals, distribution functions, and the course of the run.

They read the cells of a tag on the scored clock; what timed out counts as longer than it ran.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scoring.bootstrap import Resampling, band, resample
from scoring.cell import Cell, latency
from scoring.look import looks
from scoring.paper.style import INK, PAGE_IN, drawn_as, legend_below, sheet, time_axis
from scoring.quantile import Floats, distribution
from scoring.standing import Standing
from scoring.tag import Tag

_TAIL = 0.025  # of the order-statistic bound that ends a curve: p <= 0.025^(1/n), as quantile.FLOORS
_POINTS = 120
_SLICES = 60
_LABELS = {"ttft_s": "TTFT", "ttfo_s": "TTFO", "e2e_s": "E2E"}


@dataclass(frozen=True, slots=True)
class View:
    """A tag's cells and what one needs to read them as the score did."""

    tag: Tag
    basis: str
    span: tuple[float, float]
    seed: int
    paired: bool

    @property
    def columns(self) -> tuple[str, str]:
        return ("ttfo_s" if self.tag.reading else "ttft_s"), "e2e_s"

    @property
    def drawn(self) -> list[Standing]:
        return [s for s in self.tag.standings if any(len(latency(c, "e2e_s", self.basis)) for c in s.cells)]

    def resampling(self, name: str) -> Resampling | None:
        """The draws behind the score's own intervals."""
        if self.tag.replicates is None:
            return None
        return resample(self.tag.windows, self.tag.replicates, self.seed, "" if self.paired else name)


def percentiles(view: View) -> Figure | None:
    """Like HdrHistogram: the axis stretches towards the tail. A curve ends where n can bound it no further."""
    figure, panels = _panels(view)
    for axes, column in zip(panels, view.columns, strict=True):
        ends = [_percentile_curve(axes, view, standing, column) for standing in view.drawn]
        time_axis(axes.set_yscale, axes.yaxis)
        shares = [p for p in (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999) if p <= max(ends, default=0)]
        axes.set_xticks([_stretched(p) for p in shares], [f"{100 * p:g}" for p in shares])
        axes.set_xlabel("percentile")
        axes.set_title(_LABELS[column], loc="left")
    return figure if view.drawn else None


def _percentile_curve(axes: Axes, view: View, standing: Standing, column: str) -> float:
    parts = [latency(cell, column, view.basis) for cell in standing.cells]
    curve = distribution([p.values for p in parts], [p.censored for p in parts])
    if not curve.n:
        return 0.0
    end = _TAIL ** (1 / curve.n)
    shares = 1 - np.logspace(0, np.log10(1 - end), _POINTS)
    shares[0], shares[-1] = 1e-6, end
    found = [curve.quantile(float(p)) for p in shares]
    values = np.array([np.nan if censored else value for value, censored in found])
    x = np.array([_stretched(float(p)) for p in shares])
    paint = drawn_as(looks([s.name for s in view.tag.standings])[standing.name])
    axes.plot(x, values, label=standing.name, markevery=(_offset(view, standing), 24), **paint)
    resampling = view.resampling(standing.name)
    if resampling:
        ribbon = np.array(band(parts, [float(p) for p in shares], resampling))
        low, high = (np.where(np.isfinite(side), side, np.nan) for side in ribbon.T)
        axes.fill_between(x, low, high, color=paint["color"], alpha=0.2, linewidth=0)
    return float(end)


def _stretched(p: float) -> float:
    return float(-np.log10(1 - p))


def _offset(view: View, standing: Standing) -> int:
    """Markers of different providers stand apart along the curves."""
    place = [other.name for other in view.drawn].index(standing.name)
    return 4 + 24 * place // max(1, len(view.drawn))


def cdf(view: View) -> Figure | None:
    """The share of requests answered within a time; curves that stop below 1 had requests that never were."""
    figure, panels = _panels(view)
    paints = looks([s.name for s in view.tag.standings])
    shares = np.linspace(0.0025, 1, 400)
    for axes, column in zip(panels, view.columns, strict=True):
        for standing in view.drawn:
            parts = [latency(cell, column, view.basis) for cell in standing.cells]
            curve = distribution([p.values for p in parts], [p.censored for p in parts])
            known = [(value, p) for p in shares for value, censored in [curve.quantile(float(p))] if not censored]
            if known:
                every = (80 * _offset(view, standing) // 24, 80)
                axes.plot(*zip(*known, strict=True), markevery=every, **drawn_as(paints[standing.name]))
        time_axis(axes.set_xscale, axes.xaxis)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel(_LABELS[column])
    panels[0].set_ylabel("share of requests")
    return figure if view.drawn else None


def _panels(view: View) -> tuple[Figure, list[Axes]]:
    figure, panels = sheet(PAGE_IN, 2.6, 2)
    _key(figure, view, panels[0])
    return figure, panels


def _key(figure: Figure, view: View, axes: Axes) -> None:
    paints = looks([standing.name for standing in view.tag.standings])
    names = [standing.name for standing in view.drawn]
    handles = [axes.plot([], [], **drawn_as(paints[name]))[0] for name in names]
    if names:
        legend_below(figure, handles, [name.replace("$", r"\$") for name in names])


def timeline(view: View) -> Figure | None:
    """The median of the first token in each slice of the window, and below it the share that failed."""
    if not view.drawn:
        return None
    figure, (axes, below) = _stacked(len(view.tag.standings))
    paints = looks([standing.name for standing in view.tag.standings])
    begin, end = view.span
    edges = np.linspace(0, end - begin, min(_SLICES, max(1, int(end - begin))) + 1)
    for row, standing in enumerate(view.tag.standings):
        paint = drawn_as(paints[standing.name])
        medians = _medians(standing.cells, view, edges)
        axes.plot((edges[1:] + edges[:-1]) / 2, medians, **{**paint, "markersize": 3, "linewidth": 0.9}, markevery=6)
        _failures(below, standing.cells, view, edges, row)
    time_axis(axes.set_yscale, axes.yaxis)
    axes.set_ylabel(f"{_LABELS[view.columns[0]]} p50")
    below.set_yticks(range(len(view.tag.standings)), [s.name.replace("$", r"\$") for s in view.tag.standings])
    below.set_ylim(len(view.tag.standings) - 0.5, -0.5)
    below.set_xlabel("seconds of the measured window")
    below.set_ylabel("failed", rotation=90)
    below.set_xlim(0, end - begin)
    below.grid(visible=False)
    _key(figure, view, axes)
    return figure


def _stacked(rows: int) -> tuple[Figure, list[Axes]]:
    heights = [1.7, 0.15 * rows + 0.05]
    figure = sheet(PAGE_IN, sum(heights) + 0.75)[0]
    figure.clear()
    return figure, list(figure.subplots(2, 1, sharex=True, height_ratios=heights))


def _medians(cells: Sequence[Cell], view: View, edges: Floats) -> Floats:
    parts = [latency(cell, view.columns[0], view.basis) for cell in cells]
    at = np.concatenate([part.at for part in parts]) - view.span[0]
    values = np.concatenate([part.values for part in parts])
    place = np.clip(np.searchsorted(edges, at, side="right") - 1, 0, len(edges) - 2)
    slices = (values[place == index] for index in range(len(edges) - 1))
    return np.array([np.median(own) if len(own) else np.nan for own in slices])


def _failures(axes: Axes, cells: Sequence[Cell], view: View, edges: Floats, row: int) -> None:
    at = np.concatenate([cell.scheduled_at[cell.counted] for cell in cells]) - view.span[0]
    failed = np.concatenate([~cell.ok[cell.counted] for cell in cells])
    asked = np.histogram(at, edges)[0]
    share = np.histogram(at[failed], edges)[0] / np.maximum(asked, 1)
    axes.bar(edges[:-1], np.full(len(share), 0.8), np.diff(edges), row - 0.4, align="edge", linewidth=0,
             color=[(1 - s, 1 - s, 1 - s) for s in np.sqrt(share)])  # fmt: skip
    axes.axhline(row + 0.5, color=INK, linewidth=0.2)

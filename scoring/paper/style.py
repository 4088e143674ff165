"""The Style of every paper figure: column widths, one typeface, embedded fonts, the same bytes on any day.

It does not know what is drawn.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from scoring.look import Look

COLUMN_IN, PAGE_IN = 3.35, 6.9  # one column and both columns of a usual two-column page
FORMATS = ("pdf", "svg")
INK, PALE, GRID = "#22262b", "#6a717b", "#dfe2e7"
BLUES = LinearSegmentedColormap.from_list("nephoscope", ["#f3f7fb", "#8fc1e0", "#0072B2"])
_MARKERS = {
    "diamond": "D", "triangle-up": "^", "square": "s", "triangle-down": "v", "circle": "o", "pentagon": "p",
}  # fmt: skip
_RC: Any = {
    "font.family": ["STIXGeneral", "DejaVu Sans"], "font.size": 8, "mathtext.fontset": "stix",
    "axes.titlesize": 8, "axes.labelsize": 8, "xtick.labelsize": 7.5, "ytick.labelsize": 7.5, "legend.fontsize": 7.5,
    "axes.edgecolor": INK, "axes.labelcolor": INK, "text.color": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.major.size": 2.5,
    "ytick.major.size": 2.5, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "grid.color": GRID, "grid.linewidth": 0.5, "axes.axisbelow": True, "lines.linewidth": 1.2,
    "legend.frameon": False, "legend.handlelength": 1.8, "hatch.linewidth": 0.4,
    "pdf.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "nephoscope", "savefig.dpi": 300,
}  # fmt: skip
_TICKS = ((8, (1, 2, 5)), (3, (1, 2, 3, 5)), (0, (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8)))  # by how far they span
_METADATA = {
    "pdf": {"Creator": "Nephoscope", "Producer": None, "CreationDate": None},
    "svg": {"Creator": "Nephoscope", "Date": None},
}


@contextmanager
def style() -> Iterator[None]:
    """Ours alone: no matplotlibrc of the person's, who may like other colours."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)
        yield


def sheet(width_in: float, height_in: float, panels: int = 1, **layout: Any) -> tuple[Figure, list[Axes]]:
    """A figure of that size with its panels side by side."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03)  # type: ignore[union-attr, call-arg] # it is constrained
    return figure, list(figure.subplots(1, panels, squeeze=False, **layout)[0])


def saved(figure: Figure, kind: str) -> bytes:
    """The same figure gives the same bytes on any day."""
    data = io.BytesIO()
    figure.savefig(data, format=kind, metadata=_METADATA[kind])
    return data.getvalue()


def stamp(figure: Figure, marks: Sequence[str]) -> None:
    """Across the drawing, where no one can crop it; light enough to read through."""
    width, height = figure.get_size_inches()
    for step, mark in enumerate(marks):
        size = min(72 * width / (0.62 * len(mark) + 1), 72 * height / 2.6) * 0.95
        y = 0.5 + 0.5 * ((len(marks) - 1) / 2 - step) * (0.7 if len(marks) > 1 else 0)
        figure.text(0.5, y, mark, ha="center", va="center", rotation=14, fontsize=size, fontweight="bold",
                    color=INK, alpha=0.085, zorder=100).set_in_layout(False)  # fmt: skip


def drawn_as(look: Look) -> dict[str, Any]:
    """How matplotlib paints a look."""
    return {"color": look.colour, "marker": _MARKERS[look.marker], "markersize": 4.5, "markeredgewidth": 0}


def time_axis(set_scale: Callable[..., Any], axis: Any) -> None:
    """Latencies, already drawn, on a logarithmic scale."""
    log_axis(set_scale, axis, lambda value: f"{value:g} s" if value >= 1 else f"{1000 * value:g} ms")


def log_axis(set_scale: Callable[..., Any], axis: Any, shown: Callable[[float], str]) -> None:
    """A logarithmic scale with readable ticks, more of them where the figures lie close."""
    set_scale("log")
    low, high = axis.get_data_interval()
    span = high / low if 0 < low <= high < math.inf else 1.0  # or nothing was drawn
    axis.set_major_locator(LogLocator(subs=next(subs for ratio, subs in _TICKS if span > ratio)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: shown(float(f"{value:.6g}"))))
    axis.set_minor_locator(NullLocator())


def legend_below(figure: Figure, handles: Sequence[Any], names: Sequence[str]) -> None:
    columns = min(len(names), 6 if figure.get_size_inches()[0] > COLUMN_IN else 3)
    figure.legend(handles, names, loc="outside lower center", ncols=max(1, columns), columnspacing=1.2)

"""The figure of regions: each provider's tail latency as seen from the workers of each region.

It reads a summary's tag and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from providers.notation import seconds
from scoring.paper.style import BLUES, COLUMN_IN, INK, PAGE_IN, PALE, sheet

Json = Mapping[str, Any]


def regions(tag: Json) -> Figure | None:
    """Nothing to draw where all workers stand in one region."""
    speed = tag["reads"].get("ttft_p95", "ttft_p95")
    names = sorted({region for provider in tag["providers"] for region in provider["regions"]})
    if len(names) < 2:
        return None
    rows = [[provider["regions"].get(name, {}).get(speed) for name in names] for provider in tag["providers"]]
    known = [figure["value"] for row in rows for figure in row if figure and figure["value"]]
    if not known:
        return None
    figure, (axes,) = sheet(COLUMN_IN if len(names) <= 5 else PAGE_IN, 0.28 * len(rows) + 0.6)
    norm = LogNorm(min(known) * 0.9, max(known) * 1.1)
    for row, line in enumerate(rows):
        for column, cell in enumerate(line):
            _cell(axes, (column, row), cell, norm)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xticks(range(len(names)), [name.replace("$", r"\$") for name in names])
    axes.set_yticks(range(len(rows)), [provider["name"].replace("$", r"\$") for provider in tag["providers"]])
    axes.set_xlabel(f"region of the workers ({speed[:4].upper()} p95)")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def _cell(axes: Axes, at: tuple[int, int], figure: Json | None, norm: LogNorm) -> None:
    corner = (at[0] - 0.5, at[1] - 0.5)
    if not figure or figure["value"] is None:
        axes.add_patch(Rectangle(corner, 1, 1, facecolor="white", edgecolor=PALE, hatch="////", linewidth=0))
        axes.text(*at, "n/a", ha="center", va="center", fontsize=7)
        return
    depth = float(norm(figure["value"]))
    axes.add_patch(Rectangle(corner, 1, 1, facecolor=BLUES(depth), edgecolor="white"))
    text = ("≥ " if figure["censored"] else "") + seconds(figure["value"])
    axes.text(*at, text, ha="center", va="center", fontsize=7, color="white" if depth > 0.7 else INK)

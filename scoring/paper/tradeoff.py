"""The figure of cost against latency, with the providers that nobody beats in both.

It reads a summary's tag and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scoring.look import looks
from scoring.paper.style import COLUMN_IN, PALE, drawn_as, log_axis, sheet, time_axis

Json = Mapping[str, Any]
COST = "cost_per_1k_tokens"


def pareto(tag: Json) -> Figure | None:
    """Lower left is better; whiskers are 95 % intervals. Who has no price cannot be placed."""
    speed = tag["reads"].get("ttft_p95", "ttft_p95")
    placed = [p for p in tag["providers"] if _known(p["metrics"][COST]) and _known(p["metrics"][speed])]
    if not placed:
        return None
    figure, (axes,) = sheet(COLUMN_IN, 2.5)
    found = looks([provider["name"] for provider in tag["providers"]])
    _front(axes, placed, speed)
    for provider in placed:
        _place(axes, provider, speed, drawn_as(found[provider["name"]]))
    log_axis(axes.set_xscale, axes.xaxis, lambda value: f"{1000 * value:.6g}")
    time_axis(axes.set_yscale, axes.yaxis)
    axes.margins(0.22)
    axes.set_xlabel("USD per 1M tokens")
    axes.set_ylabel(f"{speed[:4].upper()} p95")
    return figure


def _known(figure: Json) -> bool:
    return figure["value"] is not None and not figure["censored"] and figure["value"] > 0


def _place(axes: Axes, provider: Json, speed: str, paint: Mapping[str, Any]) -> None:
    cost, latency = provider["metrics"][COST], provider["metrics"][speed]
    for figure, ends in ((cost, "x"), (latency, "y")):
        if figure["lo"] is not None and figure["hi"] is not None:
            span, other = [figure["lo"], figure["hi"]], (latency if ends == "x" else cost)["value"]
            line = (span, [other, other]) if ends == "x" else ([other, other], span)
            axes.plot(*line, color=paint["color"], linewidth=1)
    axes.plot([cost["value"]], [latency["value"]], linestyle="", **{**paint, "markersize": 6})
    name = provider["name"].replace("$", r"\$")
    axes.annotate(name, (cost["value"], latency["value"]), (6, 4), textcoords="offset points", fontsize=7.5)


def front(providers: Sequence[Json], speed: str) -> list[Json]:
    """Those whom nobody beats in one without losing in the other, the cheapest first."""
    best: list[Json] = []
    for p in sorted(providers, key=lambda p: (p["metrics"][COST]["value"], p["metrics"][speed]["value"])):
        if not best or p["metrics"][speed]["value"] < best[-1]["metrics"][speed]["value"]:
            best.append(p)
    return best


def _front(axes: Axes, providers: Sequence[Json], speed: str) -> None:
    at = [(p["metrics"][COST]["value"], p["metrics"][speed]["value"]) for p in front(providers, speed)]
    axes.step(*zip(*at, strict=True), where="post", color=PALE, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)

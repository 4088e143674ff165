"""The steps of a sweep drawn: tokens/s against speed per user. It reads the summary's ``sweep`` alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from scoring.look import looks


def sweep_figure(sweep: Mapping[str, Any]) -> go.Figure:
    """One line per provider through its Pareto steps in the order of their speed; the dominated ones stand faded."""
    figure = go.Figure()
    look = looks(list(sweep["providers"]))
    for name, provider in sweep["providers"].items():
        steps = sorted(
            (step for step in provider["steps"] if step["output_speed_p50"] is not None),
            key=lambda step: step["output_speed_p50"],
        )
        for front, mode in ((True, "lines+markers"), (False, "markers")):
            own = [step for step in steps if step["pareto"] is front]
            figure.add_trace(
                go.Scatter(
                    name=name, legendgroup=name, showlegend=front, mode=mode, opacity=1.0 if front else 0.4,
                    x=[step["output_speed_p50"] for step in own],
                    y=[step["output_tokens_per_s"] for step in own],
                    text=[f"{step['rate_rps']:.3g} requests/s: {step['state']}" for step in own],
                    marker={"symbol": look[name].marker, "color": look[name].colour, "size": 11},
                )
            )  # fmt: skip
    figure.update_layout(xaxis_title="tokens/s per user", yaxis_title="tokens/s", paper_bgcolor="rgba(0,0,0,0)")
    return figure

"""The Scorecard: can it be trusted, who leads by how much, why, and what to do next."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from dashboard import facts, ranking, verdict
from scoring.card import Card
from scoring.figures import score_figure

GRAPH: Any = {
    "displaylogo": False,
    "modeBarButtons": [["toImage"]],
    "toImageButtonOptions": {"format": "svg", "filename": "nephoscope-score"},
}


def layout(card: Card) -> list[Any]:
    summary = card.document
    return [
        verdict.panel(summary),
        *(_tag(tag, summary, index) for index, tag in enumerate(summary["tags"])),
        facts.panel(summary),
    ]


def _tag(tag: dict[str, Any], summary: dict[str, Any], index: int) -> html.Section:
    return html.Section(
        className="tag",
        children=[
            html.P(tag["capability"], className="eyebrow"),
            (html.H2 if index else html.H1)(tag["sentence"], className="sentence"),
            _hero(tag, mock=summary["run"]["mock"]),
            ranking.table(tag),
            _words(tag["words"]),
        ],
    )


def _hero(tag: dict[str, Any], *, mock: bool) -> html.Figure:
    about = f"Score and 95 % interval of each provider in {tag['capability']}; the table below holds the same figures"
    aria: dict[str, Any] = {"aria-label": about}
    figure = score_figure(tag["providers"], mock=mock)
    graph = dcc.Graph(figure=figure, config=GRAPH, responsive=True, style={"height": figure.layout.height})
    return html.Figure([graph], className="hero", role="group", **aria)


def _words(words: list[str]) -> html.Div:
    """Each thought a line; the last is what to do next."""
    *said, following = words
    return html.Div([*(html.P(thought) for thought in said), html.P(following, className="next")], className="words")

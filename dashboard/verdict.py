"""The Verdict as shown: a chip with icon and word, the reasons with their remedies, and the notes folded away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dash import html

from scoring.doubts import capital, checked, grouped, said

ICONS = {"VALID": "✓", "DEGRADED": "▲", "INVALID": "✕"}
BANNERS = ("mock_data", "single_run")  # notes that must not be overlooked
Json = Mapping[str, Any]
_UNREAD: Json = {"aria-hidden": "true"}


def chip(level: str) -> html.Span:
    icon = html.Span(ICONS.get(level, "·"), className="icon", **_UNREAD)
    return html.Span([icon, level], className=f"chip {level.lower()}")


def panel(summary: Json) -> html.Section:
    verdict = summary["verdict"]
    level = verdict["level"]
    return html.Section(
        className="verdict",
        children=[
            html.Div([chip(level), html.Span(f"{capital(said(summary))}.", className="said")], className="headline"),
            _list([*_reasons(verdict["reasons"]), *map(html.Li, _warnings(summary["run"]))]),
            *(html.P(f"{words}.", className="quiet") for words in checked(summary)),
            *_banners(verdict["notes"]),
            *_notes(verdict["notes"]),
        ],
    )


def _warnings(run: Json) -> list[str]:
    ended = [] if run["complete"] else [f"This run did not come to its end ({run['ended']})."]
    return ended + [f"Warning: {text}" for text in run["warnings"]]


def _banners(notes: list[Json]) -> list[html.P]:
    met = {note["code"]: note for note in notes}
    return [
        html.P(f"{capital(met[code]['text'])}. {capital(met[code]['remedy'])}.", className=f"banner {code}")
        for code in BANNERS
        if code in met
    ]


def _notes(notes: list[Json]) -> list[html.Details]:
    folded = _reasons(note for note in notes if note["code"] not in BANNERS)
    if not folded:
        return []
    count = f"{len(folded)} more {'note' if len(folded) == 1 else 'notes'}; the verdict stands without them"
    return [html.Details([html.Summary(count), _list(folded)])]


def _list(items: list[html.Li]) -> html.Ul | None:
    return html.Ul(items, className="reasons") if items else None


def _reasons(reasons: Iterable[Json]) -> list[html.Li]:
    return [_reason(*group) for group in grouped(reasons)]


def _reason(reason: Json, where: str) -> html.Li:
    return html.Li(
        [
            html.Code(reason["code"]),
            html.Span(f"{where}: " if where else ": "),
            f"{reason['text']}. ",
            html.Span(f"{capital(reason['remedy'])}.", className="quiet"),
        ]
    )

"""The Verdict as shown: a chip with icon and word, the reasons with their remedies, and the notes folded away."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dash import html

ICONS = {"VALID": "✓", "DEGRADED": "▲", "INVALID": "✕"}
SAID = {
    "VALID": "Nothing on our side disturbed the measurement.",
    "DEGRADED": "Read the figures with these reasons in mind.",
    "INVALID": "Our side disturbed the measurement: what it touched is not ranked.",
}
BANNERS = ("mock_data", "single_run")  # notes that must not be overlooked
Json = dict[str, Any]
_UNREAD: Json = {"aria-hidden": "true"}


def chip(level: str) -> html.Span:
    icon = html.Span(ICONS.get(level, "·"), className="icon", **_UNREAD)
    return html.Span([icon, level], className=f"chip {level.lower()}")


def panel(summary: Json) -> html.Section:
    verdict = summary["verdict"]
    level = verdict["level"]
    accepted = level == "INVALID" and summary["accepted_invalid"]
    said = "Ranked nevertheless, by --accept-invalid." if accepted else SAID[level]
    return html.Section(
        className="verdict",
        children=[
            html.Div([chip(level), html.Span(said, className="said")], className="headline"),
            _list([*_reasons(verdict["reasons"]), *map(html.Li, _warnings(summary["run"]))]),
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
        html.P(f"{_capital(met[code]['text'])}. {_capital(met[code]['remedy'])}.", className=f"banner {code}")
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
    return [_reason(*group) for group in _grouped(reasons)]


def _reason(reason: Json, where: str) -> html.Li:
    return html.Li(
        [
            html.Code(reason["code"]),
            html.Span(f"{where}: " if where else ": "),
            f"{reason['text']}. ",
            html.Span(f"{_capital(reason['remedy'])}.", className="quiet"),
        ]
    )


def _grouped(reasons: Iterable[Json]) -> list[tuple[Json, str]]:
    """One line for what is said alike of several providers, and where it was met."""
    groups: dict[tuple[str, str], list[Json]] = {}
    for reason in reasons:
        groups.setdefault((reason["code"], reason["text"]), []).append(reason)
    return [(group[0], _where(group)) for group in groups.values()]


def _where(group: list[Json]) -> str:
    names = [" ".join(filter(None, (reason["provider"], reason["region"]))) for reason in group]
    named = ", ".join(dict.fromkeys(name for name in names if name))
    return f" ({named})" if named else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

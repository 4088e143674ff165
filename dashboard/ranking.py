"""The Ranking as a table: every figure with its interval, one provider a row. On a narrow screen each row is a card."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dash import html

from dashboard.verdict import ICONS
from providers.notation import chance, figure, points
from scoring.look import Look, looks

Json = dict[str, Any]
Cell = tuple[str, str]  # what is told, and how sure it is in small type
DASH = "\N{EN DASH}"


def table(tag: Json) -> html.Table:
    columns = _columns(tag["reads"])
    look = looks([provider["name"] for provider in tag["providers"]])
    heads = [html.Th(heading, scope="col") for heading in ("Rank", "Provider", *columns)]
    rows = [_row(provider, look[provider["name"]], columns) for provider in tag["providers"]]
    caption = html.Caption(f"Ranking in {tag['capability']}; small type is the 95 % interval")
    return html.Table([caption, html.Thead(html.Tr(heads)), html.Tbody(rows)], className="ranking")


def _columns(reads: Json) -> dict[str, Callable[[Json], Cell]]:
    """``reads`` names the figure that stands in for a scored one, as TTFO for TTFT."""
    first = "TTFO" if reads else "TTFT"
    return {
        "Score": _score,
        "P(first)": lambda provider: (chance(provider["p_first"]["fixed"]) if provider["p_first"] else DASH, ""),
        f"{first} p50": _metric(reads.get("ttft_p50", "ttft_p50")),
        f"{first} p95": _metric(reads.get("ttft_p95", "ttft_p95")),
        "E2E p50": _metric("e2e_p50"),
        "Tokens/s": _metric("output_speed_p50"),
        "Success": _metric("success"),
        "Per 1K tokens": _metric("cost_per_1k_tokens"),
        "Tie": lambda provider: (provider["tie"] or DASH, ""),
    }


def _row(provider: Json, look: Look, columns: dict[str, Callable[[Json], Cell]]) -> html.Tr:
    cells = [_cell(name, tell(provider)) for name, tell in columns.items()]
    rank = (DASH if provider["rank"] is None else str(provider["rank"]), _span(provider, "rank_lo", "rank_hi", str))
    return html.Tr(
        [_cell("Rank", rank), _who(provider, look), *cells],
        className="ranked" if provider["rank"] is not None else "unranked",
    )


def _who(provider: Json, look: Look) -> html.Th:
    level = provider["verdict"]["level"]
    where = " · ".join(filter(None, (provider["cloud"], provider["region"], provider["model"])))
    name: list[Any] = [
        html.Span(look.glyph, className="glyph", style={"color": look.colour}),
        html.Span(provider["name"], className="who"),
    ]
    if level != "VALID":
        told = f"{level}: {', '.join(provider['verdict']['reasons'])}"
        aria: Json = {"aria-label": told}
        name.append(html.Abbr(ICONS[level], className=f"level {level.lower()}", title=told, **aria))
    lines = [html.Div(name, className="name"), html.Small(where)]
    if provider["status"] != "ok" or provider["reason"]:
        said = ": ".join(filter(None, (provider["status"].replace("_", " "), provider["reason"])))
        lines.append(html.Small(said.removeprefix("ok: "), className="why"))
    return html.Th(lines, scope="row")


def _cell(name: str, told: Cell) -> html.Td:
    value, interval = told
    label: Json = {"data-label": name}
    return html.Td([html.Span(value), *([html.Small(interval)] if interval else [])], **label)


def _score(provider: Json) -> Cell:
    if provider["score"] is None:
        return "n/a", ""
    return points(provider["score"]), _span(provider, "score_lo", "score_hi", points)


def _metric(name: str) -> Callable[[Json], Cell]:
    def tell(provider: Json) -> Cell:
        metric = provider["metrics"][name]
        if metric["value"] is None:
            return "n/a", ""
        unit = metric["unit"]
        value = ("≥ " if metric["censored"] else "") + figure(metric["value"], unit)
        return value.removesuffix(" tokens/s"), _span(metric, "lo", "hi", lambda limit: figure(limit, unit))

    return tell


def _span(holder: Json, lo: str, hi: str, shown: Callable[[Any], str]) -> str:
    """``224-285 ms``; a unit that both ends share stands once, and an interval without width is left out."""
    if holder[lo] is None:
        return ""
    if holder[hi] is None:
        return f"from {shown(holder[lo])}"
    first, last = (shown(holder[end]).removesuffix(" tokens/s") for end in (lo, hi))
    if first == last:
        return ""
    (low, _, unit), (_, _, last_unit) = first.partition(" "), last.partition(" ")
    return f"{low if unit == last_unit else first}{DASH}{last}"

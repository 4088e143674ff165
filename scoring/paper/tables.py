"""The tables of a scorecard, for an article: what stands in summary.json, rounded for readers, each with its interval.

A best figure is bold only where nobody's interval reaches it. They compute nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from providers.notation import chance, digits, percent, points
from scoring.doubts import grouped
from scoring.paper.tex import Table, bold, escape, small
from scoring.ranking import SIGNIFICANT

Json = Mapping[str, Any]
_NONE = "--"
_GAP = r"\addlinespace[2pt]"


def scorecard(tag: Json) -> Table:
    reads = tag["reads"]
    first = "TTFO" if reads else "TTFT"
    metrics = [reads.get(m, m) for m in ("ttft_p50", "ttft_p95", "e2e_p50", "e2e_p95")]
    metrics += ["output_speed_p50", "success", "cost_per_1k_tokens"]
    head = [r"\#", "Provider", "Score", "$P$(first)", f"{first} p50, s", "p95, s", "E2E p50, s", "p95, s"]
    head += ["Tokens/s", r"Success, \%", "USD/1K tokens", "Tie"]
    best = {metric: _best(tag["providers"], metric) for metric in metrics}
    rows = [line for provider in tag["providers"] for line in _standing(provider, metrics, best, tag)]
    notes = ["Small type: 95\\,\\% intervals; providers that share a letter cannot be told apart."]
    return Table("rlrrrrrrrrrl", head, rows[:-1], notes)


def _standing(provider: Json, metrics: Sequence[str], best: Mapping[str, str | None], tag: Json) -> list[list[str]]:
    name, first = provider["name"], provider["p_first"]
    rank = _NONE if provider["rank"] is None else str(provider["rank"])
    score = _NONE if provider["score"] is None else points(provider["score"])
    chances = _NONE if first is None else escape(chance(first["fixed"]))
    figures = [_value(provider["metrics"][m], emphasized=best[m] == name) for m in metrics]
    score = bold(score) if name == _alone(tag) else score
    where = provider["region"] if provider["status"] == "ok" else provider["status"].replace("_", " ")
    spans = [_span(provider["metrics"][metric]) for metric in metrics]
    return [
        [rank, escape(name), score, chances, *figures, provider["tie"] or _NONE],
        [
            *map(small, ("", escape(where), _interval(provider["score_lo"], provider["score_hi"], points), "", *spans)),
            "",
        ],
        [_GAP],
    ]


def _alone(tag: Json) -> str | None:
    """The leader, when nobody shares its letter."""
    leader, *others = tag["providers"]
    tied = any(set(leader["tie"] or "") & set(other["tie"] or "") for other in others)
    return leader["name"] if leader["tie"] and not tied else None


def _best(providers: Sequence[Json], metric: str) -> str | None:
    """Who has the best figure, if nobody else's interval reaches into its own."""
    known = [p for p in providers if p["rank"] is not None and p["metrics"][metric]["lo"] is not None]
    known = [p for p in known if p["metrics"][metric]["hi"] is not None]
    higher = metric in ("success", "output_speed_p50")
    known.sort(key=lambda p: p["metrics"][metric]["value"], reverse=higher)
    if len(known) < 2:
        return None
    own, rest = known[0]["metrics"][metric], [p["metrics"][metric] for p in known[1:]]
    apart = all(other["hi"] < own["lo"] if higher else other["lo"] > own["hi"] for other in rest)
    return str(known[0]["name"]) if apart else None


def latency(tag: Json) -> Table:
    """Percentiles on the scored clock, and those of the whole population's tail where n allows them."""
    first = "ttfo" if tag["reads"] else "ttft"
    shares = ("p50", "p90", "p95", "p99")
    head = ["Provider", "Metric", *(f"{share}, s" for share in shares), "$n$"]
    rows = []
    for provider in tag["providers"]:
        for place, stem in enumerate((first, "e2e")):
            figures = [provider["metrics"][f"{stem}_{share}"] for share in shares]
            cells = [f"{_value(figure)} {small(_span(figure))}".strip() for figure in figures]
            rows.append(["" if place else escape(provider["name"]), stem.upper(), *cells, f"{figures[0]['n']:,}"])
        rows.append([_GAP])
    notes = [r"$\ge$: a lower bound, since the percentile falls on requests that timed out; n/a: too few requests."]
    return Table("llrrrrr", head, rows[:-1], notes)


def cost(tag: Json, declared: Mapping[str, Json]) -> Table:
    metrics = ("cost_per_1k_tokens", "usd_per_1k_ok_requests", "hosted_usd_per_1k_tokens")
    head = ["Provider", "In, USD/1M", "Out, USD/1M", "USD/hour", "Price as of"]
    head += ["USD/1K tokens", "USD/1K successes", "of it hosting/1K tokens"]
    rows = []
    for provider in tag["providers"]:
        price = (declared.get(provider["name"]) or {}).get("price") or {}
        listed = [_known(price.get(key)) for key in ("input_per_1m", "output_per_1m", "hourly_usd")]
        figures = [provider["metrics"][metric] for metric in metrics]
        cells = [f"{_value(figure)} {small(_span(figure))}".strip() for figure in figures]
        rows.append([escape(provider["name"]), *listed, escape(str(price.get("as_of") or _NONE)), *cells])
    return Table("lrrrlrrr", head, rows, ["Failed requests that were billed count; an unknown price is n/a, never 0."])


def pairs(tag: Json) -> Table:
    """Differences of S with paired intervals."""
    rows = []
    for pair in tag["pairs"]:
        apart = pair["p_holm"] < SIGNIFICANT
        p = "$<$0.001" if pair["p_holm"] < 0.001 else f"{pair['p_holm']:.3f}"
        span = small(_interval(pair["lo"], pair["hi"], _signed))
        names = (escape(pair["a"]), escape(pair["b"]))
        rows.append([*names, f"{_signed(pair['difference'])} {span}", p, "different" if apart else "tied"])
    if not rows:
        rows = [[r"\multicolumn{5}{c}{no interval, hence no difference can be tested} \\"]]
    head = ["A", "B", r"$S_A - S_B$", "$p$ (Holm)", "Verdict"]
    return Table("llrrl", head, rows, [f"Tied from $p = {SIGNIFICANT:g}$ on."])


def verdict(summary: Json) -> Table:
    found = grouped([*summary["verdict"]["reasons"], *summary["verdict"]["notes"]])
    rows = [
        [reason["level"], rf"\texttt{{{escape(reason['code'])}}}", escape(where.strip(" ()")) or "run",
         escape(reason["text"])]
        for reason, where in found
    ]  # fmt: skip
    level = summary["verdict"]["level"]
    head = ["Level", "Reason", "Where", "What was found"]
    return Table("llp{0.25\\linewidth}p{0.35\\linewidth}", head, rows, [f"The run as a whole is {level}."])


def _value(figure: Json, *, emphasized: bool = False) -> str:
    if figure["value"] is None:
        return "n/a"
    value, bound = _number(figure["value"], figure["unit"]), r"$\ge$\," if figure["censored"] else ""
    return bold(value) if emphasized else bound + value


def _number(value: float, unit: str) -> str:
    return escape(percent(value).removesuffix(" %") if unit == "share" else digits(value))


def _span(figure: Json) -> str:
    if figure["lo"] is None:
        return ""
    if figure["hi"] is None:
        return rf"$\ge$\,{_number(figure['lo'], figure['unit'])}"
    return _interval(figure["lo"], figure["hi"], lambda value: _number(value, figure["unit"]))


def _interval(lo: float | None, hi: float | None, shown: Callable[[float], str]) -> str:
    return "" if lo is None or hi is None else f"[{shown(lo)}, {shown(hi)}]"


def _signed(value: float) -> str:
    return f"${value:+.1f}$"


def _known(value: float | None) -> str:
    return "n/a" if value is None else digits(float(value))

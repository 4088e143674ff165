"""The Report: a summary on a terminal. The verdict first, then who leads, why, and what to do next.

It reads the summary alone and decides nothing; colours and widths are the terminal's (NO_COLOR, pipes, 80 columns).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from providers.notation import chance, digits, duration, figure, points
from scoring.doubts import accepted, capital, checked, grouped, said
from scoring.knee_words import print_sweep

Json = Mapping[str, Any]
_STYLE = {"VALID": "bold green", "DEGRADED": "bold yellow", "INVALID": "bold red", "NOTE": "dim"}
_INKS = (("█", "blue"), ("▓", "green"), ("▒", "magenta"), ("░", "cyan"))  # dimensions, told apart without colour too
_STRIP = 50  # characters of 100 points
_NONE = _DASH = "\N{EN DASH}"
_WIDE = 100
_FIGURES_WIDTH = 68  # of the table without the providers' names
_NAME_WIDTH = 24


def print_report(summary: Json, console: Console | None = None) -> None:
    console = console or Console(highlight=False, markup=False, emoji=False)
    _print_head(summary, console)
    _print_verdict(summary, console)
    if summary.get("sweep"):
        print_sweep(summary["sweep"], console)
    for tag in summary["tags"]:
        console.print()
        console.print(Text(tag["capability"], style="italic"))
        console.print(_table(tag, console.width))
        _print_strips(tag, console)
        _print_cold(tag, console)
        if summary["run"]["config"].get("probe"):
            _print_probe(tag, console)
        _print_words(tag, console)


def _print_head(summary: Json, console: Console) -> None:
    run = summary["run"]
    arrivals = run.get("arrivals") or {}
    load = f"{digits(arrivals.get('rate_rps') or 0)} requests/s per provider"
    if arrivals.get("kind") == "closed":
        load = f"{arrivals.get('users')} users"
    elif steps := arrivals.get("steps"):
        load = f"{digits(steps[0]['rate_rps'])} to {digits(steps[-1]['rate_rps'])} requests/s per provider"
    facts = [run["workload"], arrivals.get("kind"), load, f"{duration(run['window_s'])}", summary["profile"]["name"]]
    console.print()
    console.print(Text(f"Run {run['run_id']}", style="bold"))
    console.print(Text(" · ".join(str(fact) for fact in facts if fact), style="dim"))
    if run["mock"]:
        mock = "MOCK DATA: simulated on this machine; it says nothing about any cloud."
        console.print(Text(mock, style="bold black on yellow"))


def _print_verdict(summary: Json, console: Console) -> None:
    verdict = summary["verdict"]
    level = verdict["level"]
    console.print(Text(level, style=_STYLE[level]).append(f"  {said(summary)}", style="not bold"))
    for reason, where in grouped(verdict["reasons"]):
        line = Text(reason["level"], style=_STYLE[reason["level"]])
        line.append(f" {reason['code']}{where}: {reason['text']}", style="not bold default")
        console.print(Padding(line.append(f". {capital(reason['remedy'])}.", style="dim"), (0, 0, 0, 2)))
    notes = sorted({note["code"] for note in verdict["notes"]})
    if notes:
        console.print(Padding(Text(f"Notes: {', '.join(notes)}", style="dim"), (0, 0, 0, 2)))
    for words in checked(summary):
        console.print(Padding(Text(f"{words}.", style="dim"), (0, 0, 0, 2)))
    for warning in summary["run"]["warnings"]:
        console.print(Padding(Text(f"Warning: {warning}", style="yellow"), (0, 0, 0, 2)))


def _table(tag: Json, width: int) -> Table:
    gap = 1 if width >= _WIDE else 0
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, gap, 0, 0))
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("provider", no_wrap=True)
    first = "TTFO" if tag["reads"] else "TTFT"
    for heading in (
        "score\n95 %",
        "P(first)",
        f"{first} p50\np95",
        "E2E p50\np95",
        "tokens\nper s",
        "success",
        "per 1K\ntokens",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("tie", no_wrap=True)
    for provider in tag["providers"]:
        table.add_row(*_row(provider, tag["reads"], min(_NAME_WIDTH, max(6, width - _FIGURES_WIDTH))))
    return table


def _row(provider: Json, reads: Json, name_width: int) -> list[Text]:
    metrics = provider["metrics"]
    first = provider["p_first"]
    where = provider["region"] if provider["status"] == "ok" else provider["status"].replace("_", " ")
    where = "INVALID, accepted" if accepted(provider) else where
    score = _NONE if provider["score"] is None else points(provider["score"])
    interval = (
        _NONE if provider["score_lo"] is None else _DASH.join(map(points, (provider["score_lo"], provider["score_hi"])))
    )
    rank = provider["rank"]
    return [
        Text(_NONE if rank is None else str(rank)),
        _two(*(_cropped(text, name_width) for text in (provider["name"], where))),
        _two(score, interval),
        Text(_NONE if first is None else chance(first["fixed"])),
        _two(*(_shown(metrics[reads.get(f"ttft_{p}", f"ttft_{p}")]) for p in ("p50", "p95"))),
        _two(_shown(metrics["e2e_p50"]), _shown(metrics["e2e_p95"])),
        Text(_shown(metrics["output_speed_p50"]).removesuffix(" tokens/s")),
        Text(_shown(metrics["success"])),
        Text(_shown(metrics["cost_per_1k_tokens"])),
        Text(provider["tie"] or _NONE),
    ]


def _two(first: str, second: str) -> Text:
    return Text(first).append(f"\n{second}", style="dim")


def _cropped(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _shown(metric: Json) -> str:
    if metric["value"] is None:
        return "n/a"
    return ("≥ " if metric["censored"] else "") + figure(metric["value"], metric["unit"])


def _print_strips(tag: Json, console: Console) -> None:
    """Where the points come from: one strip per provider, a segment per dimension."""
    scored = [provider for provider in tag["providers"] if provider["contributions"]]
    if not scored:
        return
    console.print()
    dimensions = list(scored[0]["contributions"])
    inks = {name: _INKS[index % len(_INKS)] for index, name in enumerate(dimensions)}
    width = min(16, max(len(provider["name"]) for provider in scored))
    legend = Text(" " * (width + 1))
    for name in dimensions:
        legend.append(inks[name][0], style=inks[name][1]).append(f" {name}   ")
    for provider in scored:
        console.print(_strip(provider, inks, width), no_wrap=True, overflow="ellipsis")
    console.print(legend)


def _strip(provider: Json, inks: Mapping[str, tuple[str, str]], width: int) -> Text:
    """Segment ends are rounded, not lengths, so that a strip is as long as its score."""
    line = Text(f"{provider['name'][:width]:<{width}} ")
    points_so_far, drawn = 0.0, 0
    for name, part in provider["contributions"].items():
        points_so_far += part
        end = round(points_so_far * _STRIP / 100)
        line.append(inks[name][0] * (end - drawn), style=inks[name][1])
        drawn = end
    return line.append(" " * (_STRIP - drawn)).append(f" {points(points_so_far):>5}", style="bold")


def _print_cold(tag: Json, console: Console) -> None:
    """First requests, beside the warm medians that they are no part of."""
    for provider in tag["providers"]:
        metrics = provider["metrics"]
        if "cold_ttft" in metrics:
            told = [f"{stem.upper()} {_cold(metrics, stem)}" for stem in ("ttft", "e2e")]
            console.print(Text(f"Cold start of {provider['name']}: {', '.join(told)}"))


def _cold(metrics: Json, stem: str) -> str:
    took, ratio = metrics[f"cold_{stem}"], metrics[f"cold_{stem}_ratio"]["value"]
    if took["value"] is None:
        return "unknown (it failed)"
    return figure(took["value"], "s") + ("" if ratio is None else f" ({digits(ratio)} x the warm median)")


def _print_probe(tag: Json, console: Console) -> None:
    """Whether they answer as one model would, and who was not asked."""
    for provider in tag["providers"]:
        metrics = provider["metrics"]
        told = "not asked: it is simulated and has no model" if provider["type"] == "mock" else "not asked"
        if "probe_right" in metrics:
            told = f"{_shown(metrics['probe_answered'])} answered, {_shown(metrics['probe_right'])} right"
            told += f", {_agreed(metrics['probe_agreement'])}"
        console.print(Text(f"Probe of {provider['name']}: {told}"))


def _agreed(agreement: Json) -> str:
    if agreement["value"] is None:
        return "no other to agree with"
    lo, hi = (figure(agreement[end], "share") for end in ("lo", "hi"))
    return f"agrees with the others on {_shown(agreement)} ({lo} to {hi})"


def _print_words(tag: Json, console: Console) -> None:
    console.print()
    console.print(Text(tag["sentence"], style="bold"))
    for words in tag["words"][:-1]:
        console.print(Text(words))
    console.print(Text(f"Next: {tag['next']['advice']}:"))
    console.print(Text(f"  {tag['next']['command']}"), soft_wrap=True)  # cut or wrapped it could not be copied

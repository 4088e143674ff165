"""What a sweep found, as JSON, as words and as the lines of a terminal. It computes nothing."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from providers.knee import ALPHA, SATURATED
from providers.notation import digits, duration, figure, percent
from providers.reasons import INVALID, VALID
from scoring.knee import Climbed, Sweep

Json = Mapping[str, Any]
_NONE = "\N{EN DASH}"
_OWN_FLAGS = ("--step", "--settle", "--factor", "--max-rate", "--rates", "--attainment", "--rate", "-f", "--locustfile")


def sweep_json(found: Sweep | None, slo: Mapping[str, float], levels: Mapping[str, str]) -> dict[str, Any] | None:
    """``levels`` of the verdict by provider: what our side may have made is no knee to rely on."""
    if found is None:
        return None
    stairs = found.stairs
    return {
        "rates_rps": list(stairs.rates_rps), "step_s": stairs.step_s, "settle_s": stairs.settle_s,
        "attainment": stairs.attainment, "alpha": ALPHA, "slo": dict(slo), "common_steps": found.common,
        "providers": [_provider(own, found, levels.get(own.name, VALID)) for own in found.climbed],
    }  # fmt: skip


def _provider(own: Climbed, found: Sweep, level: str) -> dict[str, Any]:
    steps = [
        asdict(part.step)
        | {"attainment": part.step.attainment}
        | {name: value for name, value in asdict(part).items() if name != "step"}
        for part in own.steps
    ]
    knee, doubt = own.knee, " INVALID: our side may have made this knee." if level == INVALID else ""
    return {
        "name": own.name, "capability": own.capability, "level": level, "rate_rps": knee.rate_rps,
        "lo_rps": knee.lo_rps, "hi_rps": knee.hi_rps, "cause": knee.cause, "n": sum(part.step.n for part in own.steps),
        "sentence": _sentence(own, found) + doubt, "steps": steps,
    }  # fmt: skip


def _sentence(own: Climbed, found: Sweep) -> str:
    knee = own.knee
    if not knee.steps:
        return f"{own.name}: no step was offered in full; run the sweep to its end."
    low = f"shown up to {_rps(knee.lo_rps)}" if knee.lo_rps else "shown at no rate"
    if knee.hi_rps is None:
        kept = f"meets the SLOs up to {_rps(knee.rate_rps)}" if knee.rate_rps else "meets the SLOs at no rate for sure"
        return f"{own.name} {kept} ({low}); no knee was found, go higher with --max-rate."
    why = "it is saturated" if knee.cause == SATURATED else f"fewer than {percent(found.stairs.attainment)} meet them"
    if knee.rate_rps is None:
        return f"{own.name} meets the SLOs at no rate asked: at {_rps(knee.hi_rps)} {why}; begin lower with --rate."
    return f"{own.name} meets the SLOs up to {_rps(knee.rate_rps)} ({low}); at {_rps(knee.hi_rps)} {why}."


def _rps(rate: float | None) -> str:
    return "?" if rate is None else f"{digits(rate)} requests/s"


def compare_command(command: str, found: Sweep) -> str:
    """The run that compares all providers at the highest rate that each of them bore."""
    words = iter(shlex.split(command))
    kept: list[str] = []
    for word in words:
        if word in _OWN_FLAGS:
            next(words, None)
        elif word.partition("=")[0] not in _OWN_FLAGS:
            kept.append(word)
    return shlex.join([*kept, "--rate", digits(found.stairs.rates_rps[found.common - 1]).replace(",", "")])


def sweep_lines(sweep: Json | None, workload: str) -> Iterator[tuple[Any, ...]]:
    """Rows of results.csv: the knee, and each step under a scenario of its own."""
    for own in (sweep or {}).get("providers", ()):
        who = (own["name"], own["capability"])
        yield (*who, workload, "all", "knee_rps", "requests/s", own["rate_rps"], own["lo_rps"], own["hi_rps"], own["n"])
        for step in own["steps"]:
            where = (*who, f"{workload}@{digits(step['rate_rps'])}rps", "all")
            bounds = (step["attainment_lo"], step["attainment_hi"])
            yield (*where, "slo_attainment", "share", step["attainment"], *bounds, step["n"])
            for name, unit in (("tokens_per_s", "tokens/s"), ("output_speed_p50", "tokens/s"), ("ttft_p50_s", "s")):
                yield (*where, _METRIC.get(name, name), unit, step[name], None, None, step["n"])


_METRIC = {"tokens_per_s": "output_tokens_per_s", "ttft_p50_s": "ttft_p50"}


def print_sweep(sweep: Json, console: Console) -> None:
    limits = ", ".join(f"{name.removesuffix('_s')} {figure(value, 's')}" for name, value in sweep["slo"].items())
    target = f"{percent(sweep['attainment'])} of the requests within {limits}"
    console.print()
    console.print(Text(f"Sweep: {target}", style="bold"))
    for own in sweep["providers"]:
        console.print()
        console.print(Text(own["sentence"], style="bold"))
        if own["steps"]:
            console.print(_table(own["steps"]))
    held = duration(sweep["step_s"] * sweep["common_steps"])
    console.print()
    console.print(Text("* best: no other step has more tokens/s and more for each user", style="dim"))
    console.print(Text(f"Below: the score over the {held} of steps that all of them bore", style="dim"))


def _table(steps: Sequence[Json]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("requests/s", "n", "meet SLOs", "95 %", "TTFT p50", "tokens/s", "per user", ""):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for step in steps:
        table.add_row(*map(Text, _row(step)))
    return table


def _row(step: Json) -> list[str]:
    share, speed, ttft = step["attainment"], step["output_speed_p50"], step["ttft_p50_s"]
    return [
        digits(step["rate_rps"]), str(step["n"]), _NONE if share is None else percent(share),
        f"{100 * step['attainment_lo']:.0f}{_NONE}{100 * step['attainment_hi']:.0f}",
        _NONE if ttft is None else figure(ttft, "s"), digits(step["tokens_per_s"]),
        _NONE if speed is None else digits(speed), "*" if step["best"] else "", step["outcome"],
    ]  # fmt: skip

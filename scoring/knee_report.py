"""A sweep on a terminal: each provider's knee in words, and its steps. It reads the summary alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from providers.notation import digits


def print_sweep(summary: Mapping[str, Any], console: Console) -> None:
    found = summary.get("sweep")
    if not found:
        return
    console.print(f"\nKnees: the highest rate at which {found['attainment']:.0%} of requests meet every SLO")
    for name, provider in found["providers"].items():
        console.print(f"  {name}: {knee_words(provider)}")
        console.print("    requests/s  attained  tokens/s  per user  state (* on the Pareto curve)")
        for step in provider["steps"]:
            speed = "n/a" if step["output_speed_p50"] is None else digits(step["output_speed_p50"])
            console.print(
                f"    {digits(step['rate_rps']):>10}  {step['attainment']:>8.0%}"
                f"  {digits(step['output_tokens_per_s']):>8}  {speed:>8}  {step['state']}{' *' * step['pareto']}"
            )


def knee_words(provider: Mapping[str, Any]) -> str:
    if provider["knee_rps"] is None:
        return "no rate offered met it; start lower with --rate"
    rate = f"{digits(provider['knee_rps'])} requests/s"
    low = (
        "no rate was shown to meet it" if provider["lo_rps"] is None else f"shown to meet {digits(provider['lo_rps'])}"
    )
    if provider["hi_rps"] is None:
        return f"at least {rate} ({low}); no knee up to the last step, raise --max-rate"
    return f"{rate} ({low}, shown not to meet {digits(provider['hi_rps'])})"

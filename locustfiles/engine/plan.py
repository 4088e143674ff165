"""A Plan is what an experiment would send, take and cost, told before anything is sent."""

from __future__ import annotations

from locustfiles.engine.budget import output_cap, worst_usd
from locustfiles.engine.experiment import Experiment
from providers.spec import Provider

_HEAD = ("provider", "requests", "input tokens", "output tokens", "USD at most")


def plan(experiment: Experiment, taking_part: list[Provider]) -> str:
    """A table per provider and the duration; in closed loop the providers' speed decides how many are sent."""
    rows = [_HEAD, *(_row(experiment, provider) for provider in taking_part)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    lines.append(f"{experiment.load_s:g} s of load, then at most {experiment.drain_s:g} s of drain; nothing was sent")
    return "\n".join(lines) + "\n"


def _row(experiment: Experiment, provider: Provider) -> tuple[str, ...]:
    requests = experiment.planned_requests
    if requests is None:
        return (provider.name, "as answered", "-", "-", "-")
    workload = experiment.workload
    most_input_tokens, most_output_tokens = workload.largest
    output_tokens = output_cap(provider, most_output_tokens)
    usd = requests * worst_usd(provider, most_input_tokens, most_output_tokens)
    return (
        provider.name,
        f"{requests:,}",
        f"{workload.expected(experiment.seed, requests)[0]:,}",
        f"{requests * output_tokens:,}",
        "0 (mock)" if provider.type == "mock" else f"{usd:.2f}" if provider.priced else "unknown",
    )

"""A Plan is what an experiment would send, take and cost, told before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from locustfiles.engine.budget import output_cap, worst_usd
from locustfiles.engine.experiment import Experiment
from locustfiles.engine.load import POOL_SIZE
from locustfiles.engine.probe import has_model, most_usd
from providers.errors import ConfigError
from providers.probe import QUESTIONS
from providers.spec import Provider

USUAL_ANSWER_S = 10.0
_HEAD = ("provider", "requests", "input tokens", "output tokens", "USD", "at most", "in flight", "at most")


@dataclass(frozen=True, slots=True)
class Forecast:
    """One provider's part of an open-loop plan. ``usd`` is that of the planned lengths; None is an unknown price.

    In flight is rate x latency (Little's law) at the highest rate: at ``USUAL_ANSWER_S``, and with every request as
    slow as ``limits.total_timeout_s`` lets it be.
    """

    provider: Provider
    requests: int
    input_tokens: int
    output_tokens: int
    usd: float | None
    worst_usd: float | None
    in_flight: float
    in_flight_most: float

    @property
    def costs(self) -> bool:
        return self.provider.type != "mock" and self.provider.priced


def forecasts(experiment: Experiment, taking_part: Sequence[Provider]) -> list[Forecast]:
    requests = experiment.planned_requests or 0
    workload = experiment.workload
    tokens = workload.expected(experiment.seed, requests)
    return [_forecast(provider, requests, *tokens, experiment.peak_rps) for provider in taking_part]


def _forecast(provider: Provider, requests: int, input_tokens: int, output_tokens: int, peak_rps: float) -> Forecast:
    output_tokens = requests * output_cap(provider, 0) or output_tokens
    usd = worst = None
    if provider.priced:
        fixed_usd = provider.price.per_request * (requests - 1)  # both prices hold one request's already
        usd = (provider.price.request_usd(input_tokens, output_tokens) or 0.0) + fixed_usd
        worst = worst_usd(provider, input_tokens, output_tokens) + fixed_usd
    return Forecast(
        provider, requests, input_tokens, output_tokens, usd, worst,
        peak_rps * USUAL_ANSWER_S, peak_rps * provider.limits.total_timeout_s,
    )  # fmt: skip


def check_budget(experiment: Experiment, taking_part: Sequence[Provider]) -> list[str]:
    """ConfigError when the planned lengths alone cost more than the cap; a warning when only the worst case does."""
    cap_usd = experiment.max_cost_usd
    if cap_usd is None or experiment.closed:
        return []
    costly = [part for part in forecasts(experiment, taking_part) if part.costs]
    usd, worst = sum(part.usd or 0.0 for part in costly), sum(part.worst_usd or 0.0 for part in costly)
    worst += sum(most_usd(part.provider) for part in costly) if experiment.probe else 0.0
    requests = sum(part.requests for part in costly)
    if usd > cap_usd and not experiment.stops_early:
        raise ConfigError(
            f"--max-cost-usd {cap_usd:g}: the planned {requests:,} requests cost {usd:.2f} USD; lower --rate or -t to"
            f" {cap_usd / usd:.0%} of it, or set --max-cost-usd {worst * 1.01:.2g}"
        )
    if worst > cap_usd:
        return [f"--max-cost-usd {cap_usd:g}: the plan may cost up to {worst:.2f} USD; the run ends where the cap is"]
    return []


def plan(experiment: Experiment, taking_part: Sequence[Provider]) -> str:
    """A table per provider and the duration; in closed loop the providers' speed decides how many are sent."""
    closed = experiment.closed
    told = _of_users(experiment, taking_part) if closed else _of_arrivals(forecasts(experiment, taking_part))
    told += _of_probe(taking_part) if experiment.probe else []
    duration = f"{experiment.load_s:g} s of load, then at most {experiment.drain_s:g} s of drain; nothing was sent"
    return "\n".join([*told, duration]) + "\n"


def _of_users(experiment: Experiment, taking_part: Sequence[Provider]) -> list[str]:
    shares = sum(provider.weight for provider in taking_part)
    rows = [(p.name, "as answered", str(experiment.users * p.weight // shares)) for p in taking_part]
    return [*_table([("provider", "requests", "in flight"), *rows]), "in flight: the users; answers set the pace"]


def _of_arrivals(parts: Sequence[Forecast]) -> list[str]:
    lines = [
        *_table([_HEAD, *map(_row, parts)]),
        "USD: list prices x planned lengths; at most: 1.25 x the input, at the dearest price",
        f"in flight: rate x latency, {USUAL_ANSWER_S:g} s an answer; at most: limits.total_timeout_s",
    ]
    if any(part.in_flight_most > POOL_SIZE for part in parts):
        lines.append(f"an arrival that finds {POOL_SIZE} of its provider in flight is dropped")
    return lines


def _of_probe(taking_part: Sequence[Provider]) -> list[str]:
    asked = [provider for provider in taking_part if has_model(provider)]
    if not asked:
        return ["--probe: nobody is asked, the simulator has no model"]
    usd = sum(most_usd(provider) for provider in asked)
    unknown = "" if all(provider.priced for provider in asked) else " and what has no price"
    names = ", ".join(provider.name for provider in asked)
    return [f"--probe: {len(QUESTIONS)} requests more, before the load, to {names}; at most {_usd(usd)} USD{unknown}"]


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]


def _row(part: Forecast) -> tuple[str, ...]:
    usd = ("0 (mock)", "0") if part.provider.type == "mock" else (_usd(part.usd), _usd(part.worst_usd))
    return (
        part.provider.name,
        f"{part.requests:,}",
        f"{part.input_tokens:,}",
        f"{part.output_tokens:,}",
        *usd,
        f"{part.in_flight:,.0f}",
        f"{part.in_flight_most:,.0f}",
    )


def _usd(amount: float | None) -> str:
    return "unknown" if amount is None else f"{amount:.2f}"

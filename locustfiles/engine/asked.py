"""What is asked: flags, a shape and files become an Experiment, or are refused in one line before any request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from locustfiles.engine.arrivals import OPEN_KINDS
from locustfiles.engine.budget import output_cap
from locustfiles.engine.experiment import Experiment, Place
from locustfiles.engine.shape import Shape, read_shape
from providers.errors import ConfigError
from providers.roster import Roster
from providers.spec import Provider
from providers.trace import Trace, read_trace
from providers.workload import Workload, load_workload

DEFAULT_WINDOW_S = 60.0
_LAST_S = 0.001  # the last arrival of a trace lies within the window that it ends


def arrivals_of(options: Any) -> str:
    """The kind asked for, else closed loop where users were asked for, else Poisson; ConfigError when both were."""
    if options.arrivals == "trace" and options.trace is None:
        raise ConfigError("--arrivals trace: no trace is named; write --trace FILE")
    if options.trace is not None and options.arrivals != "trace":
        raise ConfigError(f"--trace {options.trace}: needs --arrivals trace; add it")
    if options.arrivals in (*OPEN_KINDS, "trace") and options.num_users:
        raise ConfigError(f"-u {options.num_users}: --arrivals {options.arrivals} has no users; leave -u out")
    return options.arrivals or ("closed" if options.num_users else "poisson")


def experiment(
    options: Any,
    roster: Roster,
    taking_part: list[Provider],
    place: Place,
    window_s: float | None,
    shape: Any = None,
) -> Experiment:
    """The experiment that parsed options and a LoadTestShape ask for; ConfigError when it cannot be run as asked."""
    if window_s == 0:
        raise ConfigError("-t 0: the measured window has no length; write for example -t 60s")
    if options.max_cost_usd is None:
        _check_uncapped(roster, taking_part)
    closed = options.arrivals == "closed"
    window_s = DEFAULT_WINDOW_S if window_s is None else float(window_s)
    workload, trace = _asked_of_all(options, closed=closed)
    _check_context(roster, taking_part, workload)
    levels = _shape(shape, options, window_s) if shape else None
    if trace:
        window_s = _ending(f"--trace {trace.path}", trace.duration_s + _LAST_S, options.warm_up, window_s)
    if levels and levels.ends_s is not None:
        window_s = _ending(type(shape).__name__, levels.ends_s, options.warm_up, window_s)
    shares = sum(provider.weight for provider in taking_part)
    levels = levels.shared(shares) if levels and closed else levels
    users = levels.most if levels else options.num_users or 0
    if closed:
        _check_users(users, shares)
    return Experiment(
        roster=roster,
        workload=workload,
        arrivals=options.arrivals,
        rate_rps=options.rate,
        burstiness=options.burstiness,
        users=users,
        warm_up_s=options.warm_up,
        window_s=window_s,
        drain_s=options.drain,
        slo=options.slo,
        seed=options.seed,
        max_cost_usd=options.max_cost_usd,
        preflight=not options.no_preflight,
        cold_start=options.cold_start,
        probe=options.probe,
        trace=trace,
        levels=levels.levels if levels and closed else (),
        steps=levels.steps(options.warm_up + window_s) if levels and not closed else (),
        score=not options.no_score,
        self_check=not options.no_self_check,
        stop_on_invalid=options.stop_on_invalid,
        place=place,
    )


def _asked_of_all(options: Any, *, closed: bool) -> tuple[Workload, Trace | None]:
    workload, trace = load_workload(options.workload), None
    if options.arrivals == "trace":
        trace = read_trace(Path(options.trace))
        workload = workload.replaying(trace)
    if workload.history_own and not closed:
        raise ConfigError(
            f"--workload {options.workload}: history: own waits for answers, which arrivals do not; set -u, or history:"
            " scripted"
        )
    return workload, trace


def _shape(shape: Any, options: Any, window_s: float) -> Shape:
    if options.arrivals == "trace":
        raise ConfigError(f"{type(shape).__name__}: a trace has a shape of its own; leave --arrivals trace out")
    return read_shape(shape, options.warm_up + window_s)


def _ending(who: str, ends_s: float, warm_up_s: float, window_s: float) -> float:
    """The window ends with the traffic, if that comes first: repeating it would invent some."""
    if ends_s <= warm_up_s + _LAST_S:
        raise ConfigError(
            f"{who}: lasts {ends_s:.2g} s, all within --warm-up {warm_up_s:g}s; set a shorter one, as --warm-up 0s"
        )
    return min(window_s, ends_s - warm_up_s)


def _check_users(users: int, shares: int) -> None:
    if users < 1:
        raise ConfigError("--arrivals closed: needs -u, the number of users over all providers; write for example -u 6")
    if users % shares:
        below, above = users - users % shares, users - users % shares + shares
        nearest = f"{below} or {above}" if below else f"{above}"
        raise ConfigError(f"-u {users}: {shares} providers cannot share it equally; write -u {nearest}")


def _check_context(roster: Roster, taking_part: list[Provider], workload: Workload) -> None:
    for provider in taking_part:
        limit = provider.limits.context_tokens
        input_tokens, output_tokens = workload.largest
        output_tokens = output_cap(provider, output_tokens)
        if limit is not None and input_tokens + output_tokens > limit:
            raise ConfigError(
                f"{roster.path}: provider '{provider.name}': key 'limits.context_tokens': {limit:,}, but --workload"
                f" {workload.name} takes up to {input_tokens:,} + {output_tokens:,} tokens; name a shorter one"
            )


def _check_uncapped(roster: Roster, taking_part: list[Provider]) -> None:
    for provider in taking_part:
        if provider.type != "mock" and provider.priced:
            raise ConfigError(
                f"{roster.path}: provider '{provider.name}': costs money and no cap is set; write --max-cost-usd 5"
            )

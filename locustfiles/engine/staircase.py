"""The sweep's flags and the steps they ask for: an experiment becomes a staircase of rising rates.

What cannot be climbed is refused in one line. It does not know how a knee is found.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

from locustfiles.engine.experiment import Experiment
from locustfiles.engine.options import GROUP, add_flag, positive, seconds
from providers.errors import ConfigError
from providers.knee import Staircase

SLO = {"ttft_s": 2.0, "tpot_s": 0.1}  # chat-v1's: the profile that scores a run unless another is named
MOST_STEPS = 100


def share(text: str) -> float:
    value = positive(text)
    if value >= 1:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected a share between 0 and 1, as 0.9")
    return value


def growth(text: str) -> float:
    value = positive(text)
    if value <= 1:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected a factor above 1, as 1.25")
    return value


def rising(text: str) -> tuple[float, ...]:
    """``1,2,4``: rates, each above the one before."""
    rates = tuple(positive(part) for part in text.split(","))
    if any(above <= below for below, above in pairwise(rates)):
        raise argparse.ArgumentTypeError(f"got {text!r}; expected rates that rise, as 1,2,4")
    return rates


FLAGS: tuple[tuple[str, Any, Any, str], ...] = (
    ("--step", seconds, 10.0, "how long each rate is held"),
    ("--settle", seconds, 2.0, "the first part of a step, which does not count: longer than an answer takes"),
    ("--factor", growth, 1.25, "each rate over the one before, from --rate on"),
    ("--max-rate", positive, 50.0, "no step above this many requests/s per provider"),
    ("--rates", rising, None, "R1,R2,...: these requests/s, in place of --rate, --factor and --max-rate"),
    ("--attainment", share, 0.9, "share of the requests that must meet every SLO"),
)


def add_sweep_flags(parser: Any) -> None:
    """Into the group of the others, which ``options.add_flags`` has made before."""
    group = next(group for group in parser._action_groups if group.title == GROUP)  # noqa: SLF001 - no public way
    for name, kind, default, text in FLAGS:
        add_flag(group, name, kind, default, text)


def staircase(options: Any, experiment: Experiment) -> Experiment:
    """The same experiment in steps; each provider leaves it at its knee."""
    _check_kind(options, experiment)
    stairs = Staircase(_rates(options), options.step, options.settle, options.attainment)
    _check_steps(stairs)
    begin_s = experiment.warm_up_s  # at the first rate, too
    steps = tuple((begin_s + (number + 1) * stairs.step_s, rate) for number, rate in enumerate(stairs.rates_rps))
    return replace(
        experiment, steps=steps, window_s=len(steps) * stairs.step_s, slo=experiment.slo or SLO, sweep=stairs,
        stops_early=True,
    )  # fmt: skip


def _check_kind(options: Any, experiment: Experiment) -> None:
    if experiment.closed:
        raise ConfigError("-u, --arrivals closed: a sweep offers rates, users would wait; leave them out")
    if experiment.trace or experiment.steps:
        raise ConfigError("--trace, LoadTestShape: a sweep has steps of its own; run it with locustfiles/compare.py")
    if options.run_time:
        raise ConfigError(f"-t {options.run_time}: the steps of a sweep make its window; set --step and --max-rate")


def _rates(options: Any) -> tuple[float, ...]:
    if options.rates:
        return tuple(options.rates)
    if options.max_rate < options.rate:
        raise ConfigError(f"--max-rate {options.max_rate:g}: below --rate {options.rate:g}, where a sweep begins")
    count = 1 + math.floor(math.log(options.max_rate / options.rate) / math.log(options.factor) + 1e-9)
    return tuple(options.rate * options.factor**number for number in range(min(count, MOST_STEPS + 1)))


def _check_steps(stairs: Staircase) -> None:
    if len(stairs.rates_rps) > MOST_STEPS:
        raise ConfigError(f"--factor, --rates: more than {MOST_STEPS} steps; take a larger --factor or fewer rates")
    if stairs.settle_s >= stairs.step_s:
        raise ConfigError(
            f"--settle {stairs.settle_s:g}s: leaves nothing of --step {stairs.step_s:g}s; give --step more seconds"
        )
    needed = math.ceil(math.log(stairs.alpha) / math.log(stairs.attainment))
    most = stairs.rates_rps[-1] * (stairs.step_s - stairs.settle_s)
    enough_s = math.ceil(stairs.settle_s + needed / stairs.rates_rps[-1])
    if most < needed:
        raise ConfigError(
            f"--step {stairs.step_s:g}s: {most:.0f} requests in the busiest step cannot show an attainment of"
            f" {stairs.attainment:g}, {needed} can; set --step {enough_s}s"
        )

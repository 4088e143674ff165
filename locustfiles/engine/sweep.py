"""A Sweep is a load that rises in steps for all providers at once; each of them leaves it at its knee.

It decides when to stop asking a provider; what is reported is computed anew from the rows, by the same law.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from dataclasses import replace
from typing import Any

from locustfiles.engine.experiment import Experiment
from locustfiles.engine.measurement import Measurement
from locustfiles.engine.options import positive, seconds
from providers.errors import ConfigError
from providers.knee import SETTLE_SHARE, Ask, judge
from providers.sample import Sample

SLO = {"ttft_s": 2.0, "tpot_s": 0.1}  # where none is asked for: the stop must not wait for a profile
MAX_STEPS = 60


def share(text: str) -> float:
    value = positive(text)
    if value >= 1:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected a share between 0 and 1, as 0.9")
    return value


_FLAGS: tuple[tuple[str, Any, Any, str], ...] = (
    ("--step", seconds, 10.0, "how long each rate is offered"),
    ("--factor", positive, 1.25, "from one step's rate to the next"),
    ("--max-rate", positive, None, "the last rate offered at most [10 x --rate]"),
    ("--attainment", share, 0.9, "share of requests that must meet every SLO"),
)


def add_flags(parser: Any) -> None:
    group = parser.add_argument_group("Nephoscope sweep")
    for name, kind, default, text in _FLAGS:
        variable = f"LOCUST_{name.strip('-').replace('-', '_').upper()}"
        shown = text if default is None else f"{text} [{default:g}]"
        action = group.add_argument(name, type=kind, default=default, env_var=variable, help=shown)
        action.include_in_web_ui = action.is_secret = action.is_required = action.is_multiple = False


def design(options: Any, experiment: Experiment) -> Experiment:
    """The steps in place of one rate; the warm-up is offered the first of them."""
    if experiment.closed:
        raise ConfigError("--arrivals closed: a sweep raises an open-loop rate; leave --arrivals closed and -u out")
    if options.run_time:
        raise ConfigError("-t: a sweep lasts as long as its steps; leave -t out, set --step and --max-rate")
    if not options.step:
        raise ConfigError("--step 0: a step has no length; write for example --step 10s")
    rates = _rates(experiment.rate_rps, options.factor, options.max_rate or 10 * experiment.rate_rps)
    begin_s = experiment.warm_up_s
    steps = [(begin_s + options.step * (index + 1), rate) for index, rate in enumerate(rates)]
    if begin_s:
        steps.insert(0, (begin_s, rates[0]))
    return replace(
        experiment,
        steps=tuple(steps),
        window_s=options.step * len(rates),
        slo=experiment.slo or SLO,
        attainment=options.attainment,
    )


def _rates(start_rps: float, factor: float, limit_rps: float) -> list[float]:
    if factor <= 1:
        raise ConfigError(f"--factor {factor:g}: the rate would not rise; write a number above 1, as 1.25")
    if limit_rps < start_rps:
        raise ConfigError(f"--max-rate {limit_rps:g}: below --rate {start_rps:g}, where the sweep starts; raise it")
    rates = [start_rps]
    while (rate_rps := rates[-1] * factor) <= limit_rps * (1 + 1e-9):
        rates.append(rate_rps)
        if len(rates) > MAX_STEPS:
            raise ConfigError(f"--factor {factor:g}: more than {MAX_STEPS} steps to --max-rate; write a larger factor")
    return rates


def watch(measurement: Measurement) -> None:
    ascent = Ascent(measurement)
    measurement.load.watchers.append(ascent.note)
    measurement.step_watchers.append(ascent.step_over)


class Ascent:
    """The rows so far by provider and step: at the end of each step it retires who is over the knee.

    No pause stands between steps: who is overloaded leaves with its queue, and nobody else has one.
    """

    def __init__(self, measurement: Measurement) -> None:
        self._load, self._timetable = measurement.load, measurement.timetable
        self._experiment = measurement.experiment
        self._asks: dict[str, dict[int, list[Ask]]] = defaultdict(lambda: defaultdict(list))

    def note(self, sample: Sample) -> None:
        if sample.phase != "measure" or sample.error == "cut_off" or self._timetable.warmup_at is None:
            return
        offset_s = sample.scheduled_at - self._timetable.warmup_at
        index = self._experiment.step(offset_s)
        if index is not None and offset_s >= self._settled_s(index):
            self._asks[sample.provider][index].append(ask(sample, self._experiment.slo or SLO))

    def step_over(self, index: int) -> None:
        """Earlier steps are judged again: answers that came late belong to them."""
        for name in sorted(set(self._asks) - self._load.retired):
            over = [rate for rate in (self._over(name, k) for k in range(index + 1)) if rate]
            if over:
                self._load.retire(name)
                sys.stderr.write(f"{name}: over its knee at {over[0]:.3g} requests/s; the others go on\n")

    def _over(self, name: str, index: int) -> float | None:
        experiment = self._experiment
        rate_rps, asks = experiment.steps[index][1], self._asks[name][index]
        count = sum(until_s > experiment.warm_up_s for until_s, _ in experiment.steps)
        judged = judge(rate_rps, asks, experiment.attainment or 0.9, count)
        return rate_rps if judged.over else None

    def _settled_s(self, index: int) -> float:
        begin_s = self._experiment.steps[index - 1][0] if index else 0.0
        return begin_s + SETTLE_SHARE * (self._experiment.steps[index][0] - begin_s)


def ask(sample: Sample, slo: dict[str, float]) -> Ask:
    """On the response clock: what lag there was before the send is the asker's wait, too."""
    lag_s = sample.lag_s or 0.0
    ttft_s = None if sample.ttft_s is None else sample.ttft_s + lag_s
    e2e_s = None if sample.e2e_s is None else sample.e2e_s + lag_s
    took = {"ttft_s": ttft_s, "tpot_s": sample.tpot_s, "e2e_s": e2e_s}
    met = all((value := took[name]) is not None and value <= limit for name, limit in slo.items())
    return Ask(sample.scheduled_at, not sample.error and met, sample.in_flight, ttft_s)

"""A Climb watches a sweep while it runs: each provider is retired at the first step that lies beyond its knee.

The law is ``providers.knee``'s, the same by which scoring finds the knee from the rows; this only applies it early.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile

from locustfiles.engine.experiment import Experiment
from providers.knee import BEYOND, SATURATED, Asked, Staircase, Step, judge
from providers.notation import digits, percent
from providers.sample import BEFORE_LOAD, Sample


def asked(sample: Sample, at_s: float, slo: Mapping[str, float]) -> Asked:
    """On the response clock: what a request waited for us or for a connection is inside."""
    lag_s = sample.lag_s or 0.0
    ttft_s = None if sample.ttft_s is None else sample.ttft_s + lag_s
    good = None if sample.error == "cut_off" else not sample.error and meets(sample, slo)
    return Asked(at_s, at_s + lag_s + (sample.end_s or 0.0), ttft_s, good)


def meets(sample: Sample, slo: Mapping[str, float]) -> bool:
    """Lacking an SLO's metric fails it."""
    lag_s = sample.lag_s or 0.0
    for name, limit_s in slo.items():
        took_s = sample.tpot_s if name == "tpot_s" else getattr(sample, name)
        if took_s is None or took_s + (0.0 if name == "tpot_s" else lag_s) > limit_s:
            return False
    return True


class Climb:
    """``retire`` is called with a provider's name at its knee."""

    def __init__(
        self, experiment: Experiment, stairs: Staircase, names: Sequence[str], retire: Callable[[str], None]
    ) -> None:
        self._stairs, self._slo, self._retire = stairs, experiment.slo or {}, retire
        load_s = experiment.load_s
        offsets_s = takewhile(lambda offset_s: offset_s < load_s, experiment.offsets_s())
        self._at_s = [offset_s - experiment.warm_up_s for offset_s in offsets_s]  # of each arrival
        ends_s = [(number + 1) * stairs.step_s for number in range(len(stairs.rates_rps))]
        self._due = [sum(stairs.counts(number, at_s) for at_s in self._at_s) for number in range(len(ends_s))]
        self._due_by_end = [
            sum((stairs.step(at_s) or 0) <= number for at_s in self._at_s) for number in range(len(ends_s))
        ]
        self._over = 0  # steps that have ended
        self._paths = {name: _Path() for name in names}

    def add(self, sample: Sample) -> None:
        """Told of every sample as it ends."""
        path = self._paths[sample.provider]
        if sample.phase in BEFORE_LOAD or path.beyond:
            return
        request = asked(sample, self._at_s[int(sample.pair)], self._slo)
        path.add(request, self._stairs)
        if not request.good or self._complete(path):
            self._look(sample.provider)

    def step_over(self, index: int) -> None:
        """Told when a step ends."""
        self._over = index + 1
        for name in self._paths:
            self._look(name)

    def _complete(self, path: _Path) -> bool:
        return path.step < len(self._due) and path.seen_by_end(path.step) == self._due_by_end[path.step]

    def _look(self, name: str) -> None:
        """Judge the steps that are over, in their order, as far as their answers are known."""
        path = self._paths[name]
        while path.step < self._over and not path.beyond:
            complete = self._complete(path)
            unknown = self._due[path.step] - path.counted.get(path.step, 0)
            step = judge(self._stairs, path.step, path.requests, unknown, complete=complete)
            if step.outcome in BEYOND:
                path.beyond = True
                sys.stderr.write(f"{name}: {told(step, self._stairs.attainment, unknown)}; it is asked nothing more\n")
                self._retire(name)
            if not complete:
                return
            path.climb(self._stairs)


class _Path:
    """How far one provider has come."""

    def __init__(self) -> None:
        self.step = 0  # the first that is not judged for good
        self.beyond = False
        self.requests: list[Asked] = []  # those that ran in this step or later
        self.counted: dict[int, int] = {}
        self._seen: dict[int, int] = {}

    def add(self, request: Asked, stairs: Staircase) -> None:
        self.requests.append(request)
        index = stairs.step(request.at_s) or 0
        self._seen[index] = self._seen.get(index, 0) + 1
        if stairs.counts(index, request.at_s):
            self.counted[index] = self.counted.get(index, 0) + 1

    def seen_by_end(self, index: int) -> int:
        """Requests scheduled before the end of a step, warm-up included, that have ended."""
        return sum(count for step, count in self._seen.items() if step <= index)

    def climb(self, stairs: Staircase) -> None:
        """What ended before the next step is of no use any more: looking back must stay cheap."""
        self.step += 1
        begin_s = self.step * stairs.step_s
        self.requests = [request for request in self.requests if request.until_s > begin_s]


def told(step: Step, target: float, unknown: int = 0) -> str:
    """Why a step lies beyond the knee; ``unknown`` answers were taken for good ones."""
    rate = f"{digits(step.rate_rps)} requests/s"
    if step.outcome == SATURATED:
        return f"{rate} saturate it: requests in flight and TTFT both rise"
    most = "at most " if unknown else ""
    return f"at {rate} {most}{percent(step.attainment or 0.0)} of {step.n} meet the SLOs, {percent(target)} should"

"""The Load asks, within budget and limits; in open loop by a schedule that no provider can slow down.

Locust's user classes are the registration in open loop, one user per provider. Users that wait for answers are
``closed``'s.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import gevent
from gevent.pool import Pool

from locustfiles.engine.arrivals import firing_order, owner
from locustfiles.engine.budget import Budget
from locustfiles.engine.experiment import Experiment, Timetable
from locustfiles.engine.gate import Gate
from locustfiles.engine.lane import CutOffError, Job, Lane
from providers.sample import Phase, Sample

AHEAD_S = 10.0  # a signature holds for five minutes, and arrivals may be further apart
POOL_SIZE = 512  # requests in flight per provider and worker; an arrival beyond is a dropped sample
LATE_S = 0.25  # past the window in which its last arrivals are still sent: a trace ends 1 ms before it


@dataclass(slots=True)
class Load:
    """``lanes`` are those with a registered user; ``asking`` ends when the window, the budget or a person says so."""

    experiment: Experiment
    timetable: Timetable
    budget: Budget
    lanes: dict[str, Lane]
    asking: bool = True
    worker: int = 0  # this process's number among ``workers``, which share one schedule
    workers: int = 1
    retired: set[str] = field(default_factory=set)  # providers that nothing more is asked of
    gates: dict[str, Gate] = field(default_factory=dict)
    watchers: list[Callable[[Sample], None]] = field(default_factory=list)  # told every sample as it ends

    def retire(self, name: str) -> None:
        """Ask nothing more of a provider; the others go on, and without any the load is over."""
        self.retired.add(name)

    @property
    def all_retired(self) -> bool:
        return bool(self.lanes) and self.retired >= set(self.lanes)

    def finished(self) -> bool:
        return not self.asking or self.budget.exhausted or self.all_retired or self.timetable.over(time.time())

    def stopped(self) -> bool:
        """Ended before its time. A window that is merely over still owes every arrival that fell into it a row."""
        return self.budget.exhausted or not (self.asking or self.timetable.over(time.time()))

    def admit(self, lane: Lane, job: Job) -> bool:
        """Count a request in, unless it might break the cap: then the run is over."""
        if not self.budget.reserve(job.worst_usd):
            return False
        lane.schedule()
        return True

    def perform(self, lane: Lane, job: Job, phase: Phase, scheduled_at: float) -> Sample:
        gate = self.gate(lane)
        perform = lane.perform if gate.open else partial(_in_turn, gate, lane)
        sample = perform(job, phase, scheduled_at)
        self.budget.settle(job.worst_usd, _bill_usd(lane, sample))
        self.tell(sample)
        return sample

    def gate(self, lane: Lane) -> Gate:
        name = lane.provider.name
        if name not in self.gates:
            self.gates[name] = Gate(lane.provider.limits)
        return self.gates[name]

    def tell(self, sample: Sample) -> None:
        for watcher in self.watchers:
            watcher(sample)


def _bill_usd(lane: Lane, sample: Sample) -> float | None:
    """What a request counts against the cap; None where its bill is unknown."""
    return sample.cost_usd if sample.connection and lane.provider.type != "mock" else 0.0


def _in_turn(gate: Gate, lane: Lane, job: Job, phase: Phase, scheduled_at: float) -> Sample:
    """Wait for the provider's own limits; one that never had its turn is cut off like one that was sent."""
    current = gevent.getcurrent()
    lane.running.add(current)
    try:
        held_s = gate.enter()
    except CutOffError:
        return lane.give_up(job, phase, scheduled_at, f"held back by {gate.named} until the drain was over")
    finally:
        lane.running.discard(current)
    try:
        return lane.perform(job, phase, scheduled_at, held_s or None)
    finally:
        gate.leave()


def run_open(load: Load, start_at: float) -> None:
    """Fire arrival after arrival until the window ends: the same prompt to every provider at the same instant."""
    experiment = load.experiment
    pools = {name: Pool(POOL_SIZE) for name in load.lanes}
    for index, offset_s in enumerate(experiment.offsets_s()):
        due = start_at + offset_s
        if load.timetable.over(due):
            return
        if owner(experiment.seed, index, load.workers) != load.worker:
            continue
        # Rendered before its moment, so that the moment itself costs a spawn and a send; but not long before.
        sleep_until(due - AHEAD_S)
        jobs = {
            name: lane.prepare(experiment.workload, experiment.seed, index, str(index))
            for name, lane in load.lanes.items()
            if name not in load.retired
        }
        sleep_until(due)
        if load.stopped() or not jobs:
            return
        for name in firing_order(list(jobs), experiment.seed, index):
            _fire(load, pools[name], load.lanes[name], jobs[name], due)


def _fire(load: Load, pool: Pool, lane: Lane, job: Job, due: float) -> None:
    phase = load.timetable.phase(due)
    if not load.admit(lane, job):
        return
    reason = "this process was too late: the window was over" if load.timetable.over(time.time() - LATE_S) else ""
    reason = reason or (_crowd(load.gate(lane)) if pool.full() else "")
    if reason:
        load.budget.settle(job.worst_usd, 0.0)
        load.tell(lane.drop(job, phase, due, reason))
    else:
        pool.spawn(load.perform, lane, job, phase, due)


def _crowd(gate: Gate) -> str:
    held = "" if gate.open else f", or held back by {gate.named}"
    return f"{POOL_SIZE} requests were in flight{held}"


def sleep_until(due: float) -> None:
    while (remaining_s := due - time.time()) > 0:
        gevent.sleep(remaining_s)

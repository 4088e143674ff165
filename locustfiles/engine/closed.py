"""Closed loop: users that ask, wait for the answer and ask again. A seat is a user's place, and outlives the user.

Seat and iteration name a prompt, so that prompts pair across providers however fast each of them answers.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import gevent

from locustfiles.engine.lane import Job, Lane
from locustfiles.engine.load import Load, sleep_until
from providers.sample import Sample

PATIENCE_S = 0.1
STAGGER_S = 1.0  # users begin spread over this, so that they do not ask in step


@dataclass(slots=True)
class Seat:
    """``answers`` are the provider's own of the session under way; ``broken`` is a session that lost one."""

    slot: int
    iteration: int = 0
    answers: list[str] = field(default_factory=list)
    broken: bool = False


class Seats:
    """The places of one provider: who comes takes the lowest free one and goes on where the last user stopped."""

    def __init__(self) -> None:
        self._free: list[int] = []
        self._seats: list[Seat] = []

    @contextmanager
    def seated(self) -> Iterator[Seat]:
        if not self._free:
            self._free.append(len(self._seats))
            self._seats.append(Seat(len(self._seats)))
        seat = self._seats[heapq.heappop(self._free)]
        try:
            yield seat
        finally:
            heapq.heappush(self._free, seat.slot)


def run_closed(load: Load, lane: Lane, seat: Seat, slots: int) -> None:
    """One user, until the load is over or Locust takes the user away.

    ``slots`` is the same for all providers, also where weights give them different numbers of users. A user that fails
    at once asks again only ``PATIENCE_S`` after it asked: a dead provider must not eat the processor of the others.
    """
    if not seat.iteration:
        gevent.sleep(STAGGER_S * seat.slot / slots)
    while not load.finished() and lane.provider.name not in load.retired:
        job = _next(load, lane, seat, slots)
        now = time.time()
        if not load.admit(lane, job):
            return
        if _ask(load, lane, job, seat, now).error:
            sleep_until(now + PATIENCE_S)


def _next(load: Load, lane: Lane, seat: Seat, slots: int) -> Job:
    """The seat's next prompt. With ``history: own`` a session that lost an answer is over: the next one begins."""
    workload, seed = load.experiment.workload, load.experiment.seed
    own = workload.history_own
    while True:
        index = seat.iteration * slots + seat.slot
        pair = f"{seat.slot}.{seat.iteration}"
        job = lane.prepare(workload, seed, index, pair, seat.slot, slots, seat.answers if own else None)
        if not job.prompt.turn:
            seat.broken, seat.answers = False, []
            return replace(job, answers=seat.answers if own else None)
        if not (own and seat.broken):
            return job
        seat.iteration += 1


def _ask(load: Load, lane: Lane, job: Job, seat: Seat, now: float) -> Sample:
    """In a greenlet of its own: a user that Locust takes away leaves its request to end by itself, as a row."""
    seat.iteration += 1
    seat.broken = True
    sample: Sample = gevent.spawn(load.perform, lane, job, load.timetable.phase(now), now).get()
    seat.broken = bool(sample.error)
    return sample

"""A Measurement is one run in progress: it opens the run folder, the lanes and the clock, and closes them in order.

Everything is on disk from the first moment, and the manifest says ``complete`` only when the last of it is.
It does not know Locust's life cycle; ``harness`` calls it at the right moments.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import gevent

from locustfiles.engine import manifest
from locustfiles.engine.budget import Budget
from locustfiles.engine.closed import Seats
from locustfiles.engine.credentials import Keyring
from locustfiles.engine.experiment import Experiment, Timetable
from locustfiles.engine.health import Health
from locustfiles.engine.lane import Lane
from locustfiles.engine.live import Live
from locustfiles.engine.load import Load, run_open, sleep_until
from locustfiles.engine.preflight import preflight, table
from locustfiles.engine.probe import probe
from locustfiles.engine.probe import table as probe_table
from locustfiles.engine.recorder import Recorder
from locustfiles.engine.self_check import MOST_RPS, SelfCheck
from locustfiles.engine.transport import Transport
from locustfiles.engine.watch import Watch
from providers.probe import QUESTIONS
from providers.run import create_run
from providers.simulator.child import at_simulator, simulator
from providers.spec import Provider

_LEAD_S = 0.1  # between fixing the timetable and its first instant
_WATCH_S = 0.05
_DRAIN_WATCH_S = 0.01
_CUT_LIMIT_S = 5.0  # a request that cannot even be cut off is declared lost


class Measurement:
    """``names`` are the providers that take part: the class picker may leave some out."""

    def __init__(self, experiment: Experiment, environment: Any, names: list[str]) -> None:
        self.experiment = experiment
        self._keyring = Keyring(experiment.roster, [p for p in experiment.roster.providers if p.name in names])
        self.run = create_run(experiment.place.results, experiment.sha256)
        self.timetable = Timetable(experiment.warm_up_s, experiment.window_s, start_at=time.time())
        self.load = Load(experiment, self.timetable, Budget(experiment.max_cost_usd), {})
        self.ended = "running"
        self.names, self._environment = names, environment
        self._manifest: dict[str, Any] = manifest.opening(experiment, self.run.run_id) | {"edits": [], "probe": None}
        self.watch: Watch | None = None
        self.live: Live | None = None
        self._lanes: dict[str, Lane] = {}
        self.seats = {name: Seats() for name in names}
        self._pump: gevent.Greenlet | None = None
        self._abort = False
        self._cut_short: bool | None = None  # None while nobody has stopped it
        self._steps: gevent.Greenlet | None = None
        self.step_watchers: list[Callable[[int], None]] = []  # told the index of a step when it ends
        self._files = ExitStack()  # closed in the reverse order of opening, as far as opening came
        self.run.write_manifest(self._manifest)

    def open(self) -> None:
        """Simulator, sockets, preflight; RunError when one of them cannot be had."""
        experiment = self.experiment
        taking_part = [p for p in experiment.roster.providers if p.name in self.names]
        self._recorder = Recorder(self.run.samples, [p.name for p in taking_part], self._environment)
        self._files.callback(self._recorder.close)
        if any(provider.type == "mock" for provider in taking_part):
            address = self._files.enter_context(simulator(experiment.roster.path, self.run.truth))
            taking_part = [at_simulator(p, address) if p.type == "mock" else p for p in taking_part]
        self._files.enter_context(self._keyring)
        transport = Transport()
        self._lanes = {p.name: self._lane(p, transport) for p in taking_part}
        self._files.callback(transport.close, [lane.endpoint for lane in self._lanes.values()])
        self._health = Health(transport, self.timetable)
        self._health.start()
        self._files.callback(self._health.stop)
        self.watch = watch = Watch(experiment, self.names, self.timetable, self._health, self._self_check(transport))
        self.load.watchers += [watch.add, self._health.add]
        if (experiment.preflight or experiment.cold_start) and self.load.asking:
            samples = preflight(self.load, list(self._lanes.values()))
            sys.stderr.write(table(samples) + "\n")
        if experiment.probe and self.load.asking:
            self._probe()
        self.live = live = Live(self.run.live, self._recorder.tallies, watch, self.timetable, experiment.place)
        live.start()
        self._files.callback(live.stop)

    def _probe(self) -> None:
        """After the preflight: a cold start stays one."""
        sys.stderr.write(f"Probe: {len(QUESTIONS)} questions to each provider that has a model\n")
        found = probe(self.load, list(self._lanes.values()))
        sys.stderr.write(probe_table(found) + "\n")
        self._manifest["probe"] = {name: finding and asdict(finding) for name, finding in found.items()}

    def _self_check(self, transport: Transport) -> SelfCheck | None:
        if not self.experiment.self_check:
            return None
        rate_rps = MOST_RPS if self.experiment.closed else self.experiment.peak_rps
        check = SelfCheck(transport, self.timetable, self.run.self_check, rate_rps)
        self._files.callback(check.stop)
        if trouble := check.start():
            sys.stderr.write(f"Warning: {trouble}\n")
            self._manifest["warnings"].append(trouble)
        return check

    def note_edit(self, edit: dict[str, Any]) -> None:
        """What a person changed, or wanted to, in the web UI."""
        self._manifest["edits"].append(edit)
        self.run.write_manifest(self._manifest)

    @property
    def refused_edit(self) -> str:
        """Why the newest edit was refused, in words; empty when it was taken."""
        edits = self._manifest["edits"]
        return str(edits[-1]["refused"]) if edits else ""

    def register(self, name: str) -> Lane:
        """A Locust user of this provider has started: its lane takes part from now on."""
        lane = self._lanes[name]
        self.load.lanes[name] = lane
        return lane

    def begin(self) -> None:
        """All users are there: fix the timetable, and in open loop start the pump."""
        start_at = time.time() + _LEAD_S
        self.timetable.begin(start_at)
        if not self.experiment.closed:
            self._pump = gevent.spawn(run_open, self.load, start_at)
            self._steps = gevent.spawn(self._watch_steps, start_at)

    def _watch_steps(self, start_at: float) -> None:
        for index, (until_s, _) in enumerate(self.experiment.steps):
            sleep_until(start_at + until_s)
            for watcher in self.step_watchers:
                watcher(index)

    def wait(self) -> None:
        """Return when the window is over, or the budget, when the pump has died, or when it came to nothing."""
        while not (self.load.finished() or self._pump_failed or self._came_to_nothing):
            gevent.sleep(_WATCH_S)
        if self._came_to_nothing and self.watch is not None:
            sys.stderr.write(f"Stopping: this run ends INVALID whatever comes: {self.watch.words}\n")

    def drain(self) -> None:
        """No new work; wait for what is in flight, then cut off what still runs. Every request ends as a sample."""
        self.load.asking = False
        if self._cut_short is None:
            self._cut_short = not (self.timetable.over(time.time()) or self.load.all_retired)
            self._end_window_early()
        limit = time.monotonic() + self.experiment.drain_s
        while self._owing() and time.monotonic() < limit and not self._abort:
            gevent.sleep(_DRAIN_WATCH_S)
        limit = time.monotonic() + _CUT_LIMIT_S
        while self._outstanding() and time.monotonic() < limit:
            for lane in self._lanes.values():
                lane.cut_off()
            gevent.sleep(_DRAIN_WATCH_S)
        gevent.killall([greenlet for greenlet in (self._pump, self._steps) if greenlet is not None])

    def _end_window_early(self) -> None:
        """With every provider retired the window ends now: the rest of it was offered to nobody."""
        now = time.time()
        if self.load.all_retired and not self.timetable.over(now):
            self.timetable.drain_at = now

    def abort(self) -> None:
        """Wait for nothing any more."""
        self._abort = True

    def close(self, *, interrupted: bool) -> None:
        """Finish every file; after this the run folder is the whole truth of the run."""
        self.timetable.end_at = time.time()
        self.ended = self._why_ended(interrupted)
        outcome = self._outcome()
        self._files.close()
        self.run.write_manifest(self._manifest | outcome)

    def _why_ended(self, interrupted: bool) -> str:
        if self.load.budget.exhausted:
            return "spend_cap"
        if self._pump_failed or any(tally.lost for tally in self._recorder.tallies.values()):
            return "crashed"
        if self._cut_short is False and not self._abort:
            return "finished"
        if self._came_to_nothing and not interrupted:
            return "invalid"
        return "interrupted" if interrupted else "stopped"

    def _lane(self, provider: Provider, transport: Transport) -> Lane:
        scrubber = self.experiment.roster.scrubber()
        where = (self.run.run_id, transport, self._recorder, scrubber, self.experiment.place)
        return Lane(provider, *where, self._keyring.of(provider.name))

    @property
    def measured(self) -> bool:
        """At least one request of the measured window ended in a row."""
        return any(tally.measured for tally in self._recorder.tallies.values())

    @property
    def _came_to_nothing(self) -> bool:
        """``--stop-on-invalid`` was given, and INVALID it will be."""
        return self.experiment.stop_on_invalid and self.watch is not None and self.watch.beyond_recovery

    @property
    def _pump_failed(self) -> bool:
        return self._pump is not None and self._pump.exception is not None

    def _owing(self) -> bool:
        """Requests without a row yet, or arrivals of the window that the pump has still to account for."""
        return bool(self._outstanding()) or (self._pump is not None and not self._pump.ready())

    def _outstanding(self) -> int:
        return sum(lane.outstanding for lane in self._lanes.values())

    def _outcome(self) -> dict[str, Any]:
        """What became of it; nothing of workers and counts when it never opened."""
        outcome = {"complete": self.ended == "finished", "ended": self.ended, "phases": self.timetable.instants()}
        if not self._lanes:
            return outcome
        place = self.experiment.place
        tallies = self._recorder.tallies
        worker = {"name": "local", "region": place.region, "cloud": place.cloud}
        clock = {"clock_offset_s": 0.0, "clock_uncertainty_s": 0.0}  # one process: nothing to compare with
        checked = {"self_check": self.watch.self_check() if self.watch else None}
        return outcome | {
            "workers": [worker | clock | self._health.report() | checked],
            "matrix": {
                "planned": {name: {place.region: 1} for name in tallies},
                "realized": {name: {place.region: tally.sent} for name, tally in tallies.items()},
            },
            "counts": {name: tally.counts() for name, tally in tallies.items()},
        }

"""The Harness ties a measurement to Locust's life cycle: headless, autostart or web UI, first Ctrl-C or second.

Each hook stands where it does for a reason that Locust's source gives: the order is
init -> runner.start -> test_start -> users -> (conductor) -> test_stopping (drain) -> test_stop (files) -> quitting ->
exit code -> Locust's own tables -> quit (score).
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import gevent
import locust.stats
from gevent.event import Event
from locust import events
from locust.runners import STATE_RUNNING, STATE_SPAWNING, MasterRunner, WorkerRunner

from locustfiles.engine import asked, options, secrecy
from locustfiles.engine.credentials import check_sdks
from locustfiles.engine.experiment import Experiment, Place
from locustfiles.engine.form import take_form
from locustfiles.engine.load import sleep_until
from locustfiles.engine.measurement import Measurement
from locustfiles.engine.native_stats import NativeStats, percentile, whole_milliseconds
from locustfiles.engine.plan import check_budget, plan
from locustfiles.engine.tab import add_tab
from locustfiles.engine.users import user_classes
from locustfiles.engine.web import check_address, note_edits, refuse_foreign_posts, refuse_impossible_starts
from providers.errors import ConfigError, NephoscopeError
from providers.roster import Roster, load_roster
from providers.run import Run
from providers.spec import Provider

EXIT_CONFIG, EXIT_INCOMPLETE, EXIT_UNMEASURED, EXIT_SPEND_CAP = 2, 3, 4, 5
_OPENING_WATCH_S = 0.05
_log = logging.getLogger("nephoscope")


Design = Callable[[Any, Experiment], Experiment]
Watch = Callable[[Measurement], None]


def install(module: str, design: Design | None = None, watch: Watch | None = None) -> dict[str, Any]:
    """The user classes for a locustfile's globals; from here on Locust runs our experiment.

    ``design`` may change the experiment that the flags ask for (parsed options come with it, ConfigError refuses);
    ``watch`` is given every measurement before it opens, to add its watchers.
    """
    place = options.early()
    try:
        roster = load_roster(place.providers)
    except NephoscopeError as error:
        refuse(str(error))
    locust.stats.bucket_response_time = whole_milliseconds
    locust.stats.calculate_response_time_percentile = percentile
    events.init_command_line_parser.add_listener(options.add_flags)

    def take_over(environment: Any, runner: Any, web_ui: Any, **_: Any) -> None:
        Harness(environment, runner, web_ui, roster, place, design, watch)

    events.init.add_listener(take_over)
    return user_classes(roster, module)


def refuse(message: str) -> NoReturn:
    sys.stderr.write(f"Error: {message}\n")
    raise SystemExit(EXIT_CONFIG)


class Harness:
    """One per process, as ``environment.nephoscope``."""

    def __init__(
        self,
        environment: Any,
        runner: Any,
        web_ui: Any,
        roster: Roster,
        place: Place,
        design: Design | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.environment, self.runner, self.web_ui = environment, runner, web_ui
        self.roster, self.place = roster, place
        self._design, self._watch = design, watch
        self.measurement: Measurement | None = None
        self._options = environment.parsed_options
        self._window_s = self._options.run_time
        self._spawn_rate = self._options.spawn_rate
        self._native = NativeStats(environment)
        self._shape, environment.shape_class = environment.shape_class, None  # we start its levels, not Locust
        self._conductor: gevent.Greenlet | None = None
        self._spawned = Event()
        self._opened = Event()  # no measurement is half open
        self._opened.set()
        self._interrupts = 0
        self._draining = False
        self._edits: list[dict[str, Any]] = []  # made in the browser since the last run
        environment.nephoscope = self
        secrecy.keep(roster.scrubber(), runner)
        self._check()
        self._take_over()

    @property
    def slots(self) -> int:
        """The most users that any provider has in closed loop."""
        assert self.measurement is not None
        weights = [user_class.weight for user_class in self.environment.user_classes]
        return int(max(1, self.measurement.experiment.users * max(weights) // sum(weights)))

    # ---- before the load

    def _check(self) -> None:
        """Refuse what cannot run, while nothing has been sent."""
        if isinstance(self.runner, MasterRunner | WorkerRunner):
            refuse("--master, --worker and --processes: not in this version; run one process")
        if options.providers_file(self._options.providers) != self.place.providers:
            refuse(f"--providers {self._options.providers}: read too late; write the flag out in full")
        if self.web_ui:
            try:
                check_address(self._options)
            except NephoscopeError as error:
                refuse(str(error))
            refuse_foreign_posts(self.web_ui)
            refuse_impossible_starts(self.web_ui, self._why_not, self._note_edit)
            note_edits(self.web_ui, self._note_edit)
            add_tab(self.web_ui, self._last_line, lambda: self.measurement.refused_edit if self.measurement else "")
        for warning in self.roster.warnings:
            sys.stderr.write(f"Warning: {warning}\n")
        try:
            check_sdks(self.roster, self._taking_part())
            # Now, while "no -u" can still be told from Locust's default of one user.
            self._options.arrivals = asked.arrivals_of(self._options)
            if self._interactive and not self._options.plan:
                return  # the form will say how much
            experiment = self._experiment(self._options, self._window_s)
            for warning in check_budget(experiment, self._taking_part()):
                sys.stderr.write(f"Warning: {warning}\n")
        except NephoscopeError as error:
            refuse(str(error))
        if self._options.plan:
            sys.stdout.write(plan(experiment, self._taking_part()))
            raise SystemExit(0)

    @property
    def _interactive(self) -> bool:
        return self.web_ui is not None and not self._options.autostart

    def _experiment(self, given: Any, window_s: float | None) -> Experiment:
        if load_roster(self.roster.path).sha256 != self.roster.sha256:  # the simulator would play another file
            raise ConfigError(f"{self.roster.path}: changed since this process started; start it anew")
        taking_part = self._taking_part()
        experiment = asked.experiment(given, self.roster, taking_part, self.place, window_s, self._shape)
        if self._design:
            experiment = self._design(given, experiment)
        check_budget(experiment, self._taking_part())
        return experiment

    def _taking_part(self) -> list[Provider]:
        """Positional names and the class picker may leave providers out; the picker may change a weight, too."""
        chosen = self.environment.user_classes
        return [user_class.provider.model_copy(update={"weight": user_class.weight}) for user_class in chosen]

    def _take_over(self) -> None:
        self._options.run_time = None  # the conductor times the window: Locust's own timer would cut the drain off
        self._options.only_summary = not self._options.print_stats
        self._start, self.runner.start = self.runner.start, self.start
        events.spawning_complete.add_listener(lambda **_: self._spawned.set())
        events.test_stopping.add_listener(lambda **_: self._stopping())
        events.test_stop.add_listener(lambda **_: self._stopped())
        events.quitting.add_listener(lambda **_: self._quitting())
        events.quit.add_listener(lambda exit_code, **_: self._quit(exit_code))
        gevent.signal_handler(signal.SIGINT, self._interrupted)
        logging.getLogger("locust.main").addFilter(lambda record: "No run time limit" not in record.getMessage())

    def start(self, user_count: int, spawn_rate: float, wait: bool = False, user_classes: Any = None) -> None:
        """In place of ``runner.start``: open the measurement, then spawn. A running one is never reshaped."""
        if self.runner.state in (STATE_RUNNING, STATE_SPAWNING):
            _log.warning("a run is in progress: its users stay as they are")
            return
        if not self._opened.is_set():
            _log.warning("a run is being opened: this start is ignored")
            return
        self._opened.clear()
        try:
            self._open(user_count)
        except BaseException as error:  # of the web UI's Stop, too: what is half open is closed
            self._close()
            if not isinstance(error, Exception):
                raise
            self._give_up(error)
            return
        finally:
            self._opened.set()
        if self._interrupts:
            return
        closed = self.measurement is not None and self.measurement.experiment.closed
        count = user_count if closed else self._one_each()
        rate = spawn_rate if closed and (self._interactive or self._spawn_rate) else count
        if levels := self.measurement.experiment.levels if self.measurement else ():
            count, rate = levels[0].users, levels[0].spawn_rate
        self._spawned.clear()
        self._start(count, rate, wait=wait, user_classes=user_classes)
        self._conductor = gevent.spawn(self._conduct)

    def _open(self, user_count: int) -> None:
        window_s = self._window_s
        if self._interactive:
            self.web_ui._cancel_run_time_timer()  # noqa: SLF001 - the form has set Locust's timer before us
            window_s = self._options.run_time or window_s
            if self._options.arrivals == "closed":
                self._options.num_users = user_count
        self.environment.host = None  # the form's host would overwrite every provider's
        names = [provider.name for provider in self._taking_part()]
        self.measurement = Measurement(self._experiment(self._options, window_s), self.environment, names)
        while self._edits:
            self.measurement.note_edit(self._edits.pop(0))
        if self._watch:
            self._watch(self.measurement)
        self.measurement.open()
        self._native.open(self.measurement.run, self.roster.scrubber())
        gc.collect()
        gc.freeze()  # a full collection over Locust's objects stops the loop for 20 ms and more
        gc.set_threshold(50_000, 20, 100)

    def _why_not(self, form: Mapping[str, str]) -> str:
        """Why the web form's start cannot be had; empty when it can. A run's load is part of its experiment."""
        if self.runner.state in (STATE_RUNNING, STATE_SPAWNING) or not self._opened.is_set():
            return "a run is in progress and its load stays as it began; stop it and start another"
        try:
            given = take_form(self._options, form)
            self._experiment(given, given.run_time or self._window_s)
        except NephoscopeError as error:
            return str(error)
        return ""

    def _note_edit(self, what: str, asked: dict[str, Any], refused: str) -> None:
        """For the manifest of the run it met, or of the one it begins."""
        edit = {"at": round(time.time(), 3), "what": what, "asked": asked, "refused": refused}
        if self.measurement is not None and self.measurement.ended == "running":
            self.measurement.note_edit(edit)
            if refused:
                _log.warning("edit refused: %s", refused)
        else:
            self._edits.append(edit)

    def _last_line(self) -> dict[str, Any]:
        live = self.measurement.live if self.measurement else None
        return live.last if live else {"cells": []}

    def _one_each(self) -> int:
        """Open loop: a user per provider, whatever -u or weights say; the rate is the load."""
        for user_class in self.environment.user_classes:
            user_class.fixed_count = 1
        return len(self.environment.user_classes)

    def _give_up(self, error: Exception) -> None:
        """The run never began: say why, and leave unless a person at the web UI can try again."""
        expected = isinstance(error, NephoscopeError)
        if expected:
            sys.stderr.write(f"Error: {error}\n")
        else:
            _log.error("the run could not begin", exc_info=error)
        if not self._interactive:
            self.environment.process_exit_code = EXIT_CONFIG if expected else EXIT_INCOMPLETE
            gevent.spawn(self._leave)

    # ---- during the load

    def _conduct(self) -> None:
        """Warm-up and window, then the end that fits how Locust was started."""
        measurement = self.measurement
        assert measurement is not None
        self._spawned.wait()
        measurement.begin()
        shaping = gevent.spawn(self._follow_shape, measurement)
        try:
            measurement.wait()
        finally:
            shaping.kill()
        measurement.drain()  # here already: Locust's stop looks at its own stack first, which takes it 16 ms
        self._conductor = None  # from here on a stop must not kill the greenlet that stops
        if self.web_ui is None:
            self.runner.quit()
            return
        self.runner.stop()
        if self._options.autostart and self._options.autoquit != -1:
            gevent.sleep(self._options.autoquit)
            self._leave()

    def _follow_shape(self, measurement: Measurement) -> None:
        """Bring the users to each level at its time; while they come and go the phase is a ramp."""
        for level in measurement.experiment.levels[1:]:
            sleep_until((measurement.timetable.warmup_at or 0.0) + level.from_s)
            self._spawned.clear()
            measurement.timetable.changing = True
            self._start(level.users, level.spawn_rate)
            self._spawned.wait()
            measurement.timetable.changing = False

    def _interrupted(self) -> None:
        """Ctrl-C: the first drains, the second waits for nothing, the third is gone."""
        self._interrupts += 1
        if self._interrupts == 1:
            sys.stderr.write("\nStopping: waiting for requests in flight; Ctrl-C again ends at once\n")
            gevent.spawn(self._leave)
        elif self._interrupts == 2 and self.measurement is not None:
            self.measurement.abort()
        else:
            os._exit(EXIT_INCOMPLETE)

    def _leave(self) -> None:
        self._finish_opening()
        if not self._draining:
            self.runner.quit()
        if self.web_ui:
            self.web_ui.stop()

    def _finish_opening(self) -> None:
        """What is half open cannot be closed: end its preflight and wait."""
        while not self._opened.wait(_OPENING_WATCH_S):
            if self.measurement is not None:
                self.measurement.drain()

    def _stopping(self) -> None:
        """Top of ``runner.stop``: users still run, so the drain belongs here, however the stop came about."""
        if self._conductor is not None:
            self._conductor.kill()
            self._conductor = None
        self._draining = True  # whoever else wants to stop now finds it under way
        if self.measurement is not None and self.measurement.ended == "running":
            self.measurement.drain()

    def _stopped(self) -> None:
        self._draining = False
        measurement = self._close()
        if measurement is not None and self._interactive and measurement.experiment.score:
            gevent.spawn(score, measurement.run, quiet=True)

    def _close(self) -> Measurement | None:
        """Finish the files of the measurement in progress, if there is one."""
        measurement = self.measurement
        if measurement is None or measurement.ended != "running":
            return None
        self._native.close()
        measurement.close(interrupted=bool(self._interrupts))
        gc.unfreeze()
        return measurement

    # ---- after the load

    def _quitting(self) -> None:
        """On SIGTERM this comes first of all: stop here, so that nothing in flight is lost and nothing begins."""
        if self.measurement is not None and self.measurement.ended == "running":
            self._interrupts = max(1, self._interrupts)
        self._finish_opening()
        self.runner.stop()
        if self.environment.process_exit_code is None:
            self.environment.process_exit_code = self._exit_code()
        if not self._options.print_stats:
            logging.getLogger("locust.stats_logger").disabled = True  # the score card follows instead

    def _exit_code(self) -> int:
        if self.measurement is None:
            return EXIT_INCOMPLETE if self._interrupts else 0
        if self.measurement.ended == "finished":
            return 0 if self.measurement.measured else EXIT_UNMEASURED
        return EXIT_SPEND_CAP if self.measurement.ended == "spend_cap" else EXIT_INCOMPLETE

    def _quit(self, exit_code: int) -> None:
        """The last thing that happens: the score, in words, below everything Locust printed."""
        measurement = self.measurement
        if measurement is None or self._interactive:
            return
        sys.stderr.write(f"Run: {measurement.run.path}\n")
        sys.stderr.flush()
        if measurement.experiment.score and self._interrupts < 2 and exit_code != EXIT_CONFIG:
            scored = score(measurement.run)
            raise SystemExit(exit_code or scored)


def score(run: Run, *, quiet: bool = False) -> int:
    """Score the run in a process of its own: data frames and gevent never meet."""
    command = [sys.executable, "-m", "scoring", str(run.path)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL if quiet else None).wait()

"""The Watch holds a measurement in progress against the limits of the verdict, once a second, and keeps what it saw.

It knows where the figures are; what they mean is ``so_far``'s. It stops nothing itself.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from locustfiles.engine.experiment import Experiment, Timetable
from locustfiles.engine.health import PROBE_S, Health
from locustfiles.engine.recent import Recent
from locustfiles.engine.self_check import SelfCheck
from locustfiles.engine.so_far import Doubt, Judgement, SoFar, Worker
from providers.reasons import INVALID
from providers.sample import BEFORE_LOAD, Sample


class Watch:
    """``judgements`` are by provider; empty before the measured window."""

    def __init__(
        self,
        experiment: Experiment,
        names: Sequence[str],
        timetable: Timetable,
        health: Health,
        check: SelfCheck | None,
    ) -> None:
        rate_rps = experiment.config()["arrivals"]["rate_rps"]
        self.health, self.check = health, check
        self.recent = Recent(names)
        self.judgements: dict[str, Judgement] = {}
        self._so_far = SoFar(names, experiment.window_s, rate_rps)
        self._timetable = timetable

    def add(self, sample: Sample) -> None:
        """Told of every sample as it ends."""
        if sample.phase not in BEFORE_LOAD:
            self._so_far.add(sample)
            self.recent.add(sample)

    def look(self) -> dict[str, Judgement]:
        begin, end = self._timetable.measure_at, self._timetable.drain_at
        if begin is not None and end is not None and time.time() >= begin:
            self.judgements = self._so_far.judge(min(time.time(), end) - begin, self._worker())
        return self.judgements

    @property
    def beyond_recovery(self) -> bool:
        """A provider's part, or the whole run, ends INVALID even if all that is left of the window were perfect."""
        return any(judgement.final for judgement in self.judgements.values())

    @property
    def invalid_reasons(self) -> set[str]:
        return {doubt.code for doubt in self._invalid()}

    @property
    def words(self) -> str:
        """What is INVALID so far, and of whom; empty while nothing is."""
        found = self._invalid()
        return "; ".join(f"{doubt.code}: {doubt.text} ({', '.join(names)})" for doubt, names in found.items())

    def _invalid(self) -> dict[Doubt, list[str]]:
        found: dict[Doubt, list[str]] = {}
        for name, judgement in self.judgements.items():
            for doubt in judgement.doubts:
                if doubt.level == INVALID:
                    found.setdefault(doubt, []).append(name)
        return found

    def lag_p99_s(self, name: str) -> float | None:
        return self._so_far.parts[name].lag.quantile_s(99)

    def self_check(self) -> dict[str, Any] | None:
        return self.check.report() if self.check else None

    def _worker(self) -> Worker:
        health, check = self.health, self.check
        return Worker(
            lags=health.lags,
            probe_s=PROBE_S,
            cpu_windows=health.cpu_windows,
            cpu_busy_windows=health.cpu_busy_windows,
            sockets_refused=health.sockets_refused,
            errors_s=check.errors_s if check else (),
            check_rps=check.rate_rps if check else 0.0,
        )

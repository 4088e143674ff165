"""Health is this process watching itself over the measured time: loop lag, CPU, sockets, clock. It judges nothing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import gevent

from locustfiles.engine.experiment import Timetable
from locustfiles.engine.lateness import Lateness
from locustfiles.engine.transport import Transport
from locustfiles.engine.windows import Windows
from providers.sample import Sample

PROBE_S = 0.010  # a sleeper that should wake every 10 ms; how late it wakes is the loop's lag
BUSY_SHARE = 0.90


class Health:
    """Start it with the load; ``report`` holds what fell into the measured time, as a whole and by windows."""

    def __init__(self, transport: Transport, timetable: Timetable) -> None:
        self._transport, self._timetable = transport, timetable
        self.lags = Lateness()
        self._windows = Windows()
        self.cpu_windows = self.cpu_busy_windows = 0
        self.cpu_share = self.loop_lag_s = 0.0  # of the last second
        self._greenlets: list[gevent.Greenlet] = []

    def start(self) -> None:
        self._greenlets = [gevent.spawn(self._probe), gevent.spawn(self._cpu)]

    def stop(self) -> None:
        gevent.killall(self._greenlets)

    def report(self) -> dict[str, Any]:
        return {
            "loop_lag_p99_s": self.lags.quantile_s(99),
            "loop_lag_max_s": round(self.lags.longest_s, 6),
            "cpu_windows": self.cpu_windows,
            "cpu_busy_windows": self.cpu_busy_windows,
            "sockets_refused": self.sockets_refused,
            "sockets_open": _open_descriptors(),
            "clock_steps": self._transport.hub.clock_steps,
            "unstamped_reads": self._transport.hub.unstamped,
            "kernel_stamps": self._transport.hub.stamps,
            "windows": self._windows.report(self._measured_s),
        }

    def add(self, sample: Sample) -> None:
        """Told of every sample as it ends; it belongs where it was scheduled, as its phase does."""
        if sample.phase == "measure" and self._timetable.measure_at is not None:
            self._windows[sample.scheduled_at - self._timetable.measure_at].add(sample)

    @property
    def sockets_refused(self) -> int:
        return self._transport.sockets_refused

    @property
    def _measured_s(self) -> float:
        """How much of the measured time has gone by; a run that was stopped has measured less than it meant to."""
        begin, end = self._timetable.measure_at, self._timetable.drain_at
        if begin is None or end is None:
            return 0.0
        return max(0.0, min(self._timetable.end_at or time.time(), end) - begin)

    def _into_s(self) -> float | None:
        """Seconds since the measured time began; None outside of it."""
        now, begin = time.time(), self._timetable.measure_at
        if begin is None or self._timetable.phase(now) != "measure" or self._timetable.over(now):
            return None
        return now - begin

    def _probe(self) -> None:
        worst_s, since = 0.0, time.monotonic()
        while True:
            before = time.monotonic()
            gevent.sleep(PROBE_S)
            after = time.monotonic()
            late_s = max(0.0, after - before - PROBE_S)
            worst_s = max(worst_s, late_s)
            if (into_s := self._into_s()) is not None:
                self.lags.add(late_s)
                self._windows[into_s].pauses.add(late_s)
            if after - since >= 1:
                self.loop_lag_s, worst_s, since = worst_s, 0.0, after

    def _cpu(self) -> None:
        while True:
            wall, cpu = time.monotonic(), time.process_time()
            gevent.sleep(1)
            self.cpu_share = (time.process_time() - cpu) / (time.monotonic() - wall)
            if (into_s := self._into_s()) is not None:
                self.cpu_windows += 1
                self.cpu_busy_windows += self.cpu_share >= BUSY_SHARE
                window = self._windows[into_s]
                window.cpu_shares.append(self.cpu_share)
                window.sockets = max(window.sockets, self._transport.hub.sockets)


def _open_descriptors() -> int | None:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else None

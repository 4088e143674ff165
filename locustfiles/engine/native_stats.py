"""Locust's own CSV statistics, written into the run folder: a set per run, also for several runs of one web UI."""

from __future__ import annotations

from typing import Any

import gevent
from locust import stats
from locust.stats import StatsCSVFileWriter

from providers.run import Run


def whole_milliseconds(response_time: float) -> int:
    """The histogram key of a response time: stock Locust keeps two digits, which moves percentiles by up to 5 %."""
    return round(response_time)


class NativeStats:
    """Open with the run; ``close`` writes the final rows, which Locust's own writer may miss."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._writer: Any = None
        self._greenlet: gevent.Greenlet | None = None

    def open(self, run: Run) -> None:
        prefix = str(run.path / "locust")
        self._writer = StatsCSVFileWriter(self._environment, stats.PERCENTILES_TO_REPORT, prefix, full_history=True)
        self._greenlet = gevent.spawn(self._writer.stats_writer)
        if self._environment.web_ui:
            self._environment.web_ui.stats_csv_writer = self._writer  # the download links follow

    def close(self) -> None:
        if self._greenlet is None:
            return
        self._greenlet.kill()
        self._greenlet = None
        writer = self._writer
        for handle, rows, out in (
            (writer.requests_csv_filehandle, writer.requests_csv, writer.requests_csv_writer),
            (writer.failures_csv_filehandle, writer.failures_csv, writer.failures_csv_writer),
            (writer.exceptions_csv_filehandle, writer.exceptions_csv, writer.exceptions_csv_writer),
        ):
            handle.seek(0)
            handle.truncate()
            rows(out)
        writer.close_files()

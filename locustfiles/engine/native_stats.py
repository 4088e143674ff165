"""Locust's own CSV statistics, written into the run folder: a set per run, also for several runs of one web UI."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import Any

import gevent
from locust import stats
from locust.stats import StatsCSVFileWriter

from providers.run import Run
from providers.sample import defused
from providers.secret import Scrubber


def whole_milliseconds(response_time: float) -> int:
    """The histogram key of a response time: stock Locust keeps two digits, which moves percentiles by up to 5 %."""
    return round(response_time)


def percentile(response_times: dict[int, int], num_requests: int, percent: float) -> int:
    """Stock Locust's answer for less: it sorts the histogram anew for each percentile of each row.

    With exact milliseconds that stopped the loop for 30 ms once a second.
    """
    keys, cumulative = _sorted_histogram(response_times)
    # The largest value that has at most this many requests below it.
    below = bisect_right(cumulative, int(num_requests * percent))
    return keys[min(below, len(keys) - 1)] if keys else 0


_last_histogram: tuple[dict[int, int], int, list[int], list[int]] | None = None


def _sorted_histogram(response_times: dict[int, int]) -> tuple[list[int], list[int]]:
    """Keys in order and their running counts; the percentiles of a row follow each other, so one is remembered."""
    global _last_histogram  # noqa: PLW0603 - one entry, replaced as soon as another row is asked about
    total = sum(response_times.values())
    if _last_histogram is None or _last_histogram[0] is not response_times or _last_histogram[1] != total:
        keys = sorted(response_times)
        _last_histogram = (response_times, total, keys, list(accumulate(response_times[key] for key in keys)))
    return _last_histogram[2], _last_histogram[3]


class _Courteous:
    """A csv writer that lets the loop go round after each row: computing one takes a millisecond.

    Its text is harmless: an exception may hold words of a provider, or a secret.
    """

    def __init__(self, writer: Any, scrubber: Scrubber) -> None:
        self._writer, self._scrubber = writer, scrubber

    def writerow(self, row: Any) -> None:
        self._writer.writerow([defused(self._scrubber.scrub(c)) if isinstance(c, str) else c for c in row])
        gevent.sleep(0)


class NativeStats:
    """Open with the run; ``close`` writes the final rows, which Locust's own writer may miss."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._writer: Any = None
        self._greenlet: gevent.Greenlet | None = None

    def open(self, run: Run, scrubber: Scrubber) -> None:
        prefix = str(run.path / "locust")
        self._writer = StatsCSVFileWriter(self._environment, stats.PERCENTILES_TO_REPORT, prefix, full_history=True)
        for name in ("requests", "stats_history", "failures", "exceptions"):
            attribute = f"{name}_csv_writer"
            setattr(self._writer, attribute, _Courteous(getattr(self._writer, attribute), scrubber))
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

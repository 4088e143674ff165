"""The Self-check asks a server of known truth during the run, by the same transport, and keeps how far off TTFT was.

The answers go to ``self_check.csv`` alone: no sample, no spend, no ranking, none of Locust's statistics. The target
stands on loopback, so it sees neither the network card nor the way to a provider. It never holds the load up: without
a target the run goes on, and says so.
"""

from __future__ import annotations

import csv
import random
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gevent
from gevent.pool import Pool

from locustfiles.engine.exchange import Exchange
from locustfiles.engine.experiment import Timetable
from locustfiles.engine.lane import reply_of
from locustfiles.engine.transport import Endpoint, Transport
from providers.dialects import DIALECTS
from providers.spec import Limits

MOST_RPS = 2.0
COLUMNS = ("at", "phase", "ttft_s", "truth_from_s", "truth_until_s", "error_s", "bounded", "observer_lag_s", "failure")
_START_S = 3.0
_POOL_SIZE = 16
_PROGRAM = Path(__file__).with_name("target.py")
_LIMITS = Limits(connect_timeout_s=5, first_token_timeout_s=10, idle_timeout_s=10, total_timeout_s=20)
_REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: self-check\r\ncontent-length: 2\r\n\r\n{}"
_TRUTH = re.compile(rb'"received_ns":(\d+),"from_ns":(\d+),"until_ns":(\d+)')
_DIALECT = DIALECTS["openai-chat"]


class SelfCheck:
    """``errors_s`` are those of the measured window, in the order in which the answers ended."""

    def __init__(self, transport: Transport, timetable: Timetable, path: Path, rate_rps: float) -> None:
        self.rate_rps = min(MOST_RPS, rate_rps)
        self.errors_s: list[float] = []
        self._widths_s: list[float] = []  # of the intervals in which the truth lies
        self.failed = 0
        self._transport, self._timetable = transport, timetable
        self._file = path.open("w", newline="", encoding="utf-8", buffering=1)
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(COLUMNS)
        self._pool = Pool(_POOL_SIZE)
        self._endpoint: Endpoint | None = None
        self._child: Any = None
        self._asking: gevent.Greenlet | None = None

    def start(self) -> str:
        """Why there is none, in words; empty when it runs."""
        try:
            port = self._start_target()
        except (OSError, ValueError) as error:
            return f"no self-check in this run: its target did not start ({error})"
        self._endpoint = Endpoint(f"http://127.0.0.1:{port}/v1", _LIMITS)
        self._asking = gevent.spawn(self._ask_on)
        return ""

    def stop(self) -> None:
        gevent.killall([*self._pool, *([self._asking] if self._asking else [])])
        while self._endpoint and self._endpoint.idle:
            self._endpoint.idle.pop().close()
        child, self._child = self._child, None
        if child is not None:
            child.stdin.close()
            child.stdout.close()
            with gevent.Timeout(_START_S, False):
                child.wait()
            if child.poll() is None:
                child.kill()
                child.wait()
        self._file.close()

    def report(self) -> dict[str, Any] | None:
        """What stands in the manifest; None where there was no target."""
        if self._endpoint is None:
            return None
        errors, widths = sorted(self.errors_s), sorted(self._widths_s)
        return {
            "n": len(errors),
            "failed": self.failed,
            "ttft_error_p50_s": _quantile_s(errors, 50),
            "ttft_error_p99_s": _quantile_s(errors, 99),
            "ttft_error_max_s": _quantile_s(errors, 100),
            "truth_width_p50_s": _quantile_s(widths, 50),
            "truth_width_p99_s": _quantile_s(widths, 99),
        }

    def _start_target(self) -> int:
        self._child = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a terminal's Ctrl-C must not reach it before the drain is over
        )
        with gevent.Timeout(_START_S, TimeoutError(f"silent for {_START_S:g} s")):
            return int(self._child.stdout.readline())

    def _ask_on(self) -> None:
        """Irregularly, so that it falls in step with nothing."""
        gaps = random.Random("self-check")
        while not self._timetable.over(time.time()):
            gevent.sleep(gaps.uniform(0.5, 1.5) / self.rate_rps)
            if not self._pool.full():
                self._pool.spawn(self._ask)

    def _ask(self) -> None:
        assert self._endpoint is not None
        at = time.time()
        phase = self._timetable.phase(at)
        exchange = Exchange()
        self._transport.send(self._endpoint, _REQUEST, exchange, lambda so_far: bool(_reply(so_far).chunks))
        reply = _reply(exchange)
        failure = exchange.failure or reply.failure
        truth = _TRUTH.findall(b"".join(exchange.body))
        if failure or len(truth) < 2 or reply.ttft_s is None:
            self.failed += phase == "measure"
            self._writer.writerow([f"{at:.6f}", phase, "", "", "", "", "", "", failure.kind if failure else "protocol"])
            return
        from_s, until_s = _truth_s(truth)
        error_s = max(0.0, reply.ttft_s - until_s, from_s - reply.ttft_s)
        if phase == "measure":
            self.errors_s.append(error_s)
            self._widths_s.append(until_s - from_s)
        times = (f"{value:.6f}" for value in (reply.ttft_s, from_s, until_s, error_s))
        lag_s = exchange.observer_lag_s or 0.0
        self._writer.writerow([f"{at:.6f}", phase, *times, int(reply.bounded[0]), f"{lag_s:.6f}", ""])


def _reply(exchange: Exchange) -> Any:
    return reply_of(exchange, _DIALECT, stream=True)


def _truth_s(events: list[tuple[bytes, bytes, bytes]]) -> tuple[float, float]:
    """The interval in which the first event left, in seconds since the request's arrival: the second event tells it."""
    received_ns, from_ns, until_ns = map(int, events[1])
    return (from_ns - received_ns) / 1e9, (until_ns - received_ns) / 1e9


def _quantile_s(ordered: list[float], p_percent: int) -> float | None:
    """Inverted CDF."""
    return round(ordered[-(-p_percent * len(ordered) // 100) - 1], 6) if ordered else None

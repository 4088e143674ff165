"""A Row is one client under one load, measured: its errors against the truth, and what it cost meanwhile."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from providers.errors import RunError
from tests.bench.clients import EVENTS, WARM_UP_S, Client, Figures, Load
from tests.bench.truth import CACHE, Truth, truth

ROOT = Path(__file__).parents[2]
LATE_MS = 1.0  # a server that is later than this at p99 has not kept the schedule it swears to
_LOOK_S, _LOOK_AT_ALL_S = 0.1, 0.5  # how often CPU time is read; finding a session's processes costs more


@dataclass(frozen=True, slots=True)
class Seat:
    """Where server and client run: a core each, and a priority."""

    cores: tuple[int, int]
    fifo: bool = False

    @property
    def priority(self) -> str:
        return "SCHED_FIFO" if self.fifo else "ordinary"

    @property
    def server(self) -> list[str]:
        return [*(("chrt", "-f", "60") if self.fifo else ()), "taskset", "-c", str(self.cores[0])]

    @property
    def client(self) -> list[str]:
        return [*(("chrt", "-f", "50") if self.fifo else ()), "taskset", "-c", str(self.cores[1])]


@dataclass(frozen=True, slots=True)
class Row:
    client: str
    load: Load
    seat: Seat
    figures: Figures
    command: str

    @property
    def late(self) -> bool:
        return self.figures["late_p99_ms"] > LATE_MS


def measure(client: Client, load: Load, seat: Seat, limit_s: float = 120.0) -> Row:
    """One server, one client, one load; RunError when the client did not get through it."""
    folder = CACHE / "row"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with truth(folder, seat.server, tls=load.tls) as server:
        command = [*seat.client, *client.command(load, server.url, folder)]
        wall_s, meter = _run(command, folder / "log.txt", limit_s, session=client.processes)
    if not len(server.requests):
        raise RunError(f"{client.name}: sent nothing: {_last_line(folder / 'log.txt')}")
    try:
        figures = _cost(server, meter, load, wall_s) | client.read(folder, server)
    except (OSError, LookupError, ValueError) as error:
        raise RunError(
            f"{client.name}: its report cannot be read ({error}): {_last_line(folder / 'log.txt')}"
        ) from None
    told = shlex.join(command).replace(f"{ROOT}/", "")
    return Row(client.name, load, seat, figures, told)


def medians(rows: Iterable[Row]) -> list[Row]:
    """The repetitions of a row as one: each figure's median."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.load.label, row.client, row.seat.priority), []).append(row)
    return [_median(group) for group in groups.values()]


def _median(group: Sequence[Row]) -> Row:
    first = group[0]
    figures = {name: median(row.figures[name] for row in group) for name in first.figures}
    return Row(first.client, first.load, first.seat, figures, first.command)


def _cost(server: Truth, meter: Meter, load: Load, wall_s: float) -> Figures:
    """CPU, pace and time outside the load; all from the server's log and the meter, none from the client's word."""
    begin_ns, end_ns = server.window(WARM_UP_S)
    window_s = (end_ns - begin_ns) / 1e9
    log = server.requests
    done = float(log.last_ns.between(begin_ns, end_ns).sum()) if load.whole else server.events(begin_ns, end_ns)
    return {
        "cpu_us": meter.cpu_s(begin_ns, end_ns) / done * 1e6 if done else float("nan"),
        "a_second": done / window_s,
        "rate": float("nan") if load.whole else done / window_s / (EVENTS * load.requests_a_second),
        "outside_s": wall_s - float(log.last_ns.max() - log.arrival_ns.min()) / 1e9,
        "late_p99_ms": server.late_p99_ms,
    }


class Meter(threading.Thread):
    """User and system time of a process, or of its whole session, read again and again while it runs."""

    def __init__(self, pid: int, *, session: bool) -> None:
        super().__init__(daemon=True)
        self._pid, self._session = pid, session
        self._over = threading.Event()
        self._at_ns: list[int] = []
        self._cpu_s: list[float] = []

    def run(self) -> None:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))  # this thread: the server must never wait for it
        while not self._over.wait(_LOOK_AT_ALL_S if self._session else _LOOK_S):
            if cpu_ns := self._cpu_ns():
                self._at_ns.append(time.monotonic_ns())
                self._cpu_s.append(cpu_ns / 1e9)

    def stop(self) -> None:
        self._over.set()
        self.join()

    def cpu_s(self, begin_ns: int, end_ns: int) -> float:
        begin, end = np.interp([begin_ns, end_ns], self._at_ns, self._cpu_s)
        return float(end - begin)

    def _cpu_ns(self) -> int:
        return sum(map(_cpu_ns, _session(self._pid) if self._session else (self._pid,)))


def _session(leader: int) -> Iterator[int]:
    """The processes of a session, the fourth field after the name in /proc/PID/stat; a name may hold anything."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[3]) == leader:
                yield int(path.parent.name)


def _cpu_ns(pid: int) -> int:
    """A process' CPU clock as clock_getcpuclockid(3) names it: to the nanosecond, where /proc counts in 10 ms."""
    try:
        return time.clock_gettime_ns(~pid << 3 | 2)
    except OSError:  # it has ended
        return 0


def _run(command: Sequence[str], log: Path, limit_s: float, *, session: bool) -> tuple[float, Meter]:
    """(wall time, meter) of a command run to its end; whatever it leaves behind in its session ends with it."""
    began = time.monotonic()
    with log.open("w", encoding="utf-8") as out:
        child = subprocess.Popen(
            command, cwd=ROOT, start_new_session=True, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    meter = Meter(child.pid, session=session)
    meter.start()
    try:
        child.wait(limit_s)
        return time.monotonic() - began, meter
    except subprocess.TimeoutExpired:
        raise RunError(f"{shlex.join(command[:8])} ...: not done within {limit_s:g} s: {_last_line(log)}") from None
    finally:
        meter.stop()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")[:200]

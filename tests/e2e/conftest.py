"""The whole harness as a user runs it: a real ``locust`` process against the simulator, and its run folder."""

from __future__ import annotations

import csv
import functools
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from providers.run import Run, find_runs
from providers.sample import Sample, from_row

ROOT = Path(__file__).parents[2]
COMPARE = "locustfiles/compare.py"
LOCUST = (sys.executable, "-m", "locust", "-f", str(ROOT / COMPARE))


@dataclass(frozen=True)
class Outcome:
    """What a ``locust`` process left behind."""

    code: int
    out: str
    err: str
    results: Path

    @property
    def run(self) -> Run:
        return next(find_runs(self.results))

    def samples(self) -> list[Sample]:
        with self.run.samples.open(newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            next(rows)
            return [from_row(row) for row in rows]

    def truth(self) -> dict[str, dict[str, str]]:
        with self.run.truth.open(newline="", encoding="utf-8") as file:
            logged = list(csv.DictReader(file))
        by_id = {row["request_id"]: row for row in logged}
        assert len(logged) == len(by_id)
        return by_id

    def check_identity(self) -> None:
        """Scheduled = finished + failed + dropped + cut_off, to the unit, in every run that was closed."""
        for run in find_runs(self.results):
            manifest = run.read_manifest()
            if manifest["ended"] == "running":
                continue
            with run.samples.open(newline="", encoding="utf-8") as file:
                rows = Counter((row["provider"], _fate(row["error"])) for row in csv.DictReader(file))
            for name, counts in manifest["counts"].items():
                fates = {fate: rows[name, fate] for fate in ("finished", "failed", "dropped", "cut_off")}
                assert counts["scheduled"] == sum(fates.values()), (run.path.name, name, counts, fates)
                assert counts["dropped"] == fates["dropped"], (run.path.name, name, counts, fates)

    def error_lines(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("Error: ")]


Harness = Callable[..., Outcome]


def _fate(error: str) -> str:
    """How a request ended, of the four ways there are."""
    return error if error in {"dropped", "cut_off"} else "failed" if error else "finished"


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _default_sigint() -> None:
    # A shell without job control starts us with SIGINT ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def run_locust(
    folder: Path,
    *arguments: str,
    headless: bool = True,
    signals: Sequence[tuple[Any, int]] = (),
    env: dict[str, str] | None = None,
    locustfile: str = COMPARE,
) -> Outcome:
    """Run ``locust``; ``signals`` are (seconds to wait, or a text to wait for on stderr; signal number)."""
    folder.mkdir(exist_ok=True)
    results, log = folder / "results", folder / "stderr.txt"
    program = [*LOCUST[:-1], str(ROOT / locustfile)]
    with log.open("w", encoding="utf-8") as stderr:
        child = subprocess.Popen(
            [*program, *(["--headless"] if headless else []), "--results", str(results), *arguments],
            stdout=subprocess.PIPE,
            stderr=stderr,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            preexec_fn=_default_sigint,  # noqa: PLW1509 - single-threaded test process
        )
        try:
            for moment, number in signals:
                _await(moment, log)
                child.send_signal(number)
            out, _ = child.communicate(timeout=90)
        finally:
            if child.poll() is None:
                child.kill()
                child.communicate()
    outcome = Outcome(child.returncode, out, log.read_text(encoding="utf-8"), results)
    outcome.check_identity()
    return outcome


@pytest.fixture
def locust(tmp_path: Path) -> Harness:
    """``run_locust`` with results in the test's own folder."""
    return functools.partial(run_locust, tmp_path)


@pytest.fixture(scope="module")
def locust_once(tmp_path_factory: pytest.TempPathFactory) -> Harness:
    """The same for a run that all tests of a file look at."""
    return functools.partial(run_locust, tmp_path_factory.mktemp("run"))


def _await(moment: Any, log: Path) -> None:
    """Wait for seconds, or for a text in the log."""
    if isinstance(moment, int | float):
        time.sleep(moment)
        return
    deadline = time.monotonic() + 20
    while moment not in log.read_text(encoding="utf-8") and time.monotonic() < deadline:
        time.sleep(0.02)

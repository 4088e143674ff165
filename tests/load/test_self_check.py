"""The self-check: a real target, a real transport, and a client that is made late on purpose."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import gevent
import pytest

from locustfiles.engine import self_check
from locustfiles.engine.experiment import Timetable
from locustfiles.engine.self_check import COLUMNS, SelfCheck
from locustfiles.engine.transport import Transport

ROOT = Path(__file__).parents[2]
SLACK_S = 0.010  # a busy machine may put this process aside between clock and send


@pytest.fixture
def check(transport, tmp_path, monkeypatch):
    """Forty times a second, in the measured window."""
    monkeypatch.setattr(self_check, "MOST_RPS", 40.0)
    timetable = Timetable(0.0, 60.0)
    timetable.begin(time.time())
    made = SelfCheck(transport, timetable, tmp_path / "self_check.csv", 100.0)
    assert "" == made.start()
    yield made
    made.stop()


def rows(check):
    with Path(check._file.name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def alive(pid):
    """Running, not merely unburied."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_healthy_client_is_right_and_every_answer_is_a_row(check):
    """TTFT lies in the interval that the target itself gives, or very near."""
    gevent.sleep(1.5)
    report = check.report()
    assert report["n"] > 20
    assert 0 == report["failed"]
    assert 0 <= report["ttft_error_p50_s"] <= SLACK_S
    assert report["ttft_error_p50_s"] <= report["ttft_error_p99_s"] <= report["ttft_error_max_s"]
    assert 0 < report["truth_width_p50_s"] < SLACK_S
    written = rows(check)
    assert tuple(written[0]) == COLUMNS
    assert len([row for row in written if row["phase"] == "measure" and not row["failure"]]) == report["n"]
    for row in written:
        assert 0.05 <= float(row["truth_from_s"]) <= float(row["truth_until_s"])


def test_a_target_that_is_late_itself_is_not_our_error(check):
    """It stands still for 0.4 s in the middle of its answers: their TTFT grows, and the truth grows with it."""
    gevent.sleep(0.5)
    for _ in range(3):
        check._child.send_signal(signal.SIGSTOP)
        gevent.sleep(0.4)
        check._child.send_signal(signal.SIGCONT)
        gevent.sleep(0.4)
    slow = [row for row in rows(check) if not row["failure"] and float(row["ttft_s"]) > 0.2]
    assert len(slow) > 5
    errors = sorted(float(row["error_s"]) for row in slow)
    assert errors[len(errors) // 2] <= SLACK_S


def test_a_client_that_fetches_its_reads_late_is_told_so(check):
    """A blocked loop finds several events in one read, whose stamp is the last one's: TTFT is off by the gaps."""
    gevent.sleep(0.3)
    for _ in range(5):
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            pass
        gevent.sleep(0.02)
    assert check.report()["ttft_error_p99_s"] > 0.015
    assert any(row["bounded"] == "1" for row in rows(check))


def test_a_target_that_dies_holds_nothing_up_and_counts_as_failed(check):
    """The load goes on; what failed is in the file by its kind."""
    gevent.sleep(0.3)
    check._child.kill()
    before = time.monotonic()
    gevent.sleep(0.4)
    assert time.monotonic() - before < 2
    assert check.report()["failed"] > 0
    assert {"connection", "truncated"} & {row["failure"] for row in rows(check)}


def test_without_a_target_the_run_goes_on_and_is_told_why(transport, tmp_path, monkeypatch):
    """Whatever stands in the way of a second process."""
    monkeypatch.setattr(self_check, "_PROGRAM", tmp_path / "missing.py")
    check = SelfCheck(transport, Timetable(0.0, 1.0), tmp_path / "self_check.csv", 1.0)
    assert check.start().startswith("no self-check in this run: its target did not start")
    assert check.report() is None
    check.stop()


def test_the_target_ends_with_the_self_check(check):
    """An orderly stop waits for it."""
    pid = check._child.pid
    assert alive(pid)
    check.stop()
    assert not alive(pid)


def test_the_target_dies_with_a_parent_that_was_killed():
    """SIGKILL leaves no time to tidy up."""
    script = (
        "import locust, os, sys, time, pathlib\n"
        "from locustfiles.engine.experiment import Timetable\n"
        "from locustfiles.engine.self_check import SelfCheck\n"
        "from locustfiles.engine.transport import Transport\n"
        "check = SelfCheck(Transport(), Timetable(0, 1), pathlib.Path(os.devnull), 1.0)\n"
        "assert not check.start()\n"
        "print(check._child.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert -signal.SIGKILL == done.returncode, done.stderr
    pid = int(done.stdout)
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(pid)
    assert os.getpid() != pid


def test_it_asks_no_faster_than_the_providers_are_asked(transport, tmp_path):
    """min(2 requests/s, rate)."""
    table = Timetable(0.0, 1.0)
    rates = [SelfCheck(transport, table, tmp_path / f"{rate}.csv", rate) for rate in (0.5, 50.0)]
    assert [0.5, 2.0] == [check.rate_rps for check in rates]
    for check in rates:
        check.stop()


def test_the_transport_is_the_one_that_asks_providers(check):
    """No second way to measure: its connections are the hub's, kernel stamps and all."""
    assert isinstance(check._transport, Transport)
    gevent.sleep(0.3)
    assert check._endpoint.idle
    assert all(connection._hub is check._transport.hub for connection in check._endpoint.idle)

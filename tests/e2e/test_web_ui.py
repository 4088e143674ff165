"""The web UI starts and stops measured runs, one folder each, and obeys nobody from elsewhere."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time

import pytest
import requests

from providers.run import find_runs
from tests.e2e.conftest import LOCUST, ROOT


@pytest.fixture
def web_ui(tmp_path):
    """A running web UI: (its address, its results folder)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = shutil.copy(ROOT / "tests/e2e/data/quick.yaml", tmp_path / "providers.yaml")
    flags = ["--web-port", str(port), "--results", str(tmp_path), "--providers", str(file)]
    child = subprocess.Popen([*LOCUST, *flags, "--warm-up", "1s", "--rate", "5"], cwd=ROOT, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    for _ in range(100):
        try:
            requests.get(address, timeout=2)
            break
        except requests.ConnectionError:
            time.sleep(0.1)
    yield address, tmp_path
    child.send_signal(signal.SIGTERM)
    assert child.wait(20) is not None


def _start(address, **form):
    answer = requests.post(f"{address}/swarm", data={"user_count": 1, "spawn_rate": 1, **form}, timeout=20)
    assert answer.json()["success"], answer.text


def _await_end(results, count):
    """The newest of ``count`` finished runs."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        runs = list(find_runs(results))
        if len(runs) == count and all(run.read_manifest()["ended"] != "running" for run in runs):
            return runs[0].read_manifest()
        time.sleep(0.2)
    raise AssertionError(f"{count} finished runs expected, found {[run.run_id for run in find_runs(results)]}")


def test_a_run_from_the_form_is_timed_by_the_form_and_the_next_has_its_own_folder(web_ui):
    """The run time typed is the measured window; Stop ends a run early; both leave whole folders."""
    address, results = web_ui
    _start(address, run_time="3s")
    first = _await_end(results, 1)
    assert ("finished", 3.0) == (first["ended"], first["config"]["phases"]["window_s"])
    assert {"fast", "slow"} == set(first["counts"])
    rows = requests.get(f"{address}/stats/requests", timeout=5).json()["stats"]
    assert {("TTFT", "fast"), ("chat", "slow")} <= {(row["method"], row["name"]) for row in rows}
    _start(address, run_time="60s")
    time.sleep(3)
    assert requests.post(f"{address}/stop", timeout=30).ok
    second = _await_end(results, 2)
    assert ("stopped", False) == (second["ended"], second["complete"])
    for counts in second["counts"].values():
        assert counts["scheduled"] == counts["finished"] > 0


def test_a_page_from_elsewhere_cannot_start_a_run(web_ui):
    """A POST with a foreign Origin is refused, one with our own is not a matter of origin."""
    address, results = web_ui
    form = {"user_count": 1, "spawn_rate": 1}
    foreign = requests.post(f"{address}/swarm", data=form, headers={"Origin": "http://evil.example"}, timeout=5)
    assert 403 == foreign.status_code
    assert [] == list(find_runs(results))


def test_a_start_that_cannot_be_had_is_refused_in_the_form_with_its_reason(web_ui):
    """The providers file was edited meanwhile: the run would be played by one file and recorded as another."""
    address, results = web_ui
    with (results / "providers.yaml").open("a", encoding="utf-8") as file:
        file.write("  - {name: third}\n")
    answer = requests.post(f"{address}/swarm", data={"user_count": 1, "spawn_rate": 1}, timeout=5).json()
    assert not answer["success"]
    assert "changed since this process started" in answer["message"]
    assert [] == list(find_runs(results))

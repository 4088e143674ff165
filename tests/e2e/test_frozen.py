"""A provider that freezes is measured as its users would have met it, and moves nobody else's figures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

FREEZE_S = 10.0
MOCKS = "providers: [{name: p, type: mock, mock: {ttft_s: 0.2, gap_s: 0.01, tokens_per_chunk: 32}}]\n"
LOAD = ("--rate", "15", "--warm-up", "2s", "-t", "18s", "--no-score", "--no-preflight", "--no-self-check")


@pytest.fixture
def servers(tmp_path):
    """Two simulators in processes of their own: (process, base URL) each."""
    (tmp_path / "mocks.yaml").write_text(MOCKS)
    command = [sys.executable, "-m", "providers", "simulate", str(tmp_path / "mocks.yaml"), "--until-eof"]
    children = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    yield [(child, json.loads(child.stdout.readline())["base_url"]) for child in children]
    for child in children:
        child.send_signal(signal.SIGCONT)
        child.stdin.close()
        child.wait(10)
        child.stdout.close()


def _percentile(values, p):
    return sorted(values)[-(-len(values) * p // 100) - 1]


def _freeze(child, log):
    while not (log.exists() and "All users spawned" in log.read_text()):
        time.sleep(0.02)
    time.sleep(5)
    os.kill(child.pid, signal.SIGSTOP)
    time.sleep(FREEZE_S)
    os.kill(child.pid, signal.SIGCONT)


def _run(locust, tmp_path, servers, *, frozen):
    entries = ", ".join(
        f"{{name: {name}, type: http, base_url: '{url}/p/v1'}}"
        for name, (_, url) in zip(("steady", "frozen"), servers, strict=True)
    )
    (tmp_path / "two.yaml").write_text(f"providers: [{entries}]\n")
    (tmp_path / "stderr.txt").unlink(missing_ok=True)
    freezer = threading.Thread(target=_freeze, args=(servers[1][0], tmp_path / "stderr.txt"))
    if frozen:
        freezer.start()
    outcome = locust("--providers", str(tmp_path / "two.yaml"), *LOAD)
    if frozen:
        freezer.join()
    return {
        name: [s for s in outcome.samples() if s.phase == "measure" and s.provider == name]
        for name in ("steady", "frozen")
    }


@pytest.mark.timeout(120)
def test_frozen_provider_is_dated_from_the_schedule_and_leaves_the_others_alone(locust, tmp_path, servers):
    """Ten of eighteen seconds: its response p90 is nine seconds; steady's TTFT moves within max(2 ms, 3 %)."""
    calm = _run(locust, tmp_path, servers, frozen=False)
    hit = _run(locust, tmp_path, servers, frozen=True)
    assert calm["steady"]
    assert {s.pair for s in calm["steady"]} == {s.pair for s in hit["steady"]}
    for p in (50, 95):
        before, after = (_percentile([s.ttft_s for s in run["steady"]], p) for run in (calm, hit))
        assert abs(after - before) <= max(0.002, 0.03 * before)
    lags = [s.lag_s for s in calm["steady"] + calm["frozen"] if s.connection == "reused"]
    assert _percentile(lags, 99) <= 0.005
    rows = hit["frozen"]
    thaw = max(s.scheduled_at + s.lag_s + s.ttft_s for s in rows if s.ttft_s > 2)
    owed = [max(0.2, thaw - s.scheduled_at) if thaw - FREEZE_S - 0.2 < s.scheduled_at < thaw else 0.2 for s in rows]
    met = [s.lag_s + s.ttft_s for s in rows]
    assert pytest.approx(_percentile(owed, 90), abs=0.5) == _percentile(met, 90)

"""A sweep as a user runs it: it finds the knee that the simulator was given, and goes on with whoever has none yet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from providers.run import find_runs

ROOT = Path(__file__).parents[2]
RATES = [8, 12, 18, 27, 40.5]
LADDER = ("--rate", "8", "--factor", "1.5", "--max-rate", "42", "--step", "5s", "--warm-up", "1s", "--drain", "10s")


def sweep(folder, *arguments):
    command = [sys.executable, "-m", "locust", "-f", "locustfiles/sweep.py", "--headless", "--results", str(folder)]
    given = (*LADDER, "--providers", "tests/e2e/data/knee.yaml", "--slo", "ttft=0.3,tpot=0.04", *arguments)
    return subprocess.run(
        [*command, *given], cwd=ROOT, env={**os.environ}, capture_output=True, text=True, check=False, timeout=100
    )


def test_a_sweep_finds_the_configured_knee_within_one_step(tmp_path):
    """10 at once for 0.5 s each are 20 requests/s, above the step of 18; the other provider is never stopped."""
    seed = str(int.from_bytes(os.urandom(2), "big")) if "NEPHOSCOPE_LONG" in os.environ else "1"
    done = sweep(tmp_path, "--seed", seed)
    run = next(find_runs(tmp_path))
    found = json.loads(run.summary.read_text(encoding="utf-8"))["sweep"]["providers"]
    assert found["narrow"]["knee_rps"] in RATES[1:4], done.stderr
    assert RATES[2] < found["narrow"]["hi_rps"]
    assert None is found["wide"]["hi_rps"]
    assert RATES == [step["rate_rps"] for step in found["wide"]["steps"]]
    assert "narrow: over its knee" in done.stderr
    assert "Knees:" in done.stdout
    assert "narrow,default,chat,all,knee_rps,requests/s," in run.results.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--factor", "1"), "--factor 1"),
        (("--max-rate", "2"), "--max-rate 2"),
        (("-t", "10s"), "-t"),
        (("-u", "2"), "--arrivals closed"),
        (("--attainment", "1.5"), "--attainment"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused_in_one_line(tmp_path, arguments, named):
    """Before any request; exit 2."""
    done = sweep(tmp_path, *arguments)
    assert 2 == done.returncode
    assert [named] == [named for line in done.stderr.splitlines() if line.startswith("Error: ") and named in line]
    assert [] == list(find_runs(tmp_path))

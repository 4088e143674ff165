"""What a newcomer reads first: the list of harness flags, and the example experiments."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command):
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )


def test_help_lists_every_harness_flag_over_its_variable():
    """Locust prints its own help before it has met ours: this is where they stand."""
    done = run("locustfiles", "--help")
    listed = dict(re.findall(r"^(--[a-z-]+) .*\n  (LOCUST_[A-Z_]+)", done.stdout, re.MULTILINE))
    assert {flag: f"LOCUST_{flag[2:].replace('-', '_').upper()}" for flag in listed} == listed
    assert {"--providers", "--workload", "--arrivals", "--rate", "--max-cost-usd", "--plan"} <= listed.keys()
    assert (0, "") == (done.returncode, done.stderr)


def test_the_list_takes_no_flags():
    """Whoever writes one wants to run it: one line says how."""
    done = run("locustfiles", "--rate", "4")
    assert (2, "") == (done.returncode, done.stdout)
    assert "Error: --rate 4: this command only lists flags; run them with locust\n" == done.stderr


@pytest.mark.parametrize(("example", "asked"), [("open", "653"), ("closed", "as answered")])
def test_an_example_experiment_runs_as_written(example, asked):
    """``locust --config`` understands every key of it; nothing is sent to plan it."""
    done = run("locust", "--config", f"locustfiles/{example}.conf", "--plan")
    assert 0 == done.returncode, done.stderr
    assert 3 == len(re.findall(rf"^\w+ +{asked} ", done.stdout, re.MULTILINE)), done.stdout

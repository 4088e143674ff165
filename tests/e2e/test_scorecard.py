"""From a fresh folder to a scorecard in one command, on the providers that ship."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def outcome(locust_once):
    """What ``make demo`` does, shorter. On a machine busy with other work the run may judge itself INVALID: exit 3."""
    done = locust_once("--rate", "20", "--warm-up", "3s", "-t", "15s")
    assert done.code == (3 if "INVALID" in done.out else 0), done.err
    return done


@pytest.fixture(scope="module")
def summary(outcome, tmp_path_factory):
    """Its scorecard, ranked whatever the machine was doing beside it."""
    folder = tmp_path_factory.mktemp("scored")
    command = [sys.executable, "-m", "scoring", str(outcome.run.path), "--accept-invalid", "--out", str(folder)]
    subprocess.run(command, check=False, capture_output=True)
    return json.loads((folder / "summary.json").read_text(encoding="utf-8"))


def test_headless_run_ends_with_the_scorecard_in_words(outcome):
    """The last thing printed is the score: verdict first, mock data said plainly, the next command last."""
    assert "MOCK DATA" in outcome.out
    for name in ("aws", "gcp", "azure"):
        assert name in outcome.out
    assert outcome.out.rindex("Next: ") > outcome.out.rindex("TTFT")


def test_configured_ranking_comes_out_with_intervals(summary):
    """The order that providers/mock.yaml intends, intervals of some width, chances that add up to one."""
    (tag,) = summary["tags"]
    assert ["aws", "gcp", "azure"] == tag["ranking"]
    chances = 0.0
    for provider in tag["providers"]:
        assert 0 <= provider["score_lo"] < provider["score_hi"] <= 100
        assert provider["score"] == pytest.approx(sum(provider["contributions"].values()), abs=1e-6)
        chances += provider["p_first"]["fixed"]
    assert 1.0 == pytest.approx(chances, abs=0.01)


def test_verdict_blames_nothing_but_a_busy_machine_and_names_mock_data(summary):
    """Of all reasons only those that other work on this machine causes may stand; that these are mocks is a note."""
    verdict = summary["verdict"]
    blamed = {reason["code"] for reason in verdict["reasons"]}
    assert blamed <= {"send_lag", "loop_lag", "worker_cpu", "bounded_events", "under_delivered", "windows_lt_30"}
    assert "mock_data" in {note["code"] for note in verdict["notes"]}


def test_scoring_again_gives_the_same_bytes(outcome):
    """Two processes, the same samples, the same files."""
    files = (outcome.run.results, outcome.run.summary)
    before = [file.read_bytes() for file in files]
    subprocess.run([sys.executable, "-m", "scoring", str(outcome.run.path)], check=False, capture_output=True)
    assert before == [file.read_bytes() for file in files]

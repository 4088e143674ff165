"""From a fresh folder to a scorecard in one command, on the providers that ship."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def outcome(locust_once):
    """What ``make demo`` does, shorter."""
    done = locust_once("--rate", "20", "--warm-up", "3s", "-t", "15s")
    assert 0 == done.code, done.err
    return done


def test_headless_run_ends_with_the_scorecard_in_words(outcome):
    """The last thing printed is the score: verdict first, mock data said plainly, the next command last."""
    assert "MOCK DATA" in outcome.out
    for name in ("aws", "gcp", "azure"):
        assert name in outcome.out
    assert outcome.out.rindex("Next: ") > outcome.out.rindex("TTFT")


def test_configured_ranking_comes_out_with_intervals(outcome):
    """The order that providers/mock.yaml intends, each score inside its interval, every provider with a chance."""
    (tag,) = json.loads(outcome.run.summary.read_text(encoding="utf-8"))["tags"]
    assert ["aws", "gcp", "azure"] == tag["ranking"]
    chances = 0.0
    for provider in tag["providers"]:
        assert 0 <= provider["score_lo"] < provider["score_hi"] <= 100
        assert provider["score"] == pytest.approx(sum(provider["contributions"].values()), abs=1e-6)
        chances += provider["p_first"]["fixed"]
    assert 1.0 == pytest.approx(chances, abs=0.01)


def test_verdict_names_mock_data_and_nothing_on_our_side_is_invalid(outcome):
    """A clean local run is never INVALID; that its providers are mocks is a note."""
    verdict = json.loads(outcome.run.summary.read_text(encoding="utf-8"))["verdict"]
    assert verdict["level"] in ("VALID", "DEGRADED")
    assert "mock_data" in {note["code"] for note in verdict["notes"]}


def test_scoring_again_gives_the_same_bytes(outcome):
    """Two processes, the same samples, the same files."""
    files = (outcome.run.results, outcome.run.summary)
    before = [file.read_bytes() for file in files]
    subprocess.run([sys.executable, "-m", "scoring", str(outcome.run.path)], check=True, capture_output=True)
    assert before == [file.read_bytes() for file in files]

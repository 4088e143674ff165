"""The verdict of real runs: a spoiled client is INVALID, a clean one VALID, and a bad provider keeps its low rank."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from providers.reasons import INVALID, VALID
from tests.e2e.conftest import ROOT, Outcome, run_locust

QUICK = "tests/e2e/data/quick.yaml"
BUSY = "tests/e2e/data/busy.py"
OURS = {"send_lag", "bounded_events", "loop_lag", "worker_cpu", "self_check"}


def summary_of(outcome: Outcome):
    return json.loads(outcome.run.summary.read_text(encoding="utf-8"))


def reasons_of(summary):
    return {(reason["code"], reason["level"]) for reason in summary["verdict"]["reasons"]}


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory) -> Outcome:
    """A busy loop beside the load from the third second on, and nobody who stops the run."""
    return run_locust(
        tmp_path_factory.mktemp("spoiled"), "--providers", QUICK, "--rate", "10", "--warm-up", "1s", "-t", "8s",
        locustfile=BUSY,
    )  # fmt: skip


def test_an_overloaded_client_is_invalid(spoiled):
    """Whatever it measured is refused a rank, with the reasons and what to do, and exit 3."""
    assert 3 == spoiled.code
    summary = summary_of(spoiled)
    assert INVALID == summary["verdict"]["level"]
    assert {(code, INVALID) for code in OURS} <= reasons_of(summary)
    (tag,) = summary["tags"]
    assert [] == tag["ranking"]
    assert [(None, None)] * 2 == [(p["rank"], p["score"]) for p in tag["providers"]]
    assert "lower --rate or -u" in spoiled.out.lower()
    assert "INVALID so far: " in spoiled.err


def test_the_self_check_saw_what_the_kernel_could_not_mend(spoiled):
    """Reads that gathered several events: TTFT was off by their gaps, and the report says where it looked."""
    (worker,) = spoiled.run.read_manifest()["workers"]
    assert worker["self_check"]["ttft_error_p99_s"] > 0.03
    assert "It sees neither the network card nor the way to a provider" in " ".join(spoiled.out.split())


def test_the_live_file_had_said_so(spoiled):
    """While the run was on, in words, by provider."""
    lines = [json.loads(line) for line in spoiled.run.live.read_text(encoding="utf-8").splitlines()]
    assert lines[0]["cells"][0]["verdict"]["level"] is None
    verdict = lines[-1]["cells"][0]["verdict"]
    assert (INVALID, True) == (verdict["level"], verdict["final"])
    assert verdict["words"].startswith("INVALID so far: ")
    assert "loop_lag" in verdict["words"]


def test_invalid_is_ranked_only_where_it_is_accepted_and_every_output_is_stamped(spoiled, tmp_path):
    """In the report, the summary, the tidy table and the list of runs."""
    command = [sys.executable, "-m", "scoring", str(spoiled.run.path), "--accept-invalid", "--out", str(tmp_path / "r")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert 3 == done.returncode
    assert "ranked nevertheless, by --accept-invalid" in done.stdout
    summary = json.loads((tmp_path / "r" / "summary.json").read_text(encoding="utf-8"))
    assert summary["accepted_invalid"]
    assert "accepted_invalid" in (tmp_path / "r" / "results.csv").read_text(encoding="utf-8")
    assert "accepted_invalid" not in spoiled.run.results.read_text(encoding="utf-8")
    (tmp_path / "r" / "manifest.json").write_bytes(spoiled.run.manifest.read_bytes())
    listed = subprocess.run(
        [sys.executable, "-m", "scoring", "list", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "160"},
    )  # fmt: skip
    assert "INVALID (mock, accepted)" in listed.stdout


def test_a_run_that_cannot_become_valid_is_ended_when_asked(tmp_path):
    """Drained, marked, every request a row, long before its minute is over, and exit 3."""
    outcome = run_locust(
        tmp_path, "--providers", QUICK, "--rate", "10", "--warm-up", "1s", "-t", "60s", "--stop-on-invalid",
        "--no-score", locustfile=BUSY,
    )  # fmt: skip
    assert 3 == outcome.code
    manifest = outcome.run.read_manifest()
    assert ("invalid", False) == (manifest["ended"], manifest["complete"])
    assert manifest["phases"]["end_at"] < manifest["phases"]["measure_at"] + 30
    assert "Stopping: this run ends INVALID whatever comes: " in outcome.err
    for counts in manifest["counts"].values():
        assert counts["scheduled"] == counts["finished"] > 0


def test_a_clean_run_is_valid(tmp_path):
    """Thirty windows of two healthy providers: nothing on our side to complain about, and exit 0."""
    outcome = run_locust(
        tmp_path, "--providers", "tests/e2e/data/clean.yaml", "--rate", "10", "--warm-up", "2s", "-t", "33s",
        "--stop-on-invalid",
    )  # fmt: skip
    summary = summary_of(outcome)
    assert set() == reasons_of(summary)
    assert (0, VALID) == (outcome.code, summary["verdict"]["level"])
    assert ["near", "far"] == summary["tags"][0]["ranking"]
    assert "INVALID" not in outcome.err


def test_a_provider_that_stalls_drops_or_is_dead_keeps_its_low_rank(tmp_path):
    """Its failures are its own: DEGRADED at most, ranked below the healthy one."""
    outcome = run_locust(
        tmp_path, "--providers", "tests/e2e/data/sick.yaml", "--rate", "10", "--warm-up", "1s", "-t", "12s",
        "--max-cost-usd", "1",
    )  # fmt: skip
    (tag,) = summary_of(outcome)["tags"]
    assert "healthy" == tag["ranking"][0]
    assert {"stalling", "dropping", "dead"} == set(tag["ranking"][1:])
    assert INVALID not in {provider["verdict"]["level"] for provider in tag["providers"]}
    assert outcome.code in (0, 3)


def test_a_provider_whose_places_run_out_is_degraded_and_last(tmp_path):
    """512 requests in flight and none answered: what is dropped then is its failure, not our missing delivery."""
    outcome = run_locust(
        tmp_path, "--providers", "tests/e2e/data/full.yaml", "--rate", "60", "--warm-up", "1s", "-t", "12s",
        "--drain", "2s", "--no-preflight",
    )  # fmt: skip
    dropped = [sample for sample in outcome.samples() if sample.error == "dropped"]
    assert {"swallowing"} == {sample.provider for sample in dropped}
    (tag,) = summary_of(outcome)["tags"]
    assert ["healthy", "swallowing"] == tag["ranking"]
    (swallowing,) = (provider for provider in tag["providers"] if provider["name"] == "swallowing")
    assert ("DEGRADED", "failed") == (swallowing["verdict"]["level"], swallowing["status"])
    assert "provider_overloaded" in swallowing["verdict"]["reasons"]
    assert "under_delivered" not in swallowing["verdict"]["reasons"]


def test_the_self_check_is_in_nobody_elses_numbers(tmp_path):
    """No sample, no spend, no row of Locust's; and with --no-self-check no file and no figure."""
    short = ("--providers", QUICK, "--rate", "5", "--warm-up", "0s", "-t", "3s", "--no-score")
    with_it = run_locust(tmp_path / "with", *short)
    assert 3 <= with_it.run.read_manifest()["workers"][0]["self_check"]["n"] <= 8
    for file in ("samples.csv", "locust_stats.csv", "live.jsonl", "truth.csv"):
        text = (with_it.run.path / file).read_text(encoding="utf-8")
        assert "self-check" not in text
        assert "self_check" not in text
    assert {"fast", "slow"} == {sample.provider for sample in with_it.samples()}
    without = run_locust(tmp_path / "without", *short, "--no-self-check")
    assert not without.run.self_check.exists()
    assert without.run.read_manifest()["workers"][0]["self_check"] is None

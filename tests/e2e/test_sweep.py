"""A sweep as a user runs it: knees where capacity put them, nothing asked beyond them, the same knees offline."""

from __future__ import annotations

import csv
import json
import os

import pytest

from tests.e2e.conftest import Outcome, run_locust

SWEEP = "locustfiles/sweep.py"
KNEES = "tests/e2e/data/knees.yaml"
SEED = os.environ.get("NEPHOSCOPE_SEED", "1")  # make test-long gives every repetition another
TRUTH_RPS = {"early": 14.0, "late": 22.0}


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Outcome:
    """10 to 30.5 requests/s in six steps of six seconds."""
    return run_locust(
        tmp_path_factory.mktemp("swept"), "--providers", KNEES, "--rate", "10", "--max-rate", "31", "--step", "6s",
        "--settle", "1.5s", "--warm-up", "2s", "--slo", "ttft=0.3", "--seed", SEED, locustfile=SWEEP,
    )  # fmt: skip


def found(outcome):
    sweep = json.loads(outcome.run.summary.read_text(encoding="utf-8"))["sweep"]
    return sweep, {own["name"]: own for own in sweep["providers"]}


def test_each_configured_knee_is_found_within_one_step(swept):
    """Capacity over service time: 14 and 22 requests/s; a cause, and an interval around what was found."""
    sweep, knees = found(swept)
    rates = sweep["rates_rps"]
    for name, truth in TRUTH_RPS.items():
        own = knees[name]
        at = max(index for index, rate in enumerate(rates) if rate <= truth)
        assert abs(rates.index(own["rate_rps"]) - at) <= 1, own
        assert (own["lo_rps"] or 0) <= own["rate_rps"] < (own["hi_rps"] or 1e9)


def test_a_provider_is_asked_nothing_more_beyond_its_knee_and_the_other_goes_on(swept):
    """What the load process decided is what scoring finds, and the run is complete."""
    _, knees = found(swept)
    manifest = swept.run.read_manifest()
    assert ("finished", True) == (manifest["ended"], manifest["complete"])
    assert manifest["counts"]["early"]["scheduled"] < manifest["counts"]["late"]["scheduled"]
    assert f"early meets the SLOs up to {knees['early']['rate_rps']:.3g}" in " ".join(swept.out.split())
    begin, step_s = manifest["phases"]["measure_at"], manifest["config"]["sweep"]["step_s"]
    last = max(s.scheduled_at for s in swept.samples() if s.provider == "early") - begin
    assert last < (len(knees["early"]["steps"]) + 1) * step_s  # a step later at most: answers were awaited
    assert "early: at " in swept.err
    for counts in manifest["counts"].values():
        assert counts["scheduled"] == counts["finished"]


def test_overload_beyond_a_knee_spoils_no_verdict(swept):
    """Beyond is what a sweep is for: the scorecard counts what all bore."""
    summary = json.loads(swept.run.summary.read_text(encoding="utf-8"))
    codes = {reason["code"] for reason in summary["verdict"]["reasons"]}
    assert set() == codes & {"load_unequal", "not_simultaneous", "provider_overloaded", "n_small", "windows_lt_30"}
    assert {"early", "late"} == {provider["name"] for provider in summary["tags"][0]["providers"]}
    assert 1 == len({provider["n"] for provider in summary["tags"][0]["providers"]})


def test_every_step_is_a_row_of_the_table(swept):
    """Knee, attainment, throughput and speed for each user, by provider."""
    with swept.run.results.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {"early", "late"} == {row["provider"] for row in rows if row["metric"] == "knee_rps"}
    steps = {row["scenario"] for row in rows if row["provider"] == "late" and "@" in row["scenario"]}
    _, knees = found(swept)
    assert len(knees["late"]["steps"]) == len(steps)
    fastest = max(step["tokens_per_s"] for step in knees["early"]["steps"])
    assert fastest < 1.2 * 14 * 128  # no overload delivers more than capacity


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("-u", "4"), "a sweep offers rates"),
        (("-t", "60s"), "the steps of a sweep make its window"),
        (("--settle", "10s"), "leaves nothing of --step"),
        (("--rate", "9", "--max-rate", "8"), "--max-rate 8: below --rate 9"),
        (("--rates", "4,2"), "expected rates that rise"),
        (("--factor", "1"), "expected a factor above 1"),
        (("--attainment", "1"), "expected a share between 0 and 1"),
        (("--rates", "1,2"), "cannot show an attainment of 0.9"),
    ],
)
def test_what_cannot_be_climbed_is_refused_in_one_line(locust, flags, says):
    """Exit 2 before any request."""
    outcome = locust("--providers", KNEES, *flags, locustfile=SWEEP)
    assert 2 == outcome.code
    (line,) = outcome.error_lines()
    assert says in line
    assert not outcome.results.exists()

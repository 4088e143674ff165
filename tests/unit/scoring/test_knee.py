"""A sweep from its rows: the knees that the load process saw, what each step delivered, and a scorecard of its own."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest

from locustfiles.engine.climb import asked
from providers.knee import Staircase
from providers.knee import knee as knee_of
from providers.run import Run
from scoring.__main__ import main
from scoring.cell import make_cell
from scoring.frame import read_frame
from scoring.knee import requests_of, sweep
from scoring.knee_figure import knee_figure
from scoring.knee_words import compare_command
from scoring.summary import SCHEMA
from tests.unit.scoring.synthetic import AWS, GCP, MEASURE_AT, Experiment, failed

STEP_S, RATES = 6.0, (20.0, 25.0, 30.0, 35.0, 40.0)
SLO = {"ttft_s": 0.6, "tpot_s": 0.1}
PLAN = {"rates_rps": RATES, "step_s": STEP_S, "settle_s": 1.0, "attainment": 0.9, "alpha": 0.05}


def edit(sample):
    """AWS fails in the third step and is asked no more from the fourth on; GCP is slow but good."""
    step = (sample.scheduled_at - MEASURE_AT) // STEP_S
    if sample.provider == "aws" and step >= 3:
        return None
    late = replace(sample, ttft_s=3.0, e2e_s=4.0, end_s=4.1)
    if sample.provider == "aws" and step == 2:
        return late if int(sample.pair) % 2 else failed(sample, "overloaded", status=529)
    return replace(sample, ttft_s=0.3, e2e_s=1.0, end_s=1.1)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    experiment = Experiment((AWS, GCP), rate_rps=30.0, window_s=30.0, edit=edit)
    path = tmp_path_factory.mktemp("runs") / "swept"
    written = experiment.write(path)
    manifest = written.read_manifest()
    steps = [{"until_s": 2 + STEP_S * (n + 1), "rate_rps": rate} for n, rate in enumerate(RATES)]
    manifest["config"] |= {"sweep": PLAN, "slo": SLO}
    manifest["config"]["arrivals"] |= {"rate_rps": None, "steps": steps}
    manifest["command"] = "locust -f locustfiles/sweep.py --headless --rate=20 --step 6s --seed 1"
    written.write_manifest(manifest)
    assert 0 == main([str(path)])
    return written


def test_the_load_process_and_scoring_see_the_same_requests(run):
    """Sample by sample from the file, row by row from the frame: equal, and so is the knee they lead to."""
    stairs = Staircase(RATES, STEP_S, 1.0, 0.9)
    samples = [s for s in Experiment((AWS, GCP), 30.0, 30.0, edit=edit).samples() if s.provider == "aws"]
    seen = [asked(sample, sample.scheduled_at - MEASURE_AT, SLO) for sample in samples]
    frame = read_frame(run)
    cell = make_cell("aws", "", frame.samples[frame.samples["provider"] == "aws"])
    read = requests_of(cell, MEASURE_AT, SLO)
    assert [r.good for r in seen] == [r.good for r in read]
    assert [r.at_s for r in seen] == pytest.approx([r.at_s for r in read], abs=2e-6)
    assert [r.until_s for r in seen] == pytest.approx([r.until_s for r in read], abs=5e-6)
    here, there = knee_of(stairs, seen, 3), knee_of(stairs, read, 3)
    assert (here.rate_rps, here.lo_rps, here.hi_rps) == (there.rate_rps, there.lo_rps, there.hi_rps)


def test_each_provider_has_its_knee_and_the_others_steps_do_not_matter(run):
    """AWS fails at 30 requests/s; GCP bears all, and nothing is claimed beyond what it was asked."""
    found = json.loads(run.summary.read_text(encoding="utf-8"))["sweep"]
    knees = {own["name"]: own for own in found["providers"]}
    assert (25.0, 25.0, 30.0, "fails") == tuple(knees["aws"][k] for k in ("rate_rps", "lo_rps", "hi_rps", "cause"))
    assert (40.0, 40.0, None, None) == tuple(knees["gcp"][k] for k in ("rate_rps", "lo_rps", "hi_rps", "cause"))
    assert (3, 5) == (len(knees["aws"]["steps"]), len(knees["gcp"]["steps"]))


def test_the_scorecard_counts_the_steps_that_all_bore(run):
    """Two of five: as many requests of each, no overload, no unequal load, and both are ranked on their own."""
    summary = json.loads(run.summary.read_text(encoding="utf-8"))
    assert 2 == summary["sweep"]["common_steps"]
    assert 12.0 == pytest.approx(summary["run"]["window_s"])
    one, other = summary["tags"][0]["providers"]
    assert one["n"] == other["n"]
    assert 1.0 == one["success"]["value"] == other["success"]["value"]
    assert [] == summary["verdict"]["reasons"]


def test_tokens_are_counted_when_they_came(run):
    """Half-filled streams count by half: at about 30 requests/s of 64 tokens no step delivers more than that."""
    frame = read_frame(run)
    found = sweep(frame, SLO)
    gcp = next(own for own in found.climbed if own.name == "gcp")
    for part in gcp.steps[1:]:
        assert part.tokens_per_s == pytest.approx(64 * part.step.n / 5.0, rel=0.25)
    assert any(part.best for part in gcp.steps)


def test_an_interrupted_sweep_judges_only_whole_steps(run):
    """Where the run broke off in a step, that step says nothing."""
    frame = read_frame(run)
    kept = frame.samples[frame.samples["scheduled_at"] < MEASURE_AT + 1.5 * STEP_S]
    broken = replace(
        frame, samples=kept, measured=kept[kept["phase"] == "measure"], manifest={**frame.manifest, "complete": False}
    )
    assert [1, 1] == [len(own.knee.steps) for own in sweep(broken, SLO).climbed]


def test_the_next_command_compares_what_all_bore(run):
    """Without the sweep's own flags, at the highest common rate."""
    found = sweep(read_frame(run), SLO)
    command = run.read_manifest()["command"]
    step = json.loads(run.summary.read_text(encoding="utf-8"))["tags"][0]["next"]
    assert {"advice": "compare them at a rate that all can bear", "command": compare_command(command, found)} == step
    assert "locust --headless --seed 1 --rate 25" == compare_command(command, found)


def test_a_knee_of_a_run_that_we_spoiled_says_so(run, tmp_path):
    """INVALID stands beside the knee, not only above the report."""
    manifest = run.read_manifest()
    manifest["workers"][0]["loop_lag_p99_s"] = 0.5
    spoiled = Run(tmp_path)
    spoiled.write_manifest(manifest)
    spoiled.samples.write_bytes(run.samples.read_bytes())
    assert 3 == main([str(tmp_path)])
    knees = json.loads(spoiled.summary.read_text(encoding="utf-8"))["sweep"]["providers"]
    assert ["INVALID", "INVALID"] == [own["level"] for own in knees]
    assert all("INVALID: our side may have made this knee." in own["sentence"] for own in knees)


def test_the_figure_draws_steps_and_marks_what_lies_beyond(run):
    """Right angles between measured points; the failing step is an open marker; mock data is stamped."""
    figure = knee_figure(json.loads(run.summary.read_text(encoding="utf-8"))["sweep"], mock=True)
    assert {"vh"} == {trace.line.shape for trace in figure.data if trace.mode == "lines"}
    assert ["-open" in symbol for symbol in figure.data[1].marker.symbol] == [False, False, True]
    assert "MOCK DATA" == figure.layout.annotations[0].text


def test_a_run_that_is_no_sweep_has_none(tmp_path):
    """The part stands in every summary, empty."""
    path = tmp_path / "plain"
    Experiment((AWS, GCP), window_s=12.0).write(path)
    assert 0 == main([str(path)])
    assert None is json.loads((path / "summary.json").read_text(encoding="utf-8"))["sweep"]


def test_a_sweep_keeps_the_schema_and_its_methods_tell_the_steps(run):
    """Its knees are part of the summary, and the kit is made of it as of any run."""
    assert main([str(run.path), "--paper"]) in (0, 3)
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.validate(json.loads(run.summary.read_text(encoding="utf-8")), schema)
    told = "The rate climbed in steps of 6 s: 20, 25, 30, 35, 40 requests per second."
    assert told in (run.path / "methods.md").read_text(encoding="utf-8")

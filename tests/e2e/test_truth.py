"""What the harness measured against what the simulator logged of itself, request by request."""

from __future__ import annotations

import json
import statistics
from collections import Counter

import pytest

FAULTS = "tests/e2e/data/faults.yaml"


@pytest.fixture(scope="module")
def outcome(locust_once):
    """Eight seconds of open loop at every kind of mock provider."""
    done = locust_once("--providers", FAULTS, "--rate", "8", "--warm-up", "1s", "-t", "7s", "--no-score", "--seed", "3")
    assert done.code == 0, done.err
    return done


def test_every_logged_request_is_one_sample_that_agrees_with_the_log(outcome):
    """Ids, error kinds, chunks, tokens, cost and times: nothing is lost, doubled or misread."""
    samples, truth = outcome.samples(), outcome.truth()
    sent = {sample.request_id: sample for sample in samples if sample.connection}
    assert len(samples) == len({sample.request_id for sample in samples})
    assert set(truth) == set(sent)
    for request_id, sample in sent.items():
        logged = truth[request_id]
        where = f"{request_id}: {sample}\n{logged}"
        assert logged["error"] == sample.error, where
        assert int(logged["chunks"] or 0) == sample.chunks, where
        if not sample.error:
            assert int(logged["input_tokens"]) == sample.input_tokens == 128, where
            assert int(logged["output_tokens"]) == sample.output_tokens, where
            expected_usd = (sample.input_tokens * 1.0 + sample.output_tokens * 4.0) / 1e6
            assert expected_usd == pytest.approx(sample.cost_usd, abs=1e-6), where
    _compare_times(truth, [sample for sample in sent.values() if sample.chunks])
    _compare_counts(outcome)


def test_windows_of_the_manifest_sum_up_the_rows(outcome):
    """Seven measured seconds are one window; what can be counted in the rows is counted alike, the rest was watched."""
    ((window,), rows) = (
        outcome.run.read_manifest()["workers"][0]["windows"],
        [sample for sample in outcome.samples() if sample.phase == "measure"],
    )
    answers = [sample for sample in rows if sample.stamp]
    assert (0.0, 7.0) == (window["from_s"], window["until_s"])
    assert len(answers) == window["answers"] > 100
    assert sum(s.stamp == "kernel" for s in answers) / len(answers) == pytest.approx(window["kernel_stamped"], abs=1e-6)
    bounded, chunks = (sum(getattr(s, name) for s in answers) for name in ("bounded_chunks", "chunks"))
    assert bounded / chunks == pytest.approx(window["bounded"], abs=1e-6)
    for name, values in (
        ("observer_lag_p99_s", [s.observer_lag_s or 0.0 for s in answers]),
        ("lateness_p99_s", [max(0.0, s.lag_s) for s in rows if s.connection]),
    ):
        expected_s = sorted(values)[-(-99 * len(values) // 100) - 1]
        assert expected_s == pytest.approx(window[name], abs=1.1e-4), name
    assert 0 < window["cpu"] <= 1.5
    assert 0 < window["loop_lag_max_s"]
    assert 8 <= window["sockets"] <= len(rows)


def _compare_times(truth, samples):
    """Medians against the log, with slack for a busy machine; the log's clock starts a little after s."""
    for name, limit_s in (("ttft_s", 0.005), ("ttfo_s", 0.005), ("e2e_s", 0.005), ("gap_p50_s", 0.001)):
        errors = [
            getattr(sample, name) - float(truth[sample.request_id][name])
            for sample in samples
            if truth[sample.request_id][name]
        ]
        assert len(errors) > 100
        assert abs(statistics.median(errors)) < limit_s, name
        # Nagle in the simulator would move every first token that follows its role chunk within 40 ms.
        assert sum(abs(error) > 0.01 for error in errors) < 0.05 * len(errors), name
        if name != "gap_p50_s":
            assert min(errors) > -0.001, f"{name}: measured before it happened"


def _compare_counts(outcome):
    manifest = outcome.run.read_manifest()
    rows = Counter(sample.provider for sample in outcome.samples())
    for provider, counts in manifest["counts"].items():
        assert counts["scheduled"] == counts["finished"] == rows[provider]
        assert counts["lost"] == 0


def test_each_kind_of_fault_was_met(outcome):
    """The comparison above would be empty praise if nothing had failed."""
    kinds = {name: Counter() for name in ("failing", "truncating", "malformed", "stalling", "throttled", "healthy")}
    for sample in outcome.samples():
        if sample.provider in kinds:
            kinds[sample.provider][sample.error] += 1
    assert kinds["failing"]["server"] > 5
    assert kinds["truncating"]["truncated"] > 5
    assert kinds["malformed"]["protocol"] > 5
    assert kinds["stalling"]["timeout_idle"] + kinds["stalling"]["timeout_first_token"] > 5
    assert kinds["throttled"]["rate_limited"] > 5
    assert set(kinds["healthy"]) == {""}


def test_reasoning_comes_first_and_is_kept_apart(outcome):
    """TTFT is the first reasoning fragment, TTFO the first answer; both kinds of tokens are counted."""
    thinking = [s for s in outcome.samples() if s.provider == "thinking" and not s.error]
    assert all(sample.ttfo_s > sample.ttft_s for sample in thinking)
    assert {10} == {sample.reasoning_tokens for sample in thinking}


def test_providers_are_asked_the_same_prompt_at_the_same_instant(outcome):
    """One pair, one prompt, one scheduled instant; starts lie within milliseconds of it."""
    pairs: dict[str, list] = {}
    for sample in outcome.samples():
        if sample.phase == "measure":
            pairs.setdefault(sample.pair, []).append(sample)
    assert len(pairs) > 30
    for members in pairs.values():
        assert len({sample.provider for sample in members}) == 7
        assert len({(sample.prompt_id, sample.scheduled_at) for sample in members}) == 1
    lags = [sample.lag_s for members in pairs.values() for sample in members if sample.connection == "reused"]
    assert min(lags) >= 0
    assert statistics.median(lags) < 0.01


def test_locust_keeps_its_own_statistics_and_ours_do_not_count_as_requests(outcome):
    """TTFT and TPOT are rows of their own in the native CSV; Aggregated counts requests only."""
    with (outcome.run.path / "locust_stats.csv").open(encoding="utf-8") as file:
        rows = [line.split(",") for line in file]
    counts = {(row[0], row[1]): int(row[2]) for row in rows[1:]}
    sent = sum(1 for sample in outcome.samples() if sample.phase != "preflight")
    assert sent == counts["", "Aggregated"]
    assert counts["TTFT", "healthy"] == counts["chat", "healthy"] == counts["TPOT", "healthy"]
    for name in ("stats_history", "failures", "exceptions"):
        assert (outcome.run.path / f"locust_{name}.csv").is_file()


def test_live_lines_end_at_the_counts_of_the_manifest(outcome):
    """live.jsonl has a line a second, and its last totals are the run's."""
    lines = [json.loads(line) for line in outcome.run.live.read_text(encoding="utf-8").splitlines()]
    assert len(lines) >= 8
    assert {"warmup", "measure", "drain"} <= {line["phase"] for line in lines}
    last = {cell["provider"]: cell for cell in lines[-1]["cells"]}
    for name, counts in outcome.run.read_manifest()["counts"].items():
        assert (counts["scheduled"], counts["sent"]) == (last[name]["scheduled"], last[name]["sent"])
        assert last[name]["in_flight"] == 0

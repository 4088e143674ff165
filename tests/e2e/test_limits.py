"""What an entry allows is what its provider gets, by the provider's own log; what waited for it says so."""

from __future__ import annotations

import json

QUICK = ("--warm-up", "0s", "--no-preflight", "--seed", "3")


def _file(tmp_path, limits):
    path = tmp_path / "limited.yaml"
    path.write_text(
        "defaults: {type: mock, capability: c}\nproviders:\n"
        f"  - {{name: limited, limits: {limits}, mock: {{ttft_s: 0.1, gap_s: 0.01, tokens_per_chunk: 64}}}}\n"
        "  - {name: free, mock: {ttft_s: 0.1, gap_s: 0.01, tokens_per_chunk: 64}}\n"
    )
    return str(path)


def _sent(outcome, name):
    return sorted((s for s in outcome.samples() if s.provider == name), key=lambda s: s.scheduled_at)


def test_no_second_of_the_providers_log_has_more_than_max_rps(locust, tmp_path):
    """Asked for 12 a second, allowed 5: the rest waits, is let go after the window, and response latency shows it."""
    outcome = locust(
        "--providers", _file(tmp_path, "{max_rps: 5}"), "--rate", "12", "-t", "4s", "--drain", "20s", *QUICK
    )
    came = sorted(float(row["arrived_at"]) for row in outcome.truth().values() if row["provider"] == "limited")
    assert 5 == max(sum(0 <= other - at < 1 for other in came) for at in came)
    samples = _sent(outcome, "limited")
    counts = outcome.run.read_manifest()["counts"]
    assert (
        len(samples) == len(_sent(outcome, "free")) == counts["limited"]["finished"] == counts["limited"]["scheduled"]
    )
    assert counts["limited"]["held"] == sum(sample.held_s is not None for sample in samples) > 10
    assert 0 == counts["free"]["held"]
    assert all(sample.lag_s >= sample.held_s for sample in samples if sample.held_s)
    reasons = json.loads(outcome.run.summary.read_text())["verdict"]["reasons"]
    assert {"limited"} == {r["provider"] for r in reasons if r["code"] == "limit_held"}
    assert "under_delivered" not in {r["code"] for r in reasons}
    # The waits are seconds; of 48 requests the largest other lag is the p99, and a busy machine may add milliseconds.
    assert all(r["figure"] < 0.2 for r in reasons if r["code"] == "send_lag")


def test_what_waits_when_the_drain_is_over_is_cut_off_and_counted(locust, tmp_path):
    """One at a time and a short drain: every arrival is a row all the same."""
    outcome = locust(
        "--providers", _file(tmp_path, "{max_concurrency: 1}"),
        "--rate", "30", "-t", "2s", "--drain", "0.5s", "--no-score", *QUICK,
    )  # fmt: skip
    samples = _sent(outcome, "limited")
    assert 1 == max(sample.in_flight for sample in samples if sample.connection)
    cut = [sample for sample in samples if sample.error == "cut_off"]
    assert len(cut) > 10
    assert "held back by limits.max_concurrency 1" in cut[-1].detail
    assert all(sample.held_s == sample.lag_s for sample in cut if not sample.connection)
    counts = outcome.run.read_manifest()["counts"]["limited"]
    assert len(samples) == counts["scheduled"] == counts["finished"]

"""A cold start is asked for, shown as a figure of its own, and in no other."""

from __future__ import annotations

import csv
import json

PROVIDERS = """\
defaults: {type: mock, capability: c, mock: {ttft_s: 0.1, gap_s: 0.01, tokens_per_chunk: 32}}
providers:
  - {name: sleepy, mock: {cold_start_s: 0.8}}
  - {name: awake}
"""


def test_first_request_is_a_figure_of_its_own_beside_the_warm_median(locust, tmp_path):
    """0.8 s and 0.1 s make nine times the warm 0.1 s; neither the median nor the tail of the window knows of it."""
    (tmp_path / "sleepy.yaml").write_text(PROVIDERS)
    outcome = locust(
        "--providers", str(tmp_path / "sleepy.yaml"), "--cold-start", "--rate", "12", "--warm-up", "1s", "-t", "12s"
    )
    cold = [sample for sample in outcome.samples() if sample.phase == "cold"]
    assert {"sleepy", "awake"} == {sample.provider for sample in cold}
    assert ["new", "new"] == [sample.connection for sample in cold]
    assert "preflight" not in {sample.phase for sample in outcome.samples()}
    for sample in cold:  # before anything else had touched the provider
        assert sample.started_at == min(s.started_at for s in outcome.samples() if s.provider == sample.provider)
        assert abs(sample.ttft_s - float(outcome.truth()[sample.request_id]["ttft_s"])) < 0.02
    with outcome.run.results.open(newline="") as file:
        rows = {
            (row["provider"], row["metric"]): row["value"] for row in csv.DictReader(file) if row["region"] == "all"
        }
    assert 0.85 < float(rows["sleepy", "cold_ttft"]) < 1.0
    assert 7 < float(rows["sleepy", "cold_ttft_ratio"]) < 10
    assert 0.7 < float(rows["awake", "cold_ttft_ratio"]) < 1.6
    assert float(rows["sleepy", "ttft_p95"]) < 0.2
    assert "Cold start of sleepy: TTFT" in outcome.out
    assert outcome.run.read_manifest()["config"]["cold_start"]
    assert "cold_ttft" in json.loads(outcome.run.summary.read_text())["tags"][0]["providers"][0]["metrics"]

"""Traces are replayed at their instants and lengths; sessions take turns, with a provider's own answers or a script."""

from __future__ import annotations

import json

import pytest

ROWS = [(0.0, 20, 5), (0.5, 40, 9), (0.5, 30, 3), (1.75, 25, 4), (2.5, 60, 8)]
QUICK = ("--providers", "tests/e2e/data/quick.yaml", "--warm-up", "1s", "--no-preflight", "--no-score")
OWN = """\
name: own
session: {turns: 3, turn_input_tokens: 12, history: own}
output_tokens: 16
"""


def _trace(tmp_path, rows=ROWS):
    path = tmp_path / "traffic.jsonl"
    lines = (json.dumps({"at_s": at_s, "input_tokens": i, "output_tokens": o}) for at_s, i, o in rows)
    path.write_text("\n".join(lines) + "\n")
    return ("--arrivals", "trace", "--trace", str(path))


@pytest.mark.parametrize(("window", "replayed"), [("60s", 5), ("1s", 4)])
def test_trace_is_replayed_to_its_end_or_the_windows(locust, tmp_path, window, replayed):
    """The same instants and lengths for both providers; a short trace ends the run, a long one is cut."""
    outcome = locust(*_trace(tmp_path), *QUICK, "-t", window)
    assert 0 == outcome.code, outcome.err
    manifest = outcome.run.read_manifest()
    begin = manifest["phases"]["warmup_at"]
    for name, counts in manifest["counts"].items():
        samples = sorted((s for s in outcome.samples() if s.provider == name), key=lambda s: int(s.pair))
        assert ROWS[:replayed] == [
            (round(s.scheduled_at - begin, 3), s.target_input_tokens, s.target_output_tokens) for s in samples
        ]
        assert replayed == counts["scheduled"] == counts["finished"]
        truth = outcome.truth()
        assert [row[1] for row in ROWS[:replayed]] == [int(truth[s.request_id]["input_tokens"]) for s in samples]
    assert "traffic.jsonl" == manifest["config"]["arrivals"]["trace"]["file"]
    assert pytest.approx(min(2.501, 1 + float(window[:-1]))) == manifest["phases"]["drain_at"] - begin
    assert "instant" == manifest["config"]["pairing"]


def test_sessions_with_their_own_history_take_turns_and_are_unpaired(locust, tmp_path):
    """Turn after turn within a seat, sessions one after the other; answers of the provider grow its prompts."""
    (tmp_path / "own.yaml").write_text(OWN)
    outcome = locust(*QUICK, "--workload", str(tmp_path / "own.yaml"), "-u", "4", "-t", "4s")
    assert "none" == outcome.run.read_manifest()["config"]["pairing"]
    fast = sorted((s for s in outcome.samples() if s.provider == "fast" and s.slot == 0), key=lambda s: s.scheduled_at)
    assert len(fast) > 6
    assert [index % 3 for index in range(len(fast))] == [s.turn for s in fast]
    assert all(len({s.session for s in fast[index : index + 3]}) == 1 for index in range(0, len(fast), 3))
    read = [int(outcome.truth()[s.request_id]["input_tokens"]) for s in fast[:3]]
    assert read[0] == 12
    assert read[0] < read[1] < read[2]

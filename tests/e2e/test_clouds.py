"""Many dialects in one run: against aimock, which we did not write, and against our simulator's own log."""

from __future__ import annotations

import csv
import json
import statistics
from collections import Counter
from pathlib import Path

import pytest

from providers.dialects import DIALECTS
from providers.simulator.child import ROOTS
from tests.conformance import aimock as aim

CACHE = Path(__file__).parents[2] / ".cache"
SPOKEN = ("openai-chat", "openai-responses", "anthropic-messages", "bedrock-converse", "vertex-gemini")
PRICE = {"input_per_1m": 1000.0, "output_per_1m": 4000.0, "source": "invented"}
COST_USD = (aim.INPUT_TOKENS * PRICE["input_per_1m"] + aim.OUTPUT_TOKENS * PRICE["output_per_1m"]) / 1e6
# Dialects that tell no count of reasoning, or have no place for it.
SILENT_ON_REASONING = {"anthropic-messages", "bedrock-converse", "ollama", "cohere-v2"}
WITHOUT_REASONING = {"openai-completions"}
SILENT_ON_CACHE = {"ollama", "bedrock-invoke"}


@pytest.fixture(scope="module")
def aimock_run(locust_once, tmp_path_factory):
    """Five dialects at once, and a sixth provider that every request is refused by."""
    folder = tmp_path_factory.mktemp("aimock")
    fixtures = [
        {"match": {"model": "refusing"}, "response": {"error": aim.REFUSAL, "status": 429, "retryAfter": aim.RETRY_S}},
        {"match": {"model": "speaking"}, "chunkSize": 4, "latency": 5, "response": aim.SAID},
    ]
    with aim.aimock(CACHE / "aimock", folder, fixtures) as address:
        entries = [entry(dialect, dialect, "speaking", address) for dialect in SPOKEN]
        entries.append(entry("refused", "openai-chat", "refusing", address))
        (folder / "providers.yaml").write_text(json.dumps({"version": 1, "providers": entries}))
        window = ("--rate", "5", "--warm-up", "1s", "-t", "6s", "--max-cost-usd", "500", "--seed", "2")
        return locust_once("--providers", str(folder / "providers.yaml"), *window, "--no-preflight")


def entry(name, dialect, model, address):
    place = {"base_url": address + ROOTS.get(dialect, ""), "dialect": dialect, "model": model}
    return {"name": name, "type": "http", **place, "price": PRICE}


def test_five_dialects_of_aimock_end_in_one_scorecard(aimock_run):
    """Tokens, cost and errors of the scorecard are right to the request."""
    assert aimock_run.code in (0, 3), aimock_run.err  # 3: a busy machine may make a cell INVALID
    samples = [sample for sample in aimock_run.samples() if sample.phase == "measure"]
    counts = Counter(sample.provider for sample in samples)
    assert {*SPOKEN, "refused"} == set(counts)
    assert 1 == len(set(counts.values())), "every provider is asked alike"
    for sample in samples:
        if sample.provider == "refused":
            assert ("rate_limited", 429, aim.RETRY_S) == (sample.error, sample.status, sample.retry_after_s)
            continue
        assert ("", 200, "stop") == (sample.error, sample.status, sample.finish), sample
        assert (aim.INPUT_TOKENS, aim.OUTPUT_TOKENS) == (sample.input_tokens, sample.output_tokens), sample
        assert "usage" == sample.token_source
        assert len(aim.ANSWER) == sample.output_chars
        assert COST_USD == pytest.approx(sample.cost_usd, abs=1e-9)
    assert_scorecard(aimock_run.run.path, counts)


def assert_scorecard(run, counts):
    """The figures that scoring drew from these rows."""
    with (run / "results.csv").open(newline="") as file:
        rows = {(r["provider"], r["metric"]): r for r in csv.DictReader(file) if r["region"] == "all"}
    summary = json.loads((run / "summary.json").read_text())
    assert all(json.dumps(name) in json.dumps(summary) for name in counts)
    for name, count in counts.items():
        assert count == int(rows[name, "success"]["n"])
        assert float(name != "refused") == float(rows[name, "success"]["value"])
    for name in SPOKEN:
        assert 1000 * COST_USD == pytest.approx(float(rows[name, "usd_per_1k_ok_requests"]["value"]))
        per_1k = 1000 * COST_USD / (aim.INPUT_TOKENS + aim.OUTPUT_TOKENS)
        assert per_1k == pytest.approx(float(rows[name, "cost_per_1k_tokens"]["value"]))
        assert aim.OUTPUT_TOKENS == float(rows[name, "output_tokens_p50"]["value"])


@pytest.fixture(scope="module")
def mock_run(locust_once, tmp_path_factory):
    """Every dialect of the simulator at once, whole and with every fault."""
    faults = {"error_rate": 0.1, "truncate_rate": 0.1, "malformed_rate": 0.1, "stream_error_rate": 0.1}
    laws = {"ttft_s": 0.1, "gap_s": 0.01, "output_tokens": 12, "reasoning_tokens": 4, "cached_tokens": 20, **faults}
    entries = [{"name": name, "type": "mock", "dialect": name, "mock": laws} for name in DIALECTS]
    file = tmp_path_factory.mktemp("mocks") / "providers.yaml"
    file.write_text(json.dumps({"version": 1, "providers": entries}))
    window = ("--rate", "4", "--warm-up", "1s", "-t", "8s", "--no-score", "--seed", "4")
    done = locust_once("--providers", str(file), *window)
    assert done.code in (0, 3), done.err
    return done


def test_every_dialect_of_the_simulator_is_read_as_its_log_tells(mock_run):
    """Ids, error kinds, chunks, tokens and finish, request by request; times of first tokens within slack."""
    truth = mock_run.truth()
    sent = {sample.request_id: sample for sample in mock_run.samples() if sample.connection}
    assert set(truth) == set(sent)
    for request_id, sample in sent.items():
        logged, dialect = truth[request_id], sample.provider
        where = f"{dialect}: {sample}\n{logged}"
        assert logged["error"] == sample.error, where
        assert int(logged["chunks"] or 0) == sample.chunks, where
        if sample.error:
            continue
        assert int(logged["input_tokens"]) == sample.input_tokens == 128, where
        assert int(logged["output_tokens"]) == sample.output_tokens == 16, where
        assert logged["finish"] == sample.finish, where
        assert sample.cached_tokens == 20 or dialect in SILENT_ON_CACHE, where
        if dialect not in SILENT_ON_REASONING:
            assert int(logged["reasoning_tokens"]) == (sample.reasoning_tokens or 0), where
        assert (sample.reasoning_chars == 0) == (dialect in WITHOUT_REASONING), where
    assert_times(truth, [sample for sample in sent.values() if sample.chunks])


def assert_times(truth, samples):
    """Per dialect, since one may be late where the others are not."""
    for dialect in DIALECTS:
        errors = [s.ttft_s - float(truth[s.request_id]["ttft_s"]) for s in samples if s.provider == dialect]
        assert len(errors) > 10
        assert min(errors) > -0.001, f"{dialect}: measured before it happened"
        assert abs(statistics.median(errors)) < 0.005, dialect


def test_every_dialect_met_faults_of_several_kinds(mock_run):
    """The comparison would be empty praise otherwise."""
    met = Counter((sample.provider, sample.error) for sample in mock_run.samples())
    assert all(met[name, ""] > 5 for name in DIALECTS)
    faulty = {name: {error for provider, error in met if provider == name and error} for name in DIALECTS}
    assert all(len(kinds) >= 2 for kinds in faulty.values()), faulty
    assert {"server", "truncated", "protocol"} == set().union(*faulty.values())

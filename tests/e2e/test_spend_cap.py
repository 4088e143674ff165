"""Money through the whole harness: a priced provider of one's own, a cap, and what the process leaves behind."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CAP_USD = 0.5
LOAD = ("--warm-up", "1s", "-t", "30s", "--no-preflight", "--no-self-check")
CLOSED = ("-u", "8", *LOAD)  # nobody can say beforehand how many requests four users are, so the cap is met on the way
MOCKS = "providers: [{name: p, type: mock, mock: {ttft_s: 0.3, gap_s: 0.01, tokens_per_chunk: 32}}]\n"
# 16 x 1.25 of input and 32 of output: 0.02 + 0.128 USD at most.
PRICED = (
    "defaults: {{type: http, base_url: '{url}/p/v1', capability: c}}\n"
    "providers: [{{name: paid, price: {{input_per_1m: 100, output_per_1m: 400, source: invented}}}}, {{name: free}}]\n"
)
WORST_USD = (20 * 100 + 32 * 400) / 1e6


@pytest.fixture
def arguments(tmp_path):
    """One simulator in a process of its own, asked as a paid provider and as one without a price."""
    (tmp_path / "mocks.yaml").write_text(MOCKS)
    (tmp_path / "even.yaml").write_text("version: 1\nname: even\ninput_tokens: 16\noutput_tokens: 32\n")
    command = [sys.executable, "-m", "providers", "simulate", str(tmp_path / "mocks.yaml"), "--until-eof"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        url = json.loads(child.stdout.readline())["base_url"]
        (tmp_path / "priced.yaml").write_text(PRICED.format(url=url))
        yield ("--providers", str(tmp_path / "priced.yaml"), "--workload", str(tmp_path / "even.yaml"))
        child.stdin.close()
        child.wait(10)


def test_the_cap_drains_marks_the_run_and_exits_5(locust, arguments):
    """Long before its end; what was in flight is finished and paid, and the cap is used to within a request."""
    outcome = locust(*arguments, *CLOSED, "--max-cost-usd", str(CAP_USD))
    assert 5 == outcome.code, outcome.err
    assert "Traceback" not in outcome.err
    manifest = outcome.run.read_manifest()
    assert ("spend_cap", False) == (manifest["ended"], manifest["complete"])
    samples = outcome.samples()
    assert {""} == {sample.error for sample in samples if sample.connection}
    spent_usd = sum(sample.cost_usd or 0.0 for sample in samples)
    assert CAP_USD - 10 * WORST_USD <= spent_usd <= CAP_USD
    assert max(sample.scheduled_at for sample in samples) - min(sample.scheduled_at for sample in samples) < 15


def test_a_price_without_a_cap_is_refused_before_anything_is_sent(locust, arguments):
    """One line that names the option; exit 2; no run."""
    outcome = locust(*arguments, *CLOSED)
    assert 2 == outcome.code
    (line,) = outcome.error_lines()
    assert "--max-cost-usd" in line
    assert not outcome.results.exists()


def test_a_plan_that_costs_more_than_the_cap_is_refused_before_anything_is_sent(locust, arguments):
    """What the schedule costs is known: 20 a second for 31 s do not fit; the line says what would."""
    outcome = locust(*arguments, *LOAD, "--rate", "20", "--max-cost-usd", str(CAP_USD))
    assert 2 == outcome.code
    (line,) = outcome.error_lines()
    assert "--max-cost-usd 0.5" in line
    assert "lower --rate or -t" in line
    assert not outcome.results.exists()

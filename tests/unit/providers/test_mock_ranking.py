"""The embedded default has a clear order, so that a first run ends in a plain answer."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest

from providers.roster import load_roster
from providers.simulator.plan import draw_plan

MOCK_FILE = Path(__file__).parents[3] / "providers" / "mock.yaml"
REQUESTS = 300
TOKENS = 128


def lower(x, best, worst):
    return min(1.0, max(0.0, math.log(worst / x) / math.log(worst / best)))


def percentile(values, p):
    return sorted(values)[math.ceil(p * len(values)) - 1]


def score(provider, requests=REQUESTS):
    """S by the formulas of the profile chat-v1, on what the mock would serve: written out here, on purpose."""
    plans = [draw_plan(provider.mock, provider.name, index, TOKENS) for index in range(requests)]
    whole = [plan.due_s for plan in plans if not plan.fault]
    ttft, e2e = [due[0] for due in whole], [due[-1] for due in whole]
    speeds = sorted((TOKENS - provider.mock.tokens_per_chunk) / (due[-1] - due[0]) for due in whole)
    speed = speeds[len(speeds) // 2]
    latency = (
        lower(percentile(ttft, 0.5), 0.15, 5) + lower(percentile(ttft, 0.95), 0.3, 15)
        + lower(percentile(e2e, 0.5), 1, 60) + lower(percentile(e2e, 0.95), 2, 120)
    ) / 4  # fmt: skip
    success = lower((requests - len(whole) + 0.5) / (requests + 1), 0.001, 0.1)
    cost = lower(provider.price.request_usd(TOKENS, TOKENS) / (2 * TOKENS) * 1000, 5e-5, 0.03)
    throughput = min(1.0, max(0.0, math.log(speed / 10) / math.log(500 / 10)))
    return 25 * (latency + success + cost + throughput)


@pytest.mark.parametrize("requests", [150, 300, 1200])
def test_the_default_mocks_rank_as_their_file_says(requests):
    """The order is aws > gcp > azure, each at least three points apart, in short and in long runs."""
    scores = {provider.name: score(provider, requests) for provider in load_roster(MOCK_FILE).providers}
    assert ["aws", "gcp", "azure"] == sorted(scores, key=scores.get, reverse=True)
    assert all(scores[a] - scores[b] >= 3 for a, b in itertools.pairwise(["aws", "gcp", "azure"]))


def test_the_default_mocks_are_the_three_clouds():
    """Names, clouds and regions that a newcomer expects, one tag, prices for all."""
    providers = load_roster(MOCK_FILE).providers
    assert [("aws", "us-east-1"), ("azure", "eastus2"), ("gcp", "us-central1")] == [
        (p.cloud, p.region) for p in providers
    ]
    assert {"mock-chat"} == {p.capability for p in providers}
    assert all(p.price.per_token for p in providers)

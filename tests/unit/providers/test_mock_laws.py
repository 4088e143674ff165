"""What a mock does, drawn and timed without a socket."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.simulator import provider as provider_module
from providers.simulator.law import draw
from providers.simulator.pace import Pace
from providers.simulator.plan import draw_plan
from providers.simulator.provider import MockProvider
from providers.simulator.quota import Quota
from providers.simulator.refusal import Refusal
from providers.spec import Law, Mock, Provider


def percentile(values, p):
    return sorted(values)[math.ceil(p * len(values)) - 1]


@pytest.mark.parametrize("dist", ["lognormal", "uniform"])
def test_draws_have_the_declared_percentiles(dist):
    """Over 20,000 draws p50 and p95 are what the law says, within 3 %."""
    rng = random.Random(1)
    drawn = [draw(Law(dist=dist, p50=0.2, p95=0.3), rng) for _ in range(20_000)]
    assert pytest.approx(0.2, rel=0.03) == percentile(drawn, 0.5)
    assert pytest.approx(0.3, rel=0.03) == percentile(drawn, 0.95)
    assert min(drawn) >= 0


def test_a_bare_number_is_a_constant():
    """A constant law draws nothing and never varies."""
    law = Mock.model_validate({"ttft_s": 0.4}).ttft_s
    assert {0.4} == {draw(law, random.Random(seed)) for seed in range(5)}


@given(st.integers(0, 10**6), st.integers(1, 300), st.integers(1, 9), st.integers(0, 50))
def test_a_plan_depends_on_seed_name_and_index_alone(index, max_tokens, per_chunk, reasoning):
    """The same key gives the same plan; its chunks hold every token and are due in order."""
    mock = Mock.model_validate({"ttft_s": {"p50": 0.2, "p95": 0.5}, "gap_s": {"p50": 0.01, "p95": 0.02},
                                "tokens_per_chunk": per_chunk, "reasoning_tokens": reasoning, "seed": 3})  # fmt: skip
    plan = draw_plan(mock, "a", index, max_tokens)
    assert plan == draw_plan(mock, "a", index, max_tokens)
    assert plan.due_s != draw_plan(mock, "b", index, max_tokens).due_s
    assert max_tokens == sum(plan.sizes)
    assert len(plan.sizes) == len(plan.due_s)
    assert min(reasoning, max_tokens) == sum(plan.sizes[: plan.reasoning_chunks])
    assert all(earlier <= later for earlier, later in itertools.pairwise(plan.due_s))


def test_each_fault_has_exactly_its_share_of_all_requests():
    """Shares exclude each other, so 10 % of each kind leaves 60 % whole."""
    mock = Mock(error_rate=0.1, truncate_rate=0.1, stall_rate=0.1, malformed_rate=0.1)
    faults = [draw_plan(mock, "a", index, 1).fault for index in range(4000)]
    for fault in ("error", "truncate", "stall", "malformed"):
        assert pytest.approx(0.1, abs=0.015) == faults.count(fault) / 4000


def test_drift_and_cold_start_enter_the_due_times():
    """Slowness multiplies every latency, the delay is added to the first token."""
    mock = Mock.model_validate({"ttft_s": 0.2, "gap_s": 0.1})
    assert pytest.approx((0.2, 0.3, 0.4)) == draw_plan(mock, "a", 0, 3).due_s
    assert pytest.approx((1.4, 1.6, 1.8)) == draw_plan(mock, "a", 0, 3, slowness=2, delay_s=1).due_s


def test_latencies_drift_by_the_minute(monkeypatch):
    """With drift 0.5 an answer takes 1.5 x 1.5 of its time after two minutes."""

    async def play():
        mock = MockProvider(Provider.model_validate({"name": "a", "type": "mock", "mock": {"ttft_s": 1, "drift": 0.5}}))
        monkeypatch.setattr(mock, "_born", mock._born - 120)
        return mock.admit(1).due_s[0]

    assert pytest.approx(2.25, rel=1e-3) == asyncio.run(play())


def test_a_cold_start_is_paid_after_idleness_by_all_who_wait_for_it(monkeypatch):
    """The first pays, one that comes during the start pays the rest, a warm one nothing, one after a pause again."""
    monkeypatch.setattr(provider_module, "IDLE_BEFORE_COLD_S", 0.2)
    entry = {"name": "a", "type": "mock", "mock": {"ttft_s": 0, "cold_start_s": 0.1}}

    async def play():
        mock = MockProvider(Provider.model_validate(entry))
        waits = []
        for pause_s in (0, 0.05, 0.1, 0.25):
            await asyncio.sleep(pause_s)
            waits.append(mock.admit(1).due_s[0])
            mock.enter()
            mock.leave()
        return waits

    first, second, warm, idle = asyncio.run(play())
    assert (0.1, 0.0, 0.1) == pytest.approx((first, warm, idle))
    assert 0 < second < 0.06


def test_a_refused_request_still_counts_as_an_arrival():
    """Quota timing must not shift the draws of the requests that follow."""
    entry = {"name": "a", "type": "mock", "mock": {"quota_rps": 1}}

    async def play():
        mock = MockProvider(Provider.model_validate(entry))
        mock.admit(1)
        with pytest.raises(Refusal):
            mock.admit(1)
        await asyncio.sleep(1.01)
        return mock.admit(1).index

    assert 2 == asyncio.run(play())


def test_a_quota_admits_its_rate_and_one_second_at_once():
    """At 10 requests/s 30 arrivals a second for 3 s pass 10 + 29 or 30 times."""
    quota = Quota(10)
    admitted = sum(quota.take(k / 30) == 0 for k in range(90))
    assert 39 <= admitted <= 40


def test_a_refusal_tells_when_the_next_request_would_pass():
    """Waiting as long as was said is enough, and a little less is not."""
    quota = Quota(0.5)
    assert 0 == quota.take(0)
    wait_s = quota.take(0.5)
    assert pytest.approx(1.5) == wait_s
    assert quota.take(0.5 + wait_s - 0.01) > 0
    assert 0 == quota.take(0.5 + wait_s)


def test_the_service_clock_follows_concurrency_at_once():
    """Two on a capacity of one run at half speed; when one leaves, the other's wait shortens while it sleeps."""

    async def play():
        loop = asyncio.get_running_loop()
        pace = Pace(1)
        pace.enter()
        pace.enter()
        start, due = loop.time(), pace.now() + 0.2
        waiting = asyncio.create_task(pace.until(due))
        await asyncio.sleep(0.2)  # 0.1 s of service
        pace.leave()
        await waiting
        return loop.time() - start

    assert pytest.approx(0.3, abs=0.03) == asyncio.run(play())


def test_below_capacity_service_runs_at_wall_speed():
    """A mock with room keeps its laws to the millisecond."""

    async def play():
        loop = asyncio.get_running_loop()
        pace = Pace(10)
        late = []
        for _ in range(10):
            pace.enter()
            due = pace.now() + 0.02
            wall = loop.time() + 0.02
            await pace.until(due)
            late.append(loop.time() - wall)
        return statistics.median(late)

    assert 0 <= asyncio.run(play()) < 0.005


def test_a_wait_that_is_cancelled_does_not_hold_up_the_others():
    """A client that leaves takes only its own timer along."""

    async def play():
        pace = Pace(None)
        first = asyncio.create_task(pace.until(pace.now() + 0.02))
        second = asyncio.create_task(pace.until(pace.now() + 0.04))
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.wait_for(second, 1)
        return first.cancelled()

    assert asyncio.run(play())

"""The knee: found where capacity put it, never sooner by more than chance, and by tests that mean what they say."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.knee import (
    ALPHA,
    BEYOND,
    FAILS,
    MEETS,
    SATURATED,
    Asked,
    Staircase,
    binomial_head,
    binomial_tail,
    judge,
    knee,
)
from tests.unit.providers.queue_of import requests

RATES = tuple(10 * 1.25**number for number in range(6))
STAIRS = Staircase(RATES, step_s=6.0, settle_s=1.5, attainment=0.9)


def asked(shares, each=60, stairs=STAIRS):
    """``each`` requests per step at equal distances in the part that counts; so large a share of them is good."""
    found = []
    for index, share in enumerate(shares):
        begin_s, end_s = stairs.part(index)
        for number in range(each):
            at_s = begin_s + (end_s - begin_s) * (number + 0.5) / each
            found.append(Asked(at_s, at_s + 0.5, 0.1, number < round(share * each)))
    return found


@pytest.mark.parametrize("capacity", [14, 22])
def test_the_knee_of_a_known_capacity_is_found_within_one_step(capacity):
    """Forty seeds each, by missed SLOs; its interval is in the right order."""
    truth = max(index for index, rate in enumerate(RATES) if rate <= capacity)
    for seed in range(40):
        found = knee(STAIRS, requests(RATES, STAIRS.step_s, capacity, seed, limit_s=0.3))
        assert abs(RATES.index(found.rate_rps) - truth) <= 1, seed
        assert (found.lo_rps or 0) <= found.rate_rps < found.hi_rps


def test_saturation_is_found_without_any_slo_missed():
    """Where every answer is in time, rising load and TTFT alone tell; the cause says so."""
    stairs = Staircase(tuple(30 * 1.25**number for number in range(6)), 10.0, 2.0, 0.9)
    for seed in range(20):
        found = knee(stairs, requests(stairs.rates_rps, stairs.step_s, 60, seed))
        assert SATURATED == found.cause, seed
        assert abs(stairs.rates_rps.index(found.rate_rps) - 3) <= 1, seed  # 58.6 of 60


def test_a_provider_far_below_its_capacity_is_stopped_no_more_often_than_stated():
    """Load of 80 % through six steps, no SLO missed: at most ALPHA of two hundred sweeps end early."""
    stairs = replace(STAIRS, rates_rps=(16.0,) * 6)
    stopped = sum(knee(stairs, requests(stairs.rates_rps, 6.0, 20, seed)).cause is not None for seed in range(200))
    assert stopped <= ALPHA * 200


def test_attainment_at_the_target_is_failed_and_met_no_more_often_than_stated():
    """Requests that are good with the target's own chance: each of the two tests errs in at most its share."""
    rng = random.Random(1)
    failed = met = 0
    for _ in range(1000):
        good = sum(rng.random() < STAIRS.attainment for _ in range(90))
        failed += binomial_head(90, good, STAIRS.attainment) <= ALPHA
        met += binomial_tail(90, good, STAIRS.attainment) <= ALPHA
    assert max(failed, met) <= 1000 * ALPHA + 3 * math.sqrt(1000 * ALPHA)


@given(st.integers(1, 200), st.floats(0.01, 0.99), st.data())
def test_the_binomial_tails_share_one_value_and_make_one(n, p, data):
    """P(at most k) + P(at least k) = 1 + P(k)."""
    k = data.draw(st.integers(0, n))
    exactly = math.comb(n, k) * p**k * (1 - p) ** (n - k)
    assert 1 + exactly == pytest.approx(binomial_head(n, k, p) + binomial_tail(n, k, p), abs=1e-9)


@given(st.lists(st.floats(0, 1), min_size=6, max_size=6), st.integers(0, 5), st.floats(0, 1))
def test_better_answers_never_lower_the_knee(shares, place, better):
    """More good requests in one step: rate and both ends stay or rise."""
    improved = [max(share, better) if index == place else share for index, share in enumerate(shares)]
    before, after = knee(STAIRS, asked(shares)), knee(STAIRS, asked(improved))
    assert (before.rate_rps or 0) <= (after.rate_rps or 0)
    assert (before.lo_rps or 0) <= (after.lo_rps or 0)
    assert (before.hi_rps or math.inf) <= (after.hi_rps or math.inf)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.integers(1, 59))
def test_an_early_stop_is_one_that_all_answers_would_confirm(shares, unknown):
    """Unknown answers taken for good ones: who fails then fails whatever they are."""
    index = len(shares) - 1
    known = [request for request in asked(shares) if STAIRS.step(request.at_s) == index][unknown:]
    early = judge(STAIRS, index, known, unknown, complete=False)
    assert early.outcome not in BEYOND or FAILS == judge(STAIRS, index, known).outcome


def test_the_interval_runs_from_the_last_rate_shown_to_the_first_refuted():
    """Between them lies a rate that met the target as observed, with too few requests to show it."""
    found = knee(STAIRS, asked([1.0, 1.0, 1.0, 0.93, 0.87, 0.2]))
    assert (RATES[2], RATES[3], RATES[5]) == (found.lo_rps, found.rate_rps, found.hi_rps)
    assert FAILS == found.cause
    assert MEETS == found.steps[0].outcome


def test_without_a_failure_the_knee_is_open_and_without_a_success_there_is_none():
    """Nothing is invented beyond what was asked."""
    assert None is knee(STAIRS, asked([1.0] * 6)).hi_rps
    dead = knee(STAIRS, asked([0.0] * 6))
    assert (None, None, RATES[0]) == (dead.rate_rps, dead.lo_rps, dead.hi_rps)
    assert 1 == len(dead.steps)


def test_what_a_step_begins_with_does_not_count():
    """The settle time is out by rule, however bad it was; a request on the edge is in."""
    settling = [Asked(number * 0.01, 9.0, 9.0, good=False) for number in range(149)]
    assert 0 == judge(STAIRS, 0, settling).n
    assert 1 == judge(STAIRS, 0, [Asked(1.4999995, 2.0, 0.1, good=True)]).n  # as six decimals write 1.5


def test_a_cut_off_request_is_nobodys():
    """Neither good nor bad, it leaves the share alone."""
    ours = replace(asked([1.0])[0], good=None)
    assert (60, 60) == ((step := judge(STAIRS, 0, [*asked([1.0]), ours])).n, step.good)

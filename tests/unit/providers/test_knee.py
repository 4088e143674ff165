"""The law of a sweep: when a step shows a knee, and when it must not."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from providers.knee import ALPHA, Ask, Knee, Step, at_least, at_most, find, judge, rising, saturating, slope


def asks(rate_rps, capacity, *, service_s=0.5, seconds=6, limit_s=0.3, seed=1):
    """A provider that slows in proportion above its capacity, simulated fluidly, under Poisson arrivals."""
    rng, at_s, work, found = random.Random(seed), 0.0, 0.0, []
    while at_s < seconds:
        gap_s = rng.expovariate(rate_rps)
        at_s += gap_s
        done = gap_s * min(work / service_s, capacity / service_s)
        work = max(0.0, work - done) + 1
        ttft_s = rng.gauss(0.1, 0.01) * max(1.0, work / capacity)
        found.append(Ask(at_s, ttft_s <= limit_s, work, ttft_s))
    return found


def test_a_trend_test_knows_a_rise_from_its_mirror():
    """One-sided: what falls does not rise."""
    assert 0.001 > rising(list(range(12)))
    assert 1.0 == rising(list(range(12))[::-1])
    assert 1.0 == rising([3.0] * 12)
    assert 2.0 == slope([1.0, 3.0, 5.0, 7.0])


def test_binomial_tails_meet_the_published_counts():
    """MLPerf's smallest n without a violation: 44 at 90 % and 459 at 99 %, with confidence .99."""
    assert at_least(44, 44, 0.9) <= 0.01 < at_least(43, 43, 0.9)
    assert at_least(459, 459, 0.99) <= 0.01 < at_least(458, 458, 0.99)
    assert 1 == round(at_most(7, 20, 0.9) + at_least(8, 20, 0.9), 9)


def test_an_overloaded_step_is_over_and_one_at_half_load_is_met():
    """In each of ten seeds."""
    for seed in range(10):
        assert judge(40, asks(40, 10, seed=seed), 0.9, 6).over
        assert "met" == judge(10, asks(10, 10, seed=seed), 0.9, 1).state


def test_saturation_is_seen_before_any_limit_is_broken():
    """Requests in flight and TTFT rise together while every SLO still holds."""
    assert "saturated" == judge(40, asks(40, 10, limit_s=99), 0.9, 6).state


def test_without_saturation_false_alarms_stay_below_the_stated_level():
    """400 steady steps at ALPHA; three standard errors of slack."""
    alarms = sum(saturating(asks(16, 100, seed=seed), ALPHA) for seed in range(400))
    assert alarms <= 400 * ALPHA + 3 * (400 * ALPHA * (1 - ALPHA)) ** 0.5


def test_the_knee_of_a_simulated_provider_is_found_within_one_step():
    """Ten seeds; capacity 10 at 0.5 s each is 20 requests/s, between the steps 18 and 27."""
    rates = [8, 12, 18, 27, 40.5]
    for seed in range(10):
        knee = find([judge(r, asks(r, 10, seed=seed), 0.9, len(rates)) for r in rates], 0.9)
        assert knee.rate_rps in (12, 18, 27)
        assert (knee.hi_rps or 99) > 12


@given(st.integers(1, 200), st.data())
def test_more_good_requests_never_make_a_step_worse(n, data):
    """Failed, open, met: in the order of the share."""
    less = data.draw(st.integers(0, n))
    more = data.draw(st.integers(less, n))
    order = ["failed", "open", "met"]
    states = [judge(1, [Ask(k, k < good, 1, None) for k in range(n)], 0.9, 5).state for good in (less, more)]
    assert order.index(states[0]) <= order.index(states[1])


@given(st.lists(st.sampled_from(["met", "open", "failed", "saturated"]), max_size=8))
def test_the_knee_lies_below_what_was_shown_not_to_meet(states):
    """And its lower end was shown to meet; nothing above the first failure counts."""
    good = {"met": 100, "open": 91, "failed": 10, "saturated": 100}
    knee = find([Step(k + 1.0, 100, good[state], state) for k, state in enumerate(states)], 0.9)
    if knee.hi_rps is not None and knee.rate_rps is not None:
        assert knee.rate_rps < knee.hi_rps
    if knee.lo_rps is not None:
        assert knee.rate_rps is not None
        assert knee.lo_rps <= knee.rate_rps


def test_an_empty_sweep_has_no_knee():
    """Unknown is None, never 0."""
    assert Knee(None, None, None) == find([], 0.9)

"""The parts of the choice: terms of J, strategies, breakers, the retry budget."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.breaker import Breaker
from router.budget import RetryBudget
from router.estimate import Estimate
from router.policy import Ask, Weights, choose, terms
from router.target import Prior, Target

ASK = Ask(stream=False, input_tokens=1000, output_tokens=1000, explore=False)


def target(name, e2e_s=1.0, usd=1e-6, **more):
    return Target(name, usd, usd, prior=Prior(e2e_s=e2e_s, success=1.0), **more)


def test_j_is_the_formula_of_the_readme():
    """0.7 x 2/1 + 0.3 x 1/1 over 0.5 squared, times 1 + 4/16."""
    slow = Target("slow", 1e-6, 1e-6, prior=Prior(e2e_s=2.0, success=0.5), in_flight=12)
    fast = target("fast")
    found = terms([slow, fast], ASK, Weights(), 0.0)
    assert pytest.approx(1.7 / 0.25 * 1.25) == found[0].j
    assert pytest.approx(1.0) == found[1].j


def test_an_unknown_price_is_never_the_cheapest():
    """It counts as the dearest known one."""
    found = terms([target("free", usd=None), target("dear", usd=4e-6), target("cheap")], ASK, Weights(0, 1), 0.0)
    assert [4.0, 4.0, 1.0] == [pytest.approx(term.j) for term in found]


def test_a_failing_provider_loses_although_it_is_fast():
    """Failures divide, squared."""
    fast, slow = target("fast", 0.1), target("slow", 1.0)
    for second in range(4):
        fast.failed(float(second), float(second), stream=False, reason="http_500")
    assert "slow" == choose("best", [fast, slow], ASK, Weights(1, 0), 4.0, random.Random(1)).target.name


def test_round_robin_keeps_the_weights():
    """Two and one give a b a."""
    both = [target("a", weight=2), target("b")]
    names = [choose("round_robin", both, ASK, Weights(), 0.0, random.Random(1)).target.name for _ in range(6)]
    assert ["a", "b", "a", "a", "b", "a"] == names


def test_least_inflight_counts_by_weight():
    """Three of weight 4 are fewer than one of weight 1."""
    both = [target("a", weight=4, in_flight=3), target("b", in_flight=1)]
    assert "a" == choose("least_inflight", both, ASK, Weights(), 0.0, random.Random(1)).target.name


def test_a_crowd_of_equals_does_not_herd():
    """Among four equal ones each gets a share."""
    four = [target(name) for name in "abcd"]
    rng = random.Random(1)
    counted = Counter(choose("best", four, ASK, Weights(), 0.0, rng).target.name for _ in range(1000))
    assert min(counted.values()) > 50


def test_a_breaker_opens_after_five_and_lets_one_probe_through():
    """And doubles its time when the probe fails."""
    breaker = Breaker()
    for second in range(5):
        breaker.failed(second, second, "http_500")
    assert ("open", "half-open") == (breaker.state(5.9), breaker.state(6.1))
    breaker.sent(6.1)
    assert not breaker.admits(6.2)
    breaker.failed(6.3, 6.1, "http_500")
    assert (False, True) == (breaker.admits(10.2), breaker.admits(10.4))
    breaker.sent(10.4)
    breaker.succeeded(10.5, 10.4)
    assert "closed" == breaker.state(10.5)


def test_a_client_that_leaves_its_probe_makes_way_for_another():
    """And one that left an older request does not."""
    breaker = Breaker()
    breaker.open_for(2, 10.0, "auth")
    breaker.sent(12.5)
    breaker.returned(sent_s=9.0)
    assert not breaker.admits(12.6)
    breaker.returned(sent_s=12.5)
    assert breaker.admits(12.6)


def test_what_was_sent_before_it_opened_neither_closes_nor_prolongs():
    """Ten that hang on fail one after the other, and say what is known."""
    breaker = Breaker()
    breaker.open_for(2, 10.0, "http_500")
    for late_s in range(12, 22):
        breaker.failed(late_s, 9.0, "timeout")
    breaker.succeeded(22, 9.0)
    assert "half-open" == breaker.state(22)


@given(st.integers(min_value=1, max_value=3000))
def test_a_breaker_survives_any_number_of_openings(openings):
    """And never stays away for longer than a minute."""
    breaker, now_s = Breaker(), 0.0
    for _ in range(openings):
        breaker.open_for(2.0 * 2**5, now_s, "x")
        assert breaker.open_until_s - now_s <= 60
        now_s = breaker.open_until_s
        breaker.failed(now_s, now_s, "x")
        now_s = breaker.open_until_s


@given(st.lists(st.floats(0.001, 100), min_size=1), st.floats(0.001, 100), st.floats(0, 3))
def test_belief_lies_between_prior_and_evidence(values, prior, strength):
    """Whatever was seen, whenever."""
    estimate = Estimate()
    for second, value in enumerate(values):
        estimate.note(value, float(second))
    believed = estimate.believed(prior, strength, len(values) + 5.0)
    assert min(*values, prior) * 0.999 <= believed <= max(*values, prior) * 1.001


def test_evidence_fades_and_the_prior_returns():
    """That is the probe that finds a recovered provider."""
    estimate = Estimate()
    for _ in range(50):
        estimate.note(9.0, 0.0)
    assert estimate.believed(1.0, 3.0, 0.0) > 8
    assert estimate.believed(1.0, 3.0, 200.0) < 1.1


def test_the_budget_lets_a_fifth_be_retried():
    """Of a hundred calls a second, twenty and the floor's three."""
    budget, retried = RetryBudget(), 0
    for call in range(6000):
        budget.earn(1 + call / 100)
        retried += budget.spend()
    assert 0.2 * 6000 <= retried <= 0.2 * 6000 + 3 * 60 + 31

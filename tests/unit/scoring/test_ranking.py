"""Rankings: multiple questions are paid for, ties are called ties, and weights tell who could dethrone whom."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.dethrone import smallest_change
from scoring.ranking import (
    Pair,
    holm,
    kendall_tau,
    p_first,
    p_first_under,
    p_value,
    pairs,
    ranks,
    settle_s,
    tie_letters,
)

NOISE = np.random.default_rng(7)


def pair(a, b, *, differs):
    return Pair(a, b, 1.0, 0.5, 1.5, 0.001 if differs else 0.8)


def test_holm_agrees_with_a_hand_computation():
    """Values of .01, .04, .03 over three questions: .03, then max(.06, .03), then max(.04, .06)."""
    assert [0.03, 0.06, 0.06] == pytest.approx(holm([0.01, 0.04, 0.03]))


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_never_makes_a_p_smaller_and_keeps_the_order(p_values):
    """Adjusted values lie between the raw one and one."""
    adjusted = holm(p_values)
    assert all(raw <= found <= 1 for raw, found in zip(p_values, adjusted, strict=True))
    assert sorted(adjusted) == [adjusted[i] for i in np.argsort(p_values, kind="stable")]


def test_p_value_counts_the_far_side_of_zero_twice():
    """Four of 99 replicates below zero: 2 (4 + 1) / 100."""
    assert 0.1 == p_value(np.array([-1.0] * 4 + [1.0] * 95))


def test_p_value_is_never_zero():
    """B replicates cannot prove more than 2 / (B + 1)."""
    assert 2 / 2001 == p_value(np.ones(2000))


def test_identical_scores_have_p_one():
    """A difference of nothing is no difference."""
    assert 1.0 == p_value(np.zeros(100))


def test_who_cannot_be_told_apart_shares_a_letter():
    """Where a and b tie, b and c tie, a and c differ: a, ab, b."""
    found = [pair("a", "b", differs=False), pair("a", "c", differs=True), pair("b", "c", differs=False)]
    assert {"a": "a", "b": "ab", "c": "b"} == tie_letters(["a", "b", "c"], found)


@given(st.integers(2, 6), st.randoms(use_true_random=False))
def test_letters_say_exactly_what_the_pairs_say(count, random):
    """Two names share a letter if, and only if, their difference is not significant."""
    names = [f"p{i}" for i in range(count)]
    found = [pair(a, b, differs=random.random() < 0.5) for i, a in enumerate(names) for b in names[i + 1 :]]
    letters = tie_letters(names, found)
    assert all(letters.values())
    for p in found:
        assert (p.p_holm < 0.05) == (not set(letters[p.a]) & set(letters[p.b]))


def test_above_ten_providers_only_the_leader_is_compared():
    """Eleven providers are ten differences, not fifty-five."""
    names = [f"p{i:02}" for i in range(11)]
    found = pairs(names, dict.fromkeys(names, 1.0), {name: np.ones(100) for name in names})
    assert [("p00", name) for name in names[1:]] == [(p.a, p.b) for p in found]


def test_equal_leaders_divide_the_probability():
    """Two that are always first are first half of the time each."""
    assert {"a": 0.5, "b": 0.5, "c": 0.0} == p_first({"a": np.ones(10), "b": np.ones(10), "c": np.zeros(10)})


@given(st.integers(1, 5))
def test_probabilities_of_being_first_add_up_to_one(count):
    """Somebody leads."""
    scores = {f"p{i}": NOISE.normal(size=50) for i in range(count)}
    assert 1.0 == pytest.approx(sum(p_first(scores).values()))


def test_near_weights_stay_near_and_uniform_weights_roam():
    """A leader by the heavy dimension keeps its place near the weights and loses it under any weights half the time."""
    ones, zeros = np.ones(4000), np.zeros(4000)
    dimensions = {"a": {"x": ones, "y": zeros}, "b": {"x": zeros, "y": ones}}
    weights = {"x": 0.8, "y": 0.2}
    near = p_first_under(dimensions, weights, np.random.default_rng(1), near=True)
    anyhow = p_first_under(dimensions, weights, np.random.default_rng(1), near=False)
    assert near["a"] > 0.99
    assert 0.5 == pytest.approx(anyhow["a"], abs=0.05)


def test_ranks_count_who_is_better():
    """Equal scores share the better rank."""
    found = ranks({"a": np.array([3.0, 1.0]), "b": np.array([3.0, 2.0]), "c": np.array([1.0, 3.0])})
    assert {"a": [1, 3], "b": [1, 2], "c": [3, 1]} == {name: list(r) for name, r in found.items()}


@pytest.mark.parametrize(("other", "tau"), [([1, 2, 3], 1.0), ([3, 2, 1], -1.0), ([1, 3, 2], 1 / 3)])
def test_kendall_tau_counts_agreeing_pairs(other, tau):
    """One swap of three leaves two pairs for and one against."""
    assert tau == pytest.approx(kendall_tau([1, 2, 3], other))


def test_kendall_tau_of_one_provider_is_unknown():
    """There is nothing to order."""
    assert kendall_tau([1.0], [2.0]) is None


def test_settling_takes_the_square_of_how_much_too_wide_it_is():
    """An interval twice as wide as the difference needs four times the time."""
    assert 240 == settle_s(60, 1.0, -1.0, 3.0)
    assert settle_s(60, 0.0, -1.0, 1.0) is None


def test_smallest_change_moves_weight_until_the_rival_draws_level():
    """Leads .4 by latency at weight .75, lags .6 by cost: .15 must move, by hand."""
    shares = {"a": {"latency": 0.9, "cost": 0.2}, "b": {"latency": 0.5, "cost": 0.8}}
    change = smallest_change("a", shares, {"latency": 0.75, "cost": 0.25})
    assert ("b", "cost") == (change.rival, change.to)
    assert 0.15 == pytest.approx(change.moved)
    level = {name: sum(change.weights[d] * s for d, s in own.items()) for name, own in shares.items()}
    assert level["a"] == pytest.approx(level["b"])
    assert 1 == pytest.approx(sum(change.weights.values()))


def test_nobody_dethrones_who_is_best_in_everything():
    """No weights help against dominance."""
    shares = {"a": {"latency": 0.9, "cost": 0.8}, "b": {"latency": 0.5, "cost": 0.8}}
    assert smallest_change("a", shares, {"latency": 0.5, "cost": 0.5}) is None

"""Laws of the score: bounded, monotone, free of units and of other providers, and the sum of its parts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.profile import Anchor, load_profile
from scoring.score import contributions, geometric, normalize, point_worth, saturated

PROFILE = load_profile()
SHARE = st.floats(0, 1)
SHARES = st.fixed_dictionaries(dict.fromkeys(PROFILE.indicators, SHARE))
POSITIVE = st.floats(1e-6, 1e6)
ANCHORS = st.tuples(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3)).filter(lambda a: abs(math.log(a[0] / a[1])) > 0.01)


def total(shares):
    return sum(contributions(PROFILE, shares).values())


@given(ANCHORS, POSITIVE)
def test_normalized_values_lie_between_zero_and_one(anchor, value):
    """Whatever was measured."""
    assert 0 <= normalize(Anchor(best=anchor[0], worst=anchor[1]), value) <= 1


@given(ANCHORS, POSITIVE, st.floats(1.001, 10))
def test_better_never_scores_less(anchor, value, factor):
    """Moving towards the best anchor is never a loss."""
    a = Anchor(best=anchor[0], worst=anchor[1])
    better = value / factor if a.best < a.worst else value * factor
    assert normalize(a, better) >= normalize(a, value)


@given(ANCHORS, POSITIVE)
def test_units_do_not_matter(anchor, value):
    """Milliseconds give what seconds give."""
    s = normalize(Anchor(best=anchor[0], worst=anchor[1]), value)
    ms = normalize(Anchor(best=anchor[0] * 1000, worst=anchor[1] * 1000), value * 1000)
    assert float(s) == pytest.approx(float(ms), abs=1e-9)


def test_anchors_are_the_ends_and_their_geometric_mean_is_the_middle():
    """Equal ratios are equal steps."""
    anchor = Anchor(best=0.15, worst=5)
    assert [1, 0.5, 0] == pytest.approx([float(normalize(anchor, x)) for x in (0.15, math.sqrt(0.15 * 5), 5)])


@pytest.mark.parametrize(("best", "worst", "score"), [(0.1, 1.0, 1.0), (1.0, 0.1, 0.0)])
def test_zero_is_beyond_every_anchor(best, worst, score):
    """Free is best where less is better, and worst where more is."""
    assert score == normalize(Anchor(best=best, worst=worst), 0.0)


@given(SHARES)
def test_scores_lie_between_zero_and_a_hundred(shares):
    """Both aggregations."""
    assert 0 <= total(shares) <= 100 + 1e-9
    assert 0 <= geometric(PROFILE, shares) <= 100 + 1e-9


@given(SHARES)
def test_contributions_add_up_to_the_weighted_sum(shares):
    """S = 100 sum(w s), split without remainder."""
    assert 100 * sum(w * shares[m] for m, w in PROFILE.indicators.items()) == pytest.approx(total(shares))


@given(SHARES, st.sampled_from(sorted(PROFILE.indicators)), SHARE)
def test_more_of_one_indicator_is_never_less_score(shares, metric, value):
    """Monotone in every indicator, and so dominance holds."""
    raised = shares | {metric: max(shares[metric], value)}
    assert total(raised) >= total(shares) - 1e-9
    assert geometric(PROFILE, raised) >= geometric(PROFILE, shares) - 1e-9


@given(SHARES)
def test_imbalance_costs_in_the_geometric_score(shares):
    """The geometric score never exceeds the arithmetic one, but for its floor of 0.01."""
    assert geometric(PROFILE, shares) <= total({m: max(s, 0.01) for m, s in shares.items()}) + 1e-9


@given(st.floats(0.1, 10))
def test_only_proportions_of_weights_matter(scale):
    """Weights of 1, 1, 1, 1 are weights of a quarter each."""
    scaled = PROFILE.weighted(",".join(f"{name}={w * scale}" for name, w in PROFILE.weights.items()))
    assert list(PROFILE.weights.values()) == pytest.approx(list(scaled.weights.values()))


def test_one_point_is_worth_what_it_says():
    """Improving a metric by its point's worth raises the score by one."""
    worth = point_worth(PROFILE)
    for metric, anchor in PROFILE.anchors.items():
        middle = math.sqrt(anchor.best * anchor.worst)
        gain = normalize(anchor, middle * (1 + worth[metric])) - normalize(anchor, middle)
        assert 1 == pytest.approx(100 * PROFILE.indicators[metric] * float(gain))


def test_saturation_begins_at_the_anchor():
    """At the anchor the score cannot move any further."""
    anchor = Anchor(best=1, worst=10)
    assert [True, False, False, True] == [saturated(anchor, x) for x in (1, 1.01, 9.9, 10)]

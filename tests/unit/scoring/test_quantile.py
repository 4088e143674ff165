"""Quantiles agree with others' definition, and are honest about what was only waited for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.quantile import distribution, event_mass, sample_quantile

LATENCIES = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=300)
NOTHING = np.zeros(0, dtype=bool)


def plain(values):
    return distribution([np.array(values)], [np.zeros(len(values), dtype=bool)])


@given(LATENCIES, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_a_quantile_is_numpys_inverted_cdf(values, p):
    """That is k = ceil(p n), as numpy computes it."""
    assert np.quantile(values, p, method="inverted_cdf") == sample_quantile(np.array(values), p)


@pytest.mark.parametrize("n", [20, 100, 1000, 12345])
@pytest.mark.parametrize("p", [0.5, 0.9, 0.95, 0.99])
def test_rank_is_exact_where_p_n_is_whole(n, p):
    """0.95 x 20 is the 19th value, whatever binary fractions say."""
    assert -(-round(p * 100) * n // 100) == sample_quantile(np.arange(1.0, n + 1), p)


def test_mixture_gives_each_part_the_same_mass():
    """One slow request in a small region weighs as much as a hundred fast ones elsewhere."""
    parts = [np.full(100, 1.0), np.array([9.0])]
    curve = distribution(parts, [np.zeros(100, dtype=bool), np.zeros(1, dtype=bool)])
    assert (1.0, False) == curve.quantile(0.5)
    assert (9.0, False) == curve.quantile(0.51)


def test_part_without_values_has_no_say():
    """An empty region neither shifts nor breaks the mixture."""
    curve = distribution([np.array([1.0, 2.0]), np.zeros(0)], [np.zeros(2, dtype=bool), NOTHING])
    assert (2, (2.0, False)) == (curve.n, curve.quantile(0.95))


def test_quantile_on_censored_mass_is_a_lower_bound():
    """With a tenth of the requests timed out at 30 s the p95 is at least 30 s, and says so."""
    values = np.array([1.0] * 90 + [30.0] * 10)
    curve = distribution([values], [values == 30.0])
    assert (30.0, True) == curve.quantile(0.95)
    assert (1.0, False) == curve.quantile(0.9)


def test_early_censoring_hands_its_mass_on():
    """What was cut off at 1 s is not counted as fast: Kaplan and Meier by hand, 1 - (1 - 1/3)(1 - 1/2)."""
    values, censored = np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, False, False, False])
    curve = distribution([values], [censored])
    assert [1 / 3, 2 / 3, 1.0] == pytest.approx(curve.cumulative.tolist())
    assert (3.0, False) == curve.quantile(0.5)


@given(st.lists(st.integers(0, 5), min_size=2, max_size=30))
def test_without_censoring_event_mass_is_the_cumulative_share(counts):
    """Kaplan and Meier's estimate is the plain distribution when everything was seen to end."""
    events = np.array(counts, dtype=float) + 1e-3
    shares = events / events.sum()
    assert np.cumsum(shares) == pytest.approx(event_mass(shares, np.zeros_like(shares)))

"""The trend test: what it must find, what it must not, and what must not matter to it."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.trend import p_rising

SERIES = st.lists(st.integers(-1000, 1000), min_size=6, max_size=20)


def test_independent_values_seldom_seem_to_rise():
    """At 5 % at most 6.5 % of two thousand series of twelve, at 0.5 % at most 0.8 %."""
    rng = random.Random(1)
    found = [p_rising([rng.random() for _ in range(12)]) for _ in range(2000)]
    assert sum(p <= 0.05 for p in found) <= 130
    assert sum(p <= 0.005 for p in found) <= 16


def test_values_that_hang_together_are_believed_less():
    """An AR(1) of 0.6 without a trend: at 5 % one in eight seems to rise, uncorrected one in seven."""
    rng = random.Random(2)
    found = sum(p_rising(_hanging(rng, 0.6)) <= 0.05 for _ in range(1000))
    assert found <= 130


def _hanging(rng, rho):
    values = [rng.gauss(0, 1)]
    for _ in range(11):
        values.append(rho * values[-1] + math.sqrt(1 - rho**2) * rng.gauss(0, 1))
    return values


def test_a_clear_rise_is_found():
    """Even beside noise as large as three of its steps."""
    rng = random.Random(3)
    assert all(p_rising([place + rng.gauss(0, 1) for place in range(12)]) < 0.002 for _ in range(50))


@given(SERIES)
def test_only_one_direction_is_a_rise(values):
    """A series and its mirror are never both below a half."""
    assert max(p_rising(values), p_rising(values[::-1])) >= 0.5


@given(SERIES, st.floats(0.001, 1000), st.integers(-1000, 1000))
def test_units_do_not_matter(values, scale, shift):
    """Seconds or milliseconds: the same p."""
    assert p_rising(values) == pytest.approx(p_rising([scale * 2 * value + shift for value in values]), abs=0.2)


@pytest.mark.parametrize("values", [[], [1, 2, 3, 4, 5], [3.0] * 12])
def test_too_few_or_equal_values_rise_nowhere(values):
    """One: nothing was shown."""
    assert 1.0 == p_rising(values)

"""Lengths: draws keep the two percentiles that were declared, and their end."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from providers.length import Length


def percentile(values, share):
    return sorted(values)[int(share * len(values))]


@pytest.mark.parametrize("dist", ["lognormal", "uniform"])
@pytest.mark.parametrize(("p50", "p95"), [(1000, 1800), (400, 500)])
def test_draws_have_their_median_and_their_95th_percentile(dist, p50, p95):
    """Of four thousand draws, within five hundredths."""
    length = Length(dist=dist, p50=p50, p95=p95)
    drawn = [length.at("key", index) for index in range(4000)]
    assert pytest.approx(p50, rel=0.05) == percentile(drawn, 0.5)
    assert pytest.approx(p95, rel=0.05) == percentile(drawn, 0.95)


@given(st.sampled_from(["lognormal", "uniform"]), st.integers(1, 5000), st.integers(0, 5000), st.integers(0, 10**9))
def test_no_draw_leaves_its_bounds(dist, p50, more, index):
    """At least one token, never more than the most: money and context checks count on it."""
    try:
        length = Length(dist=dist, p50=p50, p95=p50 + more)
    except ValidationError:
        assume(False)
    assert 1 <= length.at("key", index) <= length.most


def test_a_declared_end_is_kept_and_reached():
    """Max cuts the tail, and what lies above falls on it."""
    length = Length(p50=100, p95=200, max=220)
    drawn = [length.at("key", index) for index in range(2000)]
    assert 220 == length.most == max(drawn)


def test_a_draw_follows_from_its_key_alone():
    """In whatever order it is asked for."""
    length = Length(p50=100, p95=300)
    forth = [length.at("a", index) for index in range(50)]
    back = [length.at("a", index) for index in reversed(range(50))]
    assert forth == back[::-1]
    assert forth != [length.at("b", index) for index in range(50)]

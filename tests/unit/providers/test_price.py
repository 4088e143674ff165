"""Prices: billed usage in USD, unknown is None."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from providers.price import Price

FULL = Price(
    input_per_1m=1,
    output_per_1m=4,
    cached_input_per_1m=0.1,
    cache_write_per_1m=1.25,
    reasoning_per_1m=3,
    per_request=0.5,
)


def test_each_part_is_billed_at_its_own_price():
    """1000 in (200 cached, 100 written), 500 out (100 reasoning)."""
    expected = (700 * 1 + 200 * 0.1 + 100 * 1.25 + 400 * 4 + 100 * 3) / 1e6 + 0.5
    assert pytest.approx(expected) == FULL.request_usd(1000, 500, cached=200, cache_write=100, reasoning=100)


def test_a_part_without_a_price_costs_what_its_side_costs():
    """No cached or reasoning price: billed as the rest."""
    price = Price(input_per_1m=1, output_per_1m=4)
    assert price.request_usd(100, 50) == price.request_usd(100, 50, cached=40, cache_write=10, reasoning=20)


def test_an_unknown_price_is_none_and_never_zero():
    """Neither an empty price nor one by the hour says what a request costs; a price of zero is zero."""
    assert Price().request_usd(10, 10) is None
    assert Price(hourly_usd=2).request_usd(10, 10) is None
    assert 0.01 == Price(per_request=0.01).request_usd(10, 10)
    assert 0 == Price(input_per_1m=0, output_per_1m=0).request_usd(10, 10)


@pytest.mark.parametrize("side", ["input_per_1m", "output_per_1m"])
def test_a_token_price_needs_both_sides(side):
    """Half a price would make half the tokens free."""
    with pytest.raises(ValidationError, match="a token price needs both sides"):
        Price(**{side: 1.0})


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_cost_grows_with_every_token(tokens_in, tokens_out, more):
    """More tokens never cost less."""
    assert FULL.request_usd(tokens_in, tokens_out) <= FULL.request_usd(tokens_in + more, tokens_out + more)

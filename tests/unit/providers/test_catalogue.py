"""Dated prices by name: what a catalogue fills in, and what it never does."""

from __future__ import annotations

from datetime import date

import pytest

from providers.catalogue import SHIPPED, _prices, listed
from providers.errors import ConfigError
from providers.price import Price


def test_a_catalogue_fills_in_what_the_entry_does_not_say():
    """Prices, source and day; the entry's own words win."""
    price = Price(catalogue="openai/gpt-4o-mini", output_per_1m=9)
    assert (0.15, 9, 0.075) == (price.input_per_1m, price.output_per_1m, price.cached_input_per_1m)
    assert date(2026, 11, 23) == price.as_of
    assert "not checked with the vendor" in price.source


def test_every_shipped_price_is_dated_sourced_and_above_zero():
    """A gap in somebody's list is no price, and never free."""
    for name in _prices(SHIPPED):
        price = Price(catalogue=name)
        assert price.per_token, name
        assert min(price.input_per_1m, price.output_per_1m) > 0, name
        assert price.as_of, name
        assert price.source, name


def test_a_file_of_ones_own_is_read_the_same_way(tmp_path):
    """FILE#NAME."""
    path = tmp_path / "mine.yaml"
    path.write_text(
        "defaults: {source: invoice, as_of: 2026-10-01}\nprices: {m: {input_per_1m: 2, output_per_1m: 3}}\n"
    )
    price = Price(catalogue=f"{path}#m")
    assert (2, 3, "invoice", date(2026, 10, 1)) == (price.input_per_1m, price.output_per_1m, price.source, price.as_of)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prices: [1]", "expected the keys version, defaults and prices"),
        ("prices: {m: 5}", "price 'm': got 5; expected a mapping of USD"),
        ("price: {}", "expected the keys"),
        ("prices: {n: {input_per_1m: 1}}", "no price is listed under 'm'; did you mean"),
    ],
)
def test_a_catalogue_that_cannot_be_used_is_one_line(tmp_path, text, words):
    """With the file's name where the file is to blame."""
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("n:", "m2:"))
    with pytest.raises(ConfigError, match=words):
        listed(f"{path}#m")


def test_a_missing_file_is_an_error_of_the_providers_file(load, tmp_path):
    """With line, provider and key."""
    with pytest.raises(ConfigError, match=r"providers\.yaml:1: provider 'a': key 'price'.*cannot be read"):
        load(f"providers: [{{name: a, type: mock, price: {{catalogue: '{tmp_path}/none.yaml#m'}}}}]")

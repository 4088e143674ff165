"""A Catalogue is a file of dated prices by name, read as data; what an entry says itself wins over it.

It asks nobody for today's prices, and a model that it does not hold has no known price.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from providers.document import read_document
from providers.errors import ConfigError

SHIPPED = Path(__file__).with_name("prices.yaml")
_KEYS = {"version", "defaults", "prices"}


def listed(reference: str) -> dict[str, Any]:
    """The price block of ``NAME`` in the shipped catalogue, or of ``FILE#NAME``; ConfigError when there is none."""
    file, _, name = reference.rpartition("#")
    path = Path(file) if file else SHIPPED
    prices = _prices(path)
    if name not in prices:
        close = difflib.get_close_matches(name, prices, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"{path.name} holds {', '.join(sorted(prices))}"
        raise ConfigError(f"no price is listed under '{name}'; {hint}")
    return prices[name]


@functools.cache
def _prices(path: Path) -> dict[str, dict[str, Any]]:
    document = read_document(path)
    data = document.data
    if not isinstance(data, dict) or not isinstance(data.get("prices"), dict) or set(data) - _KEYS:
        raise document.error(
            (), "expected the keys version, defaults and prices, the last a mapping of names to prices"
        )
    defaults = data.get("defaults") or {}
    prices = {}
    for name, price in data["prices"].items():
        if not isinstance(price, Mapping) or not isinstance(defaults, Mapping):
            raise document.error(
                ("prices", name), f"price '{name}': got {price!r}; expected a mapping of USD per 1M tokens"
            )
        prices[str(name)] = {**defaults, **price}
    return prices

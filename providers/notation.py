"""Notation is how a figure reads on a screen: three significant digits, milliseconds below one second.

It changes no figure; files keep seconds and nine digits.
"""

from __future__ import annotations

import math


def digits(value: float, count: int = 3) -> str:
    """``count`` significant digits without an exponent, as 0.0123, 1.23, 12.3 or 1,230."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "?"
    if value == round(value) and abs(value) < 10**count:
        return f"{value:.0f}"
    places = count - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, places)
    return f"{rounded:,.{max(0, places)}f}"


def seconds(value: float) -> str:
    if abs(value) < 0.9995:
        return f"{digits(value * 1000)} ms"
    return f"{digits(value)} s"


def duration(value: float) -> str:
    """A length of time one would plan: whole seconds, minutes or hours, rounded up."""
    if value < 120:
        return f"{math.ceil(value)} s"
    return f"{math.ceil(value / 60)} min" if value < 7200 else f"{math.ceil(value / 3600)} h"


def percent(share: float) -> str:
    """Success of 0.9999 must not read 100 %: as many digits as the distance to 0 and 1 needs, at least three."""
    nearest = min(share, 1 - share)
    places = 1 if nearest <= 0 else min(6, max(1, 1 - math.floor(math.log10(nearest * 100))))
    text = f"{share * 100:.{places}f}"
    return f"{text.rstrip('0').rstrip('.') if nearest <= 0 else text} %"


def chance(probability: float) -> str:
    """A probability known to a few thousand replicates."""
    if 0.001 <= probability <= 0.999:
        return f"{probability * 100:.{0 if 0.01 <= probability <= 0.99 else 1}f} %"
    return "<0.1 %" if probability < 0.5 else ">99.9 %"


def points(value: float) -> str:
    return f"{value:.1f}"


def usd(value: float) -> str:
    return f"${digits(value)}"


def figure(value: float, unit: str) -> str:
    """Any figure by its unit."""
    if unit == "s":
        return seconds(value)
    if unit == "share":
        return percent(value)
    if unit == "USD":
        return usd(value)
    return f"{digits(value)} {unit}".rstrip()

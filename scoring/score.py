"""A Score is 100 x the weighted mean of indicators, each laid on a log scale between two fixed anchors.

No other provider enters it, so adding or removing one changes nothing here. It does not know where figures come from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from scoring.profile import Anchor, Profile

GEOMETRIC_FLOOR = 0.01  # as in the Human Development Index: one zero must not hide all else
Number = TypeVar("Number", float, npt.NDArray[np.float64])


def normalize(anchor: Anchor, value: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """clip(ln(W/x) / ln(W/B), 0, 1), for either direction: W and B say which is better. Free is best; nan is 0."""
    x = np.asarray(value, dtype=np.float64)
    lower_is_better = anchor.best < anchor.worst
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.log(anchor.worst / x) / math.log(anchor.worst / anchor.best)
    share = np.where(x <= 0, float(lower_is_better), share)
    return np.nan_to_num(np.clip(share, 0, 1), nan=0.0)


def contributions(profile: Profile, normalized: Mapping[str, Number]) -> dict[str, Number]:
    """Points of each dimension. The score is their sum, to the last bit."""
    points: dict[str, Number] = {}
    for dimension, shares in profile.shares.items():
        points[dimension] = 100 * profile.weights[dimension] * _weighted(shares, normalized)
    return points


def dimension_shares(profile: Profile, normalized: Mapping[str, Number]) -> dict[str, Number]:
    """Each dimension on its own, 0 to 1."""
    return {dimension: _weighted(shares, normalized) for dimension, shares in profile.shares.items()}


def _weighted(shares: Mapping[str, float], normalized: Mapping[str, Number]) -> Number:
    parts: list[Any] = [share * normalized[metric] for metric, share in shares.items()]
    return sum(parts[1:], parts[0])  # type: ignore[no-any-return] # a number or an array, as it came in


def geometric(profile: Profile, normalized: Mapping[str, float]) -> float:
    """100 x prod(max(s, 0.01)^w): the same scale, but imbalance costs."""
    logs = (weight * math.log(max(normalized[m], GEOMETRIC_FLOOR)) for m, weight in profile.indicators.items())
    return 100 * math.exp(sum(logs))


def point_worth(profile: Profile) -> dict[str, float | None]:
    """Metric -> the relative change that is worth one point of S; None where a metric weighs nothing."""
    worth: dict[str, float | None] = {}
    for metric, weight in profile.indicators.items():
        anchor = profile.anchors[metric]
        span = math.log(anchor.best / anchor.worst)
        worth[metric] = math.expm1(span / (100 * weight)) if weight else None
    return worth


def saturated(anchor: Anchor, value: float) -> bool:
    """At or beyond an anchor: the figure could move without moving the score."""
    return not min(anchor.best, anchor.worst) < value < max(anchor.best, anchor.worst)

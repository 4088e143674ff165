"""A Trend is whether a series rises: Mann and Kendall's test, with Hamed and Rao's care for values that hang together.

Pure; it does not know what rises.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from statistics import median

FEWEST = 6  # values; with fewer no order of them is rare enough


def p_rising(values: Sequence[float]) -> float:
    """The chance of at least so much rise in a series without any (one-sided); 1 where there are too few values.

    A neighbour's likeness makes chance rises longer: the variance grows by the autocorrelation of the detrended ranks
    (Hamed and Rao, 1998), summed up to the first lag that is not positive.
    """
    n = len(values)
    if n < FEWEST:
        return 1.0
    rise = sum((b > a) - (b < a) for a, b in combinations(values, 2))
    ties = sum(t * (t - 1) * (2 * t + 5) for t in Counter(values).values())
    variance = (n * (n - 1) * (2 * n + 5) - ties) / 18 * _inflation(values)
    if rise <= 0 or variance <= 0:
        return 1.0
    return math.erfc((rise - 1) / math.sqrt(2 * variance)) / 2


def sen_slope(values: Sequence[float]) -> float:
    """The median rise per place over all pairs."""
    return median((values[j] - values[i]) / (j - i) for i, j in combinations(range(len(values)), 2))


def _inflation(values: Sequence[float]) -> float:
    n, slope = len(values), sen_slope(values)
    ranks = _ranks([value - slope * place for place, value in enumerate(values)])
    total = 0.0
    for lag in range(1, n - 2):
        likeness = _autocorrelation(ranks, lag)
        if likeness <= 0:
            break
        total += (n - lag) * (n - lag - 1) * (n - lag - 2) * likeness
    return 1 + 2 * total / (n * (n - 1) * (n - 2))


def _ranks(values: Sequence[float]) -> list[float]:
    """Mid-ranks: equal values share theirs."""
    ordered = sorted(values)
    first = {value: place for place, value in reversed(list(enumerate(ordered)))}
    counts = Counter(values)
    return [first[value] + (counts[value] - 1) / 2 for value in values]


def _autocorrelation(values: Sequence[float], lag: int) -> float:
    mean = sum(values) / len(values)
    spread = sum((value - mean) ** 2 for value in values)
    if spread == 0:
        return 0.0
    return sum((a - mean) * (b - mean) for a, b in zip(values, values[lag:], strict=False)) / spread

"""A Ranking says who leads, how sure that is, and who cannot be told apart.

It works on scores and on replicates of scores; it does not know metrics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from scoring.quantile import Floats

SIGNIFICANT = 0.05
ALL_PAIRS = 10  # of more providers only the differences to the leader are tested
NEAR = 30.0  # Dirichlet(30 w): weights of a quarter move by about 0.08


@dataclass(frozen=True, slots=True)
class Pair:
    """``difference`` is S of a less S of b, with its paired 95 % interval."""

    a: str
    b: str
    difference: float
    lo: float
    hi: float
    p_holm: float


def compared(names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs in the order of the ranking; above ten providers only the leader's."""
    return list(combinations(names, 2)) if len(names) <= ALL_PAIRS else [(names[0], other) for other in names[1:]]


def pairs(names: Sequence[str], scores: Mapping[str, float], replicates: Mapping[str, Floats]) -> list[Pair]:
    couples = compared(names)
    differences = [replicates[a] - replicates[b] for a, b in couples]
    adjusted = holm([p_value(difference) for difference in differences])
    found = []
    for (a, b), difference, p in zip(couples, differences, adjusted, strict=True):
        low, high = np.quantile(difference, [0.025, 0.975], method="inverted_cdf")
        found.append(Pair(a, b, scores[a] - scores[b], float(low), float(high), p))
    return found


def p_value(differences: Floats) -> float:
    """Two-sided, from the replicates on the far side of zero; never 0, for B replicates cannot tell."""
    beyond = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return min(1.0, 2 * (beyond + 1) / (len(differences) + 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted for as many questions as were asked (Holm 1979), in the given order."""
    adjusted = [0.0] * len(p_values)
    worst = 0.0
    for step, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        worst = max(worst, min(1.0, (len(p_values) - step) * p_values[index]))
        adjusted[index] = worst
    return adjusted


def tie_letters(names: Sequence[str], found: Sequence[Pair]) -> dict[str, str]:
    """Providers that share a letter cannot be told apart (compact letter display: insert and absorb)."""
    if len(names) > ALL_PAIRS:
        tied = {names[0]} | {pair.b for pair in found if pair.p_holm >= SIGNIFICANT}
        return {name: "a" if name in tied else "" for name in names}
    groups = [frozenset(names)]
    for pair in found:
        if pair.p_holm < SIGNIFICANT:
            split = [g - {one} for g in groups if {pair.a, pair.b} <= g for one in (pair.a, pair.b)]
            kept = [g for g in groups if not {pair.a, pair.b} <= g]
            groups = _absorb(kept + split)
    place = {name: index for index, name in enumerate(names)}
    groups.sort(key=lambda group: sorted(place[name] for name in group))
    return {name: "".join(chr(97 + i) for i, group in enumerate(groups) if name in group) for name in names}


def _absorb(groups: Sequence[frozenset[str]]) -> list[frozenset[str]]:
    unique = list(dict.fromkeys(groups))
    return [group for group in unique if not any(group < other for other in unique)]


def ranks(replicates: Mapping[str, Floats]) -> dict[str, Floats]:
    """Each provider's rank in every replicate, 1 the best; equal scores share the better rank."""
    table = np.stack(list(replicates.values()))
    return {name: 1 + (table > own).sum(axis=0) for name, own in replicates.items()}


def p_first(replicates: Mapping[str, Floats]) -> dict[str, float]:
    """Share of replicates in which a provider leads; equal leaders divide theirs."""
    table = np.stack(list(replicates.values()))
    leads = table >= table.max(axis=0)
    shares = (leads / leads.sum(axis=0)).mean(axis=1)
    return dict(zip(replicates, map(float, shares), strict=True))


def p_first_under(
    dimensions: Mapping[str, Mapping[str, Floats]],
    weights: Mapping[str, float],
    random: np.random.Generator,
    near: bool,
) -> dict[str, float]:
    """As ``p_first``, with other weights in every replicate: around the given ones, or any at all.

    ``dimensions`` maps each provider to its dimensions' shares; what weighs nothing stays out of it.
    """
    names = [name for name, weight in weights.items() if weight > 0]
    replicates = len(next(iter(next(iter(dimensions.values())).values())))
    alpha = [NEAR * weights[name] if near else 1.0 for name in names]
    drawn = random.dirichlet(alpha, size=replicates)
    return p_first(
        {
            provider: sum(drawn[:, i] * shares[name] for i, name in enumerate(names))  # type: ignore[misc]
            for provider, shares in dimensions.items()
        }
    )


def kendall_tau(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Agreement of two orders: tau-b, 1 the same, -1 reversed; None when there is nothing to order."""
    signs = [(np.sign(one[i] - one[j]), np.sign(other[i] - other[j])) for i, j in combinations(range(len(one)), 2)]
    untied = [sum(abs(s[side]) for s in signs) for side in (0, 1)]
    scale = float(np.sqrt(untied[0] * untied[1]))
    return float(sum(a * b for a, b in signs)) / scale if scale else None


def settle_s(measured_s: float, difference: float, lo: float, hi: float) -> float | None:
    """Seconds of measuring after which an interval, narrowing with the square root, would leave zero out."""
    half = (hi - lo) / 2
    return measured_s * (half / difference) ** 2 if difference else None

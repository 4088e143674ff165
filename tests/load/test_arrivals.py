"""The offered load: laws of the schedule, its seed, and its thinning to workers."""

import itertools
import statistics

import pytest
from scipy import stats

from locustfiles.engine.arrivals import busiest, firing_order, offsets_s, owner, stepped


@pytest.mark.parametrize("kind", ["constant", "poisson", "gamma"])
def test_rate_is_kept(kind):
    """10,000 arrivals at 50 requests/s take 200 s, within the law's own scatter."""
    last = list(itertools.islice(offsets_s(kind, 50.0, 7, 0.5), 10_000))[-1]
    assert pytest.approx(last, rel=0.06) == 200


def test_poisson_gaps_scatter_as_much_as_their_mean_and_constant_ones_not_at_all():
    """The coefficient of variation tells the laws apart: 1 for Poisson, 0 for constant."""
    for kind, variation in (("poisson", 1.0), ("constant", 0.0)):
        offsets = list(itertools.islice(offsets_s(kind, 10.0, 3), 5_000))
        gaps = [b - a for a, b in itertools.pairwise(offsets)]
        assert variation == pytest.approx(statistics.pstdev(gaps) / statistics.mean(gaps), abs=0.06)


def test_same_seed_gives_the_same_schedule_and_another_seed_another():
    """A fleet draws one schedule on every worker."""
    first = list(itertools.islice(offsets_s("poisson", 5.0, 1), 100))
    assert first == list(itertools.islice(offsets_s("poisson", 5.0, 1), 100))
    assert first != list(itertools.islice(offsets_s("poisson", 5.0, 2), 100))


def test_every_arrival_belongs_to_exactly_one_worker_in_equal_shares():
    """Thinning by hash loses and doubles nothing."""
    owners = [owner(1, index, 3) for index in range(9_000)]
    assert {0, 1, 2} == set(owners)
    for worker in range(3):
        assert pytest.approx(owners.count(worker), rel=0.06) == 3_000


def test_no_provider_is_always_asked_first():
    """The firing order of an arrival is drawn anew, and by seed."""
    firsts = [firing_order(["a", "b", "c"], 1, index)[0] for index in range(600)]
    for name in "abc":
        assert pytest.approx(firsts.count(name), rel=0.25) == 200
    assert firing_order(["a", "b"], 1, 5) == firing_order(["a", "b"], 1, 5)


def test_stepped_rates_are_kept_step_by_step_and_end_with_the_last():
    """Constant arrivals show it exactly: 10 at 2/s, none at 0/s, 30 at 10/s, then nothing."""
    offsets = list(stepped([(5.0, 2.0), (7.0, 0.0), (10.0, 10.0)], "constant", 1))
    assert [9, 0, 30] == [sum(a <= at < b for at in offsets) for a, b in ((0, 5), (5, 7), (7, 10))]
    assert pytest.approx([0.5, 1.0, 4.5, 7.0]) == [*offsets[:2], *offsets[8:10]]


def test_one_step_is_the_plain_law():
    """The same seed draws the same arrivals, however the rate is written."""
    plain = itertools.takewhile(lambda at: at < 100, offsets_s("poisson", 5.0, 1))
    assert list(plain) == pytest.approx(list(stepped([(100.0, 5.0)], "poisson", 1)))


STEPS = [(40.0, 10.0), (60.0, 0.0), (100.0, 25.0)]
SEEDS, ALPHA = range(1, 21), 0.05 / 20


def _times(kind, seed, workers=1):
    """140 s of load, as one worker of so many sees it."""
    offsets = itertools.takewhile(lambda at: at < 140, offsets_s(kind, 10.0, seed, 0.5))
    return [at for index, at in enumerate(offsets) if owner(seed, index, workers) == 0]


def _law(kind, workers=1):
    if kind == "gamma":
        return stats.gamma(0.5, scale=1 / (10.0 * 0.5)).cdf
    return stats.expon(scale=workers / 10.0).cdf


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("kind", "workers"), [("poisson", 1), ("poisson", 3), ("gamma", 1)])
def test_gaps_follow_the_law_of_their_kind(kind, workers, seed):
    """Kolmogorov-Smirnov at .05 / 20 in each of 20 seeds; thinned to a worker, a Poisson schedule stays one."""
    times = _times(kind, seed, workers)
    gaps = [later - earlier for earlier, later in itertools.pairwise([0.0, *times])]
    assert stats.kstest(gaps, _law(kind, workers)).pvalue > ALPHA


@pytest.mark.parametrize("seed", SEEDS)
def test_instants_are_spread_as_the_steps_have_it(seed):
    """Given their number, Poisson instants are uniform in expected arrivals: 400, none, then 1,000."""
    times = list(stepped(STEPS, "poisson", seed))
    expected = [10 * min(at, 40) + 25 * max(0.0, at - 60) for at in times]
    assert stats.kstest(expected, stats.uniform(0, 1400).cdf).pvalue > ALPHA


def test_test_of_the_law_can_fail():
    """Bursts are not taken for Poisson, nor even gaps, nor a rate that is 15 % off."""
    gaps = {kind: [b - a for a, b in itertools.pairwise(_times(kind, 1))] for kind in ("gamma", "constant", "poisson")}
    assert stats.kstest(gaps["gamma"], _law("poisson")).pvalue < ALPHA
    assert stats.kstest(gaps["constant"], _law("poisson")).pvalue < ALPHA
    assert stats.kstest([1.15 * gap for gap in gaps["poisson"]], _law("poisson")).pvalue < ALPHA


def test_busiest_stretch_is_found_wherever_it_lies():
    """Three arrivals within a second, the fourth exactly at its end."""
    assert 3 == busiest([0.0, 5.0, 5.5, 5.9, 6.0, 9.0], 0.95)
    assert 3 == busiest([5.0, 5.5, 5.9, 6.0], 1.0)
    assert 0 == busiest([], 1.0)

"""The offered load: laws of the schedule, its seed, and its thinning to workers."""

import itertools
import statistics

import pytest

from locustfiles.engine.arrivals import firing_order, offsets_s, owner, stepped


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

"""A LoadTestShape is read ahead: its levels, its end, and what it may not ask for."""

from __future__ import annotations

import pytest
from locust import LoadTestShape

from locustfiles.engine.shape import Level, read_shape
from providers.errors import ConfigError


class Stairs(LoadTestShape):
    """3, 8, then 5 users, two seconds each."""

    def tick(self):
        step = int(self.get_run_time() // 2)
        return ((3, 1), (8, 2.5), (5, 1))[step] if step < 3 else None


class Counting(LoadTestShape):
    """A state of its own: one user more at each tick."""

    ticks = 0

    def tick(self):
        self.ticks += 1
        return self.ticks, 1


def test_levels_are_where_the_shape_changes_and_its_end_is_known():
    """Second by second, as Locust would tick it."""
    shape = read_shape(Stairs(), 100)
    assert (Level(0, 3, 1), Level(2, 8, 2.5), Level(4, 5, 1)) == shape.levels
    assert (8, 6) == (shape.most, shape.ends_s)
    assert read_shape(Stairs(), 4).ends_s is None


def test_levels_become_multiples_of_the_providers_and_rates_in_steps():
    """The nearest one, at least one user each; in open loop the numbers are rates as they stand."""
    shape = read_shape(Stairs(), 100)
    assert [3, 9, 6] == [level.users for level in shape.shared(3).levels]
    assert [10] == [level.users for level in shape.shared(10).levels]
    assert ((2, 3.0), (4, 8.0), (6, 5.0)) == shape.steps(6)


def test_shape_is_read_twice_alike():
    """Whatever it counts: what the plan said is what runs."""
    shape = Counting()
    assert read_shape(shape, 3) == read_shape(shape, 3)


class Peeking(LoadTestShape):
    def tick(self):
        return self.get_current_user_count() + 1, 1


class Choosing(LoadTestShape):
    def tick(self):
        return 3, 1, [object]


class Nothing(LoadTestShape):
    def tick(self):
        return None


class Negative(LoadTestShape):
    def tick(self):
        return -1, 1


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (Peeking, "failed at 0 s (it asks for the current users"),
        (Choosing, "chooses user classes at 0 s"),
        (Nothing, "ends at once"),
        (Negative, r"got (-1, 1) at 0 s"),
    ],
)
def test_shape_that_cannot_be_planned_is_refused_in_words(shape, expected):
    """By the name of its class."""
    with pytest.raises(ConfigError) as refused:
        read_shape(shape(), 10)
    assert str(refused.value).startswith(f"{shape.__name__}.tick(): ")
    assert expected in str(refused.value)

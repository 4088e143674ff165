"""A Shape is a person's LoadTestShape read ahead: its levels, second by second, before anything is sent.

Read ahead it is part of the plan, the same on every worker and from run to run. It does not know what a level means:
users over all providers in closed loop, requests/s per provider in open loop.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from providers.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Level:
    """From ``from_s`` of the load on; Locust starts and stops ``spawn_rate`` users per second to come there."""

    from_s: float
    users: int
    spawn_rate: float


@dataclass(frozen=True, slots=True)
class Shape:
    """``ends_s`` is None where it goes on beyond what was read."""

    levels: tuple[Level, ...]
    ends_s: float | None

    @property
    def most(self) -> int:
        return max(level.users for level in self.levels)

    def shared(self, shares: int) -> Shape:
        """Every level as the nearest multiple of ``shares``, so that all providers get the same, and at least one."""
        levels = [
            Level(level.from_s, shares * max(1, math.floor(level.users / shares + 0.5)), level.spawn_rate)
            for level in self.levels
        ]
        return Shape(tuple(_changes(levels)), self.ends_s)

    def steps(self, until_s: float) -> tuple[tuple[float, float], ...]:
        """As rates: (until_s, requests/s) each."""
        ends = [*(level.from_s for level in self.levels[1:]), until_s]
        return tuple((end, float(level.users)) for end, level in zip(ends, self.levels, strict=True) if end > 0)


def read_shape(shape: Any, until_s: float) -> Shape:
    """Tick by tick as Locust would, up to ``until_s``; ConfigError for a shape that needs a running load to answer."""
    name = type(shape).__name__
    shape = copy.copy(shape)  # it may count its ticks, and is read more than once
    now_s = 0.0

    def not_yet() -> NoReturn:
        raise ConfigError("it asks for the current users, which nobody has before the load")

    shape.get_run_time, shape.get_current_user_count = lambda: now_s, not_yet
    levels: list[Level] = []
    ends_s = None
    for second in range(math.ceil(until_s)):
        now_s = float(second)
        try:
            tick = shape.tick()
        except Exception as error:  # noqa: BLE001 - whatever a person's code raises
            raise ConfigError(f"{name}.tick(): failed at {second} s ({error}); use get_run_time() alone") from None
        if tick is None:
            ends_s = now_s
            break
        levels.append(_level(name, now_s, tick))
    if not levels:
        raise ConfigError(f"{name}.tick(): ends at once; expected (users, spawn rate) at 0 s")
    return Shape(tuple(_changes(levels)), ends_s)


def _level(name: str, now_s: float, tick: Sequence[Any]) -> Level:
    users, spawn_rate, *classes = tick
    if any(classes):
        raise ConfigError(f"{name}.tick(): chooses user classes at {now_s:g} s; all providers get the same load")
    if not users >= 0 or not spawn_rate > 0:
        raise ConfigError(f"{name}.tick(): got {(users, spawn_rate)} at {now_s:g} s; expected users and a rate above 0")
    return Level(now_s, round(users), float(spawn_rate))


def _changes(levels: Sequence[Level]) -> Iterator[Level]:
    """The first level, and each that differs from the one before."""
    before: Level | None = None
    for level in levels:
        if before is None or level.users != before.users:
            yield level
            before = level

"""The gate keeps a provider's declared limits, in any second and at any moment, and says how long it held."""

from __future__ import annotations

import time

import gevent
import pytest
from gevent.pool import Pool

from locustfiles.engine.gate import Gate
from providers.spec import Limits


def _pass(gate: Gate, requests: int, lasting_s: float = 0.0) -> tuple[list[float], list[float], int]:
    """(instants of leaving the gate, seconds held, most under way at once) of requests that all come at once."""
    left: list[float] = []
    held: list[float] = []
    under_way, most = 0, 0

    def one() -> None:
        nonlocal under_way, most
        held.append(gate.enter())
        left.append(time.monotonic())
        under_way += 1
        most = max(most, under_way)
        gevent.sleep(lasting_s)
        under_way -= 1
        gate.leave()

    pool = Pool()
    for _ in range(requests):
        pool.spawn(one)
    pool.join()
    return left, held, most


@pytest.mark.parametrize(("max_rps", "window_s", "most"), [(8.0, 1.0, 8), (2.5, 1.0, 2), (0.5, 2.0, 1)])
def test_no_second_sees_more_requests_than_max_rps(max_rps, window_s, most):
    """A fraction is rounded down, and below 1 the window is as long as one request needs."""
    left, held, _ = _pass(Gate(Limits(max_rps=max_rps)), most * 2 + 1)
    assert all(sum(0 <= other - at < window_s for other in left) <= most for at in left)
    assert [0.0] * most == held[:most]
    assert min(held[most:]) >= window_s


def test_no_more_requests_are_under_way_than_max_concurrency():
    """And every place is used."""
    _, held, most = _pass(Gate(Limits(max_concurrency=3)), 9, 0.05)
    assert 3 == most
    assert [True] * 3 + [False] * 6 == [held_s == 0.0 for held_s in held]


def test_request_that_gives_up_waiting_leaves_its_place_to_others():
    """A drain that cuts waiting requests off must not lock the gate."""
    gate = Gate(Limits(max_rps=1.0, max_concurrency=2))
    gate.enter()
    waiting = gevent.spawn(gate.enter)  # takes a place, then waits for the second to pass
    gevent.sleep(0.05)
    waiting.kill()
    left, _, most = _pass(gate, 1)
    assert (1, 1) == (len(left), most)


def test_entry_without_limits_holds_nothing():
    """No lock is taken and nothing is named."""
    gate = Gate(Limits())
    assert gate.open
    assert "" == gate.named
    assert not Gate(Limits(max_rps=5.0)).open

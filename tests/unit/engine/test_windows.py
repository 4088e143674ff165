"""The windows of a run: each holds what happened in it, none is missing, and what nobody saw is null."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locustfiles.engine.windows import WINDOW_S, Windows
from providers.sample import Sample


def sample(**known):
    plain = {
        "request_id": "r", "provider": "aws", "phase": "measure", "scheduled_at": 0.0, "started_at": 0.0,
        "lag_s": 0.001, "chunks": 50, "bounded_chunks": 5, "connection": "reused", "stamp": "kernel",
        "observer_lag_s": 0.002,
    }  # fmt: skip
    return Sample(**plain | known)


def test_a_window_says_how_far_its_answers_can_be_believed():
    """Shares are of answers and of content events; a share of nothing is null, not 0."""
    windows = Windows()
    for known in ({}, {"stamp": "user", "bounded_chunks": 45}, {"stamp": "", "chunks": 0, "error": "timeout_connect"}):
        windows[12.0].add(sample(**known))
    before, found = windows.report(20.0)
    assert (2, 0.5, 0.5) == (found["answers"], found["kernel_stamped"], found["bounded"])
    assert 0.002 == pytest.approx(found["observer_lag_p99_s"], abs=1.1e-4)
    nothing = {"observer_lag_p99_s", "kernel_stamped", "bounded", "loop_lag_max_s", "lateness_p99_s", "cpu"}
    assert nothing == {name for name, value in before.items() if value is None}


def test_lateness_is_ours_alone():
    """What a provider's own limits held back is not late, and what was never sent has no lateness."""
    windows = Windows()
    windows[0.0].add(sample(lag_s=2.001, held_s=2.0))
    windows[0.0].add(sample(lag_s=9.0, connection="", stamp="", error="dropped"))
    (found,) = windows.report(WINDOW_S)
    assert 0.001 == pytest.approx(found["lateness_p99_s"], abs=1.1e-4)


@given(st.floats(0.1, 200), st.lists(st.floats(0, 1), max_size=40))
def test_windows_follow_each_other_without_a_hole(end_s, shares):
    """From 0 to the end, and every request in exactly one of them."""
    windows = Windows()
    for share in shares:
        windows[share * end_s * 0.999].add(sample())
    found = windows.report(end_s)
    assert 0.0 == found[0]["from_s"]
    assert end_s == pytest.approx(found[-1]["until_s"], abs=1e-3)
    assert [window["until_s"] for window in found[:-1]] == [window["from_s"] for window in found[1:]]
    assert len(shares) == sum(window["answers"] for window in found)

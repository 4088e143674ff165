"""The verdict so far: the limits of the verdict, met by figures that are still growing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locustfiles.engine.lateness import Lateness
from locustfiles.engine.recent import ANSWERS, Recent
from locustfiles.engine.so_far import EARLIEST_S, FEWEST, SoFar, Worker
from providers.reasons import DEGRADED, INVALID, RULES, VALID
from providers.sample import Sample

WINDOW_S, RATE = 60.0, 10.0


def sample(index=0, **known):
    plain = {
        "request_id": f"r{index}", "provider": "aws", "phase": "measure", "scheduled_at": 0.0, "started_at": 0.0,
        "lag_s": 0.001, "ttft_s": 0.3, "e2e_s": 1.3, "chunks": 50, "output_tokens": 51, "first_chunk_tokens": 1.0,
        "connection": "reused",
    }  # fmt: skip
    return Sample(**plain | known)


def lateness(*late_s):
    lags = Lateness()
    for late in late_s:
        lags.add(late)
    return lags


def worker(**known):
    healthy = {"lags": lateness(*[0.001] * 1000), "probe_s": 0.01, "cpu_windows": 10, "cpu_busy_windows": 0}
    return Worker(**healthy | {"sockets_refused": 0, "check_rps": 2.0} | known)


def judged(samples, elapsed_s=10.0, on=None, names=("aws",)):
    so_far = SoFar(names, WINDOW_S, RATE)
    for each in samples:
        so_far.add(each)
    return so_far.judge(elapsed_s, on or worker())


def codes(judgement):
    return {(doubt.code, doubt.level) for doubt in judgement.doubts}


def test_nothing_is_judged_in_the_first_seconds():
    """A figure of three requests is no figure."""
    bad = [sample(i, lag_s=9.0) for i in range(100)]
    assert judged(bad, EARLIEST_S - 0.1)["aws"].level is None
    assert judged(bad[: FEWEST - 1])["aws"].level is None
    assert INVALID == judged(bad)["aws"].level


def test_a_healthy_run_is_valid_so_far():
    """With a word for it."""
    judgement = judged([sample(i) for i in range(100)])["aws"]
    assert (VALID, "VALID so far", False) == (judgement.level, judgement.words, judgement.final)


@pytest.mark.parametrize(
    ("code", "level", "samples", "on"),
    [
        ("send_lag", DEGRADED, [sample(i, lag_s=0.012) for i in range(50)], None),
        ("send_lag", INVALID, [sample(i, lag_s=0.060) for i in range(50)], None),
        ("bounded_events", INVALID, [sample(i, bounded_chunks=20) for i in range(50)], None),
        ("loop_lag", DEGRADED, [sample(i) for i in range(50)], worker(lags=lateness(*[0.05] * 100))),
        ("loop_lag", INVALID, [sample(i) for i in range(50)], worker(lags=lateness(*[0.2] * 100))),
        ("worker_cpu", INVALID, [sample(i) for i in range(50)], worker(cpu_busy_windows=2)),
        ("sockets", INVALID, [sample(i) for i in range(50)], worker(sockets_refused=5)),
        ("self_check", DEGRADED, [sample(i) for i in range(50)], worker(errors_s=[0.004] * 20)),
        ("self_check", INVALID, [sample(i) for i in range(50)], worker(errors_s=[0.016] * 20)),
    ],
)  # fmt: skip
def test_a_reason_is_raised_at_the_level_of_its_limits(code, level, samples, on):
    """Those of the closed list, which scoring applies, too."""
    judgement = judged(samples, on=on)["aws"]
    assert {(code, level)} == codes(judgement)
    assert level == judgement.level
    assert code in judgement.words


def test_drops_are_ours_only_where_the_worker_is_sick():
    """A full provider is its own doing."""
    drops = [
        sample(i, error="dropped" if i % 5 == 0 else "", connection="" if i % 5 == 0 else "new") for i in range(99)
    ]
    assert VALID == judged(drops)["aws"].level
    sick = worker(lags=lateness(*[0.03] * 100))
    assert ("under_delivered", INVALID) in codes(judged(drops, on=sick)["aws"])


def test_slow_handshakes_and_held_requests_are_not_our_lag():
    """Look-up, connecting and the provider's own limits are inside ``lag_s``, and not ours."""
    slow = [sample(i, lag_s=1.0, dns_s=0.1, tcp_s=0.2, tls_s=0.3, held_s=0.4) for i in range(50)]
    assert VALID == judged(slow)["aws"].level


def test_one_late_worker_concerns_every_provider_and_one_late_provider_only_itself():
    """As the verdict has it."""
    both = [
        sample(i, provider=name, lag_s=0.06 if name == "aws" else 0.0) for i in range(50) for name in ("aws", "gcp")
    ]
    found = judged(both, names=("aws", "gcp"))
    assert (INVALID, VALID) == (found["aws"].level, found["gcp"].level)
    found = judged(both, names=("aws", "gcp"), on=worker(cpu_busy_windows=9))
    assert (INVALID, INVALID) == (found["aws"].level, found["gcp"].level)


def test_invalid_so_far_is_final_only_beyond_recovery():
    """Six late requests of the 600 that are planned are one percent, seven are more, and nothing mends that."""
    late = [sample(i, lag_s=0.06) for i in range(6)]
    fine = [sample(i) for i in range(100)]
    recoverable, lost = judged(fine + late)["aws"], judged([*fine, *late, sample(lag_s=0.06)])["aws"]
    assert (INVALID, False) == (recoverable.level, recoverable.final)
    assert (INVALID, True) == (lost.level, lost.final)


@given(st.lists(st.floats(0, 0.5), min_size=30, max_size=80), st.floats(5, 59))
def test_what_is_final_stays_invalid_when_all_that_is_left_is_perfect(lags, elapsed_s):
    """The promise behind ``--stop-on-invalid``."""
    samples = [sample(i, lag_s=lag) for i, lag in enumerate(lags)]
    now = judged(samples, elapsed_s)["aws"]
    planned = round(WINDOW_S * max(RATE, len(lags) / elapsed_s))
    end = judged([*samples, *(sample(i, lag_s=0.0) for i in range(planned - len(samples)))], WINDOW_S)["aws"]
    if now.final:
        assert INVALID == end.level
    if end.level == INVALID:
        assert INVALID == now.level


@given(st.lists(st.floats(0, 2), min_size=1, max_size=300))
def test_lateness_knows_its_quantiles_to_a_tenth_of_a_millisecond(late_s):
    """Inverted CDF, never below the true value."""
    true_s = sorted(late_s)[-(-99 * len(late_s) // 100) - 1]
    assert 0 <= lateness(*late_s).quantile_s(99) - true_s <= 0.0001 + 1e-9


def test_every_limit_of_the_verdict_so_far_is_one_of_the_closed_list():
    """They live once: none of the codes judged here lacks its INVALID limit there."""
    for code in ("send_lag", "under_delivered", "bounded_events", "loop_lag", "worker_cpu", "sockets", "self_check"):
        assert RULES[code].invalid is not None


def test_recent_figures_are_those_of_the_last_answers():
    """Percentiles by inverted CDF; what was cut off is left out, what failed counts as failed."""
    recent = Recent(["aws"])
    assert (0, None, None) == tuple(recent.figures("aws")[name] for name in ("n", "success", "ttft_p50_s"))
    for i in range(ANSWERS):
        recent.add(sample(i, ttft_s=99.0))
    for i in range(ANSWERS):
        recent.add(sample(i, ttft_s=(i + 1) / 1000, e2e_s=(i + 1) / 1000 + 1, error="server" if i >= 150 else ""))
    figures = recent.figures("aws")
    assert (200, 0.75, 0.075, 0.143) == tuple(figures[name] for name in ("n", "success", "ttft_p50_s", "ttft_p95_s"))
    assert 50 == pytest.approx(figures["output_speed_p50"])
    recent.add(sample(error="cut_off"))
    assert ANSWERS - 1 == recent.figures("aws")["n"]


def test_output_speed_of_a_short_answer_is_unknown():
    """Below sixteen later tokens it is noise."""
    recent = Recent(["aws"])
    recent.add(sample(output_tokens=16))
    assert recent.figures("aws")["output_speed_p50"] is None
    recent.add(sample(output_tokens=17))
    assert 16 == pytest.approx(recent.figures("aws")["output_speed_p50"])

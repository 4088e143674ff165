"""Metrics follow the contract of providers.sample, request by request and region by region."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from providers.run import Run
from scoring.cell import make_cell, own_lag_s, tpot_s
from scoring.frame import read_frame
from scoring.metrics import Terms, edge_rtt, error_rate, measure, wilson
from tests.unit.scoring.synthetic import AWS, MEASURE_AT, Experiment, failed

SLO = {"ttft_s": 2.0, "tpot_s": 0.1}


def cells_of(path, experiment, unhealthy=()):
    rows = read_frame(experiment.write(path)).measured
    return [make_cell("aws", str(r), own, unhealthy) for r, own in rows.groupby("region", observed=True)]


def figures_of(path, edit=lambda sample: sample, *, basis="response", hourly_usd=None, **experiment):
    cells = cells_of(path, Experiment(laws=(experiment.pop("law", AWS),), edit=edit, **experiment))
    return measure(cells, Terms(basis, 30.0, SLO, hourly_usd))


def every(nth, change):
    """The edit that changes each nth measured sample."""
    count = iter(range(10**9))
    return lambda s: change(s) if s.phase == "measure" and next(count) % nth == 0 else s


def test_wilson_agrees_with_a_hand_computation():
    """90 of 100 with z = 1.96 lie between .8256 and .9448 (Wilson 1927)."""
    assert (0.8256, 0.9448) == pytest.approx(wilson(0.9, 100), abs=5e-5)


def test_error_rate_of_no_errors_is_not_zero():
    """Fifty of fifty is half an error in fifty-one."""
    assert 0.5 / 51 == error_rate(1.0, 50)


def test_tpot_is_that_of_the_sample(tmp_path):
    """(E2E - TTFT) / (M - n1), as providers.sample defines it, undefined where it does."""

    def change(sample):
        index = int(sample.pair)
        hidden = replace(sample, reasoning_tokens=10, first_chunk_tokens=7.5) if index % 3 == 0 else sample
        return replace(hidden, chunks=1) if index % 5 == 0 else hidden

    experiment = Experiment(laws=(AWS,), window_s=5, edit=change)
    tpots = [s.tpot_s for s in experiment.samples() if s.phase == "measure"]
    expected = [np.nan if tpot is None else tpot for tpot in tpots]
    assert expected == pytest.approx(tpot_s(cells_of(tmp_path, experiment)[0]).tolist(), rel=1e-3, nan_ok=True)


def test_response_counts_from_the_schedule_and_service_from_the_first_byte(tmp_path):
    """A request sent 0.5 s late is 0.5 s slower to whoever asked."""
    found = figures_of(tmp_path, lambda s: replace(s, lag_s=0.5))
    assert 0.5 == pytest.approx(found["ttft_response_p50"].value - found["ttft_service_p50"].value)
    assert found["ttft_response_p50"] == found["ttft_p50"]


def test_closed_loop_scores_service(tmp_path):
    """Without a schedule there is nothing to be late for."""
    found = figures_of(tmp_path, lambda s: replace(s, lag_s=0.5), basis="service")
    assert found["ttft_service_p95"] == found["ttft_p95"]


def test_own_lag_leaves_connection_set_up_to_the_network(tmp_path):
    """A second of handshake is not our lateness."""
    edit = lambda s: replace(s, lag_s=1.25, dns_s=0.25, tcp_s=0.25, tls_s=0.5)  # noqa: E731 - one expression
    lag = own_lag_s(cells_of(tmp_path, Experiment(laws=(AWS,), window_s=2, edit=edit))[0])
    assert 0.25 == pytest.approx(lag.max())


def test_timeouts_enter_latency_at_their_limit(tmp_path):
    """A tenth timed out after 30 s: p95 is at least 30 s and the lag before it."""
    found = figures_of(tmp_path, every(10, lambda s: failed(s, "timeout_first_token", end_s=30.0)))
    assert (True, 30.001) == (found["ttft_p95"].censored, pytest.approx(found["ttft_p95"].value))
    assert not found["ttft_p50"].censored
    assert not found["ttft_success_p95"].censored


def test_first_token_before_a_timeout_did_come(tmp_path):
    """A stream that stalls later has a TTFT, but no end."""
    found = figures_of(tmp_path, every(2, lambda s: failed(s, "timeout_idle", end_s=30.0, ttft_s=0.25)))
    assert found["ttft_p95"].value < 1
    assert found["e2e_p95"].censored


def test_other_errors_stay_out_of_latency_and_in_success(tmp_path):
    """Fast failure is not rewarded: it lowers success and nothing else."""
    found = figures_of(tmp_path, every(2, lambda s: failed(s, "server", end_s=0.001)))
    assert 0.5 == pytest.approx(found["success"].value, abs=0.01)
    assert 0.1 < found["ttft_p50"].value


def test_cut_off_leaves_the_denominator_of_success(tmp_path):
    """What we cut off is nobody's failure."""
    found = figures_of(tmp_path, every(4, lambda s: failed(s, "cut_off", end_s=5.0)))
    assert 1.0 == found["success"].value
    assert found["success"].n < found["e2e_p50"].n


def test_drop_is_the_providers_failure_unless_the_worker_was_unhealthy(tmp_path):
    """512 requests in flight are the provider's queue, but not on a worker that was choking."""
    drop = Experiment(laws=(AWS,), edit=every(2, lambda s: failed(s, "dropped", connection="", lag_s=None)))
    terms = Terms("response", 30.0, SLO)
    healthy = measure(cells_of(tmp_path / "a", drop), terms)["success"].value
    drop = replace(drop, edit=every(2, lambda s: failed(s, "dropped", connection="", lag_s=None)))
    choking = measure(cells_of(tmp_path / "b", drop, {"local"}), terms)["success"].value
    assert (0.5, 1.0) == (pytest.approx(healthy, abs=0.01), choking)


def test_cost_is_what_all_cost_by_the_tokens_of_those_that_succeeded(tmp_path):
    """Half fail and cost as much: each token that came is twice as dear."""
    whole = figures_of(tmp_path / "a")["cost_per_1k_tokens"].value
    cost = (128 * 0.2 + 64 * 0.6) / 1e6
    half = figures_of(tmp_path / "b", every(2, lambda s: failed(s, "truncated", cost_usd=cost)))["cost_per_1k_tokens"]
    assert 1000 * cost / 192 == pytest.approx(whole)
    assert 2 * whole == pytest.approx(half.value, rel=0.01)


def test_unknown_price_is_no_price(tmp_path):
    """Null, never 0."""
    found = figures_of(tmp_path, law=replace(AWS, prices=None))
    assert found["cost_per_1k_tokens"].value is None
    assert found["usd_per_1k_ok_requests"].value is None


def test_hosting_is_paid_by_the_hour_and_shared_by_its_tokens(tmp_path):
    """3.60 USD/hour over 30 s is 0.03 USD for all tokens of the window."""
    found = figures_of(tmp_path, law=replace(AWS, prices=None), hourly_usd=3.6)
    tokens = found["success"].n * 192
    assert 1000 * 0.03 / tokens == pytest.approx(found["cost_per_1k_tokens"].value)


def test_goodput_needs_every_slo(tmp_path):
    """A quarter too slow at first, a quarter without a TPOT: half are good."""
    slow = every(4, lambda s: replace(s, lag_s=2.5))
    count = iter(range(10**9))
    edit = lambda s: replace(s, chunks=1) if s.phase == "measure" and next(count) % 4 == 1 else slow(s)  # noqa: E731
    found = figures_of(tmp_path, edit)
    assert 0.58 == pytest.approx(found["slo_attainment"].value, abs=0.1)
    assert found["slo_attainment"].value * found["success"].n / 30 == pytest.approx(found["goodput_rps"].value)


def test_percentiles_below_their_floor_are_not_told(tmp_path):
    """With 40 requests there is a p90 and no p95."""
    found = figures_of(tmp_path, rate_rps=2, window_s=20)
    assert 36 <= found["ttft_p90"].n < 72
    assert found["ttft_p90"].value is not None
    assert found["ttft_p95"].value is None


def test_regions_weigh_alike_however_many_requests_they_made(tmp_path):
    """One region fails always, the other never: success is one half, not a share of requests."""
    edit = lambda s: failed(s, "server") if s.worker_region == "eu" else s  # noqa: E731
    thin = lambda s: None if s.worker_region == "eu" and int(s.pair) % 4 else edit(s)  # noqa: E731
    assert 0.5 == figures_of(tmp_path, thin, regions=("eu", "us"))["success"].value


def test_edge_rtt_is_the_median_handshake_of_new_connections(tmp_path):
    """Whether or not their TLS session is new; reused connections have none, and warm-up ones count."""
    seen = iter([("new", 0.003), ("resumed", 0.001), ("resumed", 0.002)])

    def opened(sample):
        if int(sample.pair) >= 3:
            return replace(sample, connection="reused", tcp_s=None)
        connection, tcp_s = next(seen)
        return replace(sample, connection=connection, tcp_s=tcp_s)

    frame = read_frame(Experiment(laws=(AWS,), edit=opened).write(tmp_path))
    assert (0.002, 3) == (edge_rtt(frame.samples).value, edge_rtt(frame.samples).n)


def test_span_ends_with_the_last_request_of_an_unfinished_run(tmp_path):
    """Goodput of a run that stopped halfway is not diluted by the half that never was."""
    half = lambda s: s if s.scheduled_at < MEASURE_AT + 15 else None  # noqa: E731
    run = Experiment(laws=(AWS,), edit=half, manifest={"complete": False}).write(tmp_path)
    begin, end = read_frame(Run(run.path)).span
    assert 15 == pytest.approx(end - begin, abs=0.5)

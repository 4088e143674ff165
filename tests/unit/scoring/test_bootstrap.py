"""Intervals: windows as long as latency remembers, replicates without bias, draws that no other provider moves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.bootstrap import _quantiles, interval, resample, stream
from scoring.cell import Series
from scoring.metrics import Figure
from scoring.quantile import distribution, sample_quantile
from scoring.windows import correlation_time_s, cut


def series(values, at=None, censored=None):
    values = np.asarray(values, dtype=float)
    at = np.linspace(0, 60, len(values)) if at is None else at
    return Series(values, np.zeros(len(values), dtype=bool) if censored is None else censored, at)


def autoregressive(rng, rho, n):
    noise = rng.standard_normal(n) * np.sqrt(1 - rho**2)
    logs = np.empty(n)
    logs[0] = rng.standard_normal()
    for i in range(1, n):
        logs[i] = rho * logs[i - 1] + noise[i]
    return np.exp(0.5 * logs)


def replicated(parts, percentile, resampling):
    p = {"p50": 0.5, "p95": 0.95}[percentile]
    value, censored = distribution([s.values for s in parts], [s.censored for s in parts]).quantile(p)
    exact = {percentile: Figure(value, "s", 1, censored=censored)}
    return _quantiles(parts, exact, resampling)[percentile]


def test_independent_requests_need_no_longer_windows_than_a_second():
    """Sixty seconds are sixty windows."""
    windows = cut((0.0, 60.0), [series(np.random.default_rng(1).lognormal(size=1200))])
    assert (60, 1.0) == (windows.count, windows.length_s)


def test_correlation_time_is_that_of_the_law():
    """At rho = .9 it remembers 2 x .9 / (1 - .9) = 18 requests; at 20 requests/s that is .9 s."""
    values = autoregressive(np.random.default_rng(2), 0.9, 20_000)
    assert 0.9 == pytest.approx(correlation_time_s(series(values, np.arange(20_000) / 20)), rel=0.2)


def test_windows_are_fifteen_correlation_times_long():
    """And too few of them are said to be too few, with the seconds needed."""
    values = autoregressive(np.random.default_rng(3), 0.9, 1200)
    windows = cut((0.0, 60.0), [series(values, np.arange(1200) / 20)])
    assert windows.length_s >= 15 * windows.correlation_s
    assert not windows.usable
    assert 150 * windows.correlation_s == pytest.approx(windows.needed_s)


def test_wobble_that_does_not_matter_makes_no_long_windows():
    """A constant latency with a drift of a fiftieth of a percent is as good as constant."""
    assert 60 == cut((0.0, 60.0), [series(0.2 * np.linspace(1, 1.0002, 1200))]).count


def test_every_instant_has_a_window():
    """Instants on and beyond the edges belong to the outermost windows."""
    windows = cut((100.0, 130.0), [])
    assert [0, 0, 15, 29, 29] == windows.index(np.array([99.0, 100.0, 115.5, 130.0, 131.0])).tolist()


def test_constant_latency_has_an_interval_of_no_width():
    """Bins cost no bias: the replicates of a constant are the constant."""
    windows = cut((0.0, 60.0), [])
    values = replicated([series(np.full(1200, 0.2002))], "p95", resample(windows, 200, 1))
    assert (0.2002, 0.2002) == pytest.approx(interval(values))


@pytest.mark.parametrize("percentile", ["p50", "p95"])
def test_replicates_are_those_of_raw_values(percentile):
    """Histograms give what resampling the values themselves gives, but for a fraction of a bin."""
    rng = np.random.default_rng(4)
    values, at = rng.lognormal(-1, 0.5, 3000), rng.uniform(0, 60, 3000)
    windows = cut((0.0, 60.0), [])
    resampling = resample(windows, 300, 1)
    found = replicated([series(values, at)], percentile, resampling)
    by_window = [values[windows.index(at) == w] for w in range(windows.count)]
    p = {"p50": 0.5, "p95": 0.95}[percentile]
    raw = [
        sample_quantile(np.concatenate([np.tile(by_window[w], int(k)) for w, k in enumerate(row) if k]), p)
        for row in resampling.draws
    ]
    assert np.array(raw) == pytest.approx(found, rel=0.015)
    assert np.mean(raw) == pytest.approx(np.mean(found), rel=0.003)


def test_regions_mix_with_equal_mass_in_every_replicate():
    """A region with a tenth of the requests has half of the say."""
    rng = np.random.default_rng(5)
    fast, slow = series(rng.uniform(0.1, 0.2, 1000)), series(rng.uniform(1.0, 2.0, 100))
    found = replicated([fast, slow], "p95", resample(cut((0.0, 60.0), []), 200, 1))
    assert 1.9 == pytest.approx(np.median(found), rel=0.02)


def test_replicates_on_censored_mass_are_infinite():
    """A tenth waited in vain: no replicate knows an upper bound of the p95."""
    censored = np.arange(1200) % 10 == 0
    values = np.where(censored, 30.0, 0.3)
    found = replicated([series(values, censored=censored)], "p95", resample(cut((0.0, 60.0), []), 200, 1))
    assert np.isinf(found).all()


@settings(max_examples=20)
@given(st.text("abc-", min_size=1), st.text("abc-", min_size=1))
def test_streams_depend_on_their_name_alone(one, other):
    """The same name draws the same numbers, another name draws others."""
    draws = [stream(1, name).random(4).tolist() for name in (one, one, other)]
    assert draws[0] == draws[1]
    assert (one == other) == (draws[0] == draws[2])


def test_intervals_cover_what_they_promise_under_correlation():
    """At rho = .9 the true p95 lies within about 95 times in 100; resampling single requests would give 45."""
    rng, truth, hits = np.random.default_rng(6), float(np.exp(0.5 * 1.6448536)), 0
    trials, n = 60, 60 * 300
    for _ in range(trials):
        sample = series(autoregressive_fast(rng, 0.9, n), np.arange(n) / 300)
        low, high = interval(replicated([sample], "p95", resample(cut((0.0, 60.0), [sample]), 400, 1)))
        hits += low <= truth <= high
    assert 0.85 <= hits / trials


def autoregressive_fast(rng, rho, n):
    from scipy.signal import lfilter  # noqa: PLC0415 - one test needs it

    noise = rng.standard_normal(n + 200) * np.sqrt(1 - rho**2)
    return np.exp(0.5 * lfilter([1], [1, -rho], noise)[200:])

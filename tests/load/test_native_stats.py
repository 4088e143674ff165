"""Locust's own statistics, kept exact and made cheap."""

import locust.stats
from hypothesis import given
from hypothesis import strategies as st

from locustfiles.engine.native_stats import percentile, whole_milliseconds

STOCK = locust.stats.calculate_response_time_percentile  # this suite never installs the harness, so it is Locust's own


@given(
    st.dictionaries(st.integers(0, 100_000), st.integers(1, 50), max_size=60),
    st.sampled_from([0.5, 0.66, 0.75, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999, 0.9999, 1.0]),
)
def test_percentiles_are_those_of_stock_locust(histogram, percent):
    """Only the price differs, never the answer."""
    total = sum(histogram.values())
    assert STOCK(histogram, total, percent) == percentile(histogram, total, percent)


def test_milliseconds_are_kept_whole():
    """Stock Locust would file 1501 ms under 1500."""
    assert 1501 == whole_milliseconds(1501.4)

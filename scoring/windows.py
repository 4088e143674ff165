"""Windows cut the measured time into pieces long enough to be resampled as if they were independent.

Requests near in time share queues and networks: resampling single requests would make intervals far too narrow.
It does not know scores.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoring.cell import Series
from scoring.quantile import Floats

SHORTEST_S = 1.0
CORRELATION_TIMES = 15  # at 5 the p95 is under-covered, at 16 it is right (AR(1), rho 0.9)
FEWEST, ENOUGH = 10, 30  # below: no interval | below: DEGRADED
MOST = 1024  # a longer run gets longer windows, not more
_INDIFFERENT = 0.005  # wobble below half a percent of a latency may be as correlated as it likes


@dataclass(frozen=True, slots=True)
class Windows:
    """``count`` windows of ``length_s`` from ``begin``; ``needed_s`` of measuring would give the fewest allowed."""

    begin: float
    count: int
    length_s: float
    correlation_s: float
    needed_s: float

    @property
    def usable(self) -> bool:
        return self.count >= FEWEST

    def index(self, at: Floats) -> npt.NDArray[np.int64]:
        """The window of each instant; what falls off an edge belongs to the window there."""
        found: npt.NDArray[np.int64] = np.clip((at - self.begin) // self.length_s, 0, self.count - 1).astype(np.int64)
        return found


def cut(span: tuple[float, float], latencies: Iterable[Series]) -> Windows:
    """Windows of at least max(1 s, 15 x the largest correlation time), as many as fit, equally long."""
    begin, end = span
    duration_s = max(end - begin, 1e-9)
    correlation_s = max((correlation_time_s(series) for series in latencies), default=0.0)
    least_s = max(SHORTEST_S, CORRELATION_TIMES * correlation_s)
    count = min(MOST, max(1, math.floor(duration_s / least_s + 1e-9)))
    return Windows(begin, count, duration_s / count, correlation_s, FEWEST * least_s)


def correlation_time_s(series: Series) -> float:
    """The integrated autocorrelation time beyond independence, 2 sum of rho_k up to the first zero, in seconds."""
    ended = ~series.censored & (series.values > 0)
    order = np.argsort(series.at[ended], kind="stable")
    at = series.at[ended][order]
    if len(at) < 4 or at[-1] <= at[0]:
        return 0.0
    logs = np.log(series.values[ended][order])
    spacing_s = (at[-1] - at[0]) / (len(at) - 1)
    return 2 * _positive_correlations(logs - logs.mean()) * float(spacing_s)


def _positive_correlations(deviations: Floats) -> float:
    """Sum of the autocorrelations before the first that is not positive, by the Fourier transform."""
    n = len(deviations)
    spectrum = np.fft.rfft(deviations, 1 << (2 * n - 1).bit_length())
    covariances = np.fft.irfft(spectrum * np.conj(spectrum))[:n] / n
    rho = covariances[1:] / (covariances[0] + _INDIFFERENT**2)
    ends = np.flatnonzero(rho <= 1e-12)
    return float(rho[: ends[0] if len(ends) else n].sum())

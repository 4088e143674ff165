"""Windows part the measured time into stretches of ten seconds, each with what this process knew of itself in it.

Pure: told what happened and when, in seconds since the measured time began. It judges nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from locustfiles.engine.lateness import Lateness
from providers.sample import Sample

WINDOW_S = 10.0


@dataclass(slots=True)
class Window:
    lag: Lateness = field(default_factory=Lateness)
    lateness: Lateness = field(default_factory=Lateness)
    pauses: Lateness = field(default_factory=Lateness)
    answers: int = 0
    stamped: int = 0
    chunks: int = 0
    bounded: int = 0
    cpu_shares: list[float] = field(default_factory=list)  # one a second
    sockets: int = 0

    def add(self, sample: Sample) -> None:
        """Of every request: how late it was sent; of an answer: how late it was read, and what its times are worth."""
        if sample.connection and sample.lag_s is not None:
            self.lateness.add(sample.lag_s - (sample.held_s or 0.0))
        if sample.stamp:
            self.answers += 1
            self.stamped += sample.stamp == "kernel"
            self.lag.add(sample.observer_lag_s or 0.0)
            self.chunks += sample.chunks
            self.bounded += sample.bounded_chunks

    def report(self) -> dict[str, Any]:
        return {
            "answers": self.answers,
            "observer_lag_p99_s": self.lag.quantile_s(99),
            "kernel_stamped": _share(self.stamped, self.answers),
            "bounded": _share(self.bounded, self.chunks),
            "loop_lag_max_s": round(self.pauses.longest_s, 6) if self.pauses.count else None,
            "lateness_p99_s": self.lateness.quantile_s(99),
            "cpu": round(fmean(self.cpu_shares), 3) if self.cpu_shares else None,
            "sockets": self.sockets,
        }


class Windows:
    """Index it with a moment; ``report`` holds every window up to the end, also one in which nothing happened."""

    def __init__(self) -> None:
        self._windows: dict[int, Window] = {}

    def __getitem__(self, at_s: float) -> Window:
        index = int(at_s // WINDOW_S)
        window = self._windows.get(index)
        if window is None:
            window = self._windows[index] = Window()
        return window

    def report(self, end_s: float) -> list[dict[str, Any]]:
        found = []
        from_s = 0.0
        while from_s < end_s:
            until_s = min(from_s + WINDOW_S, end_s)
            found.append({"from_s": from_s, "until_s": round(until_s, 3), **self[from_s].report()})
            from_s += WINDOW_S
        return found


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None

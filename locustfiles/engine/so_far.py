"""So far: the verdict that the measured window has earned until now, by the limits that scoring will apply to it.

Pure. It does not know the reasons that only the end can tell (lost rows, empty cells, too few requests, what providers
have in common); scoring judges the run, this only warns in time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import floor, log10

from locustfiles.engine.lateness import Lateness
from providers.reasons import INVALID, LEVELS, RULES, VALID, Limits
from providers.sample import Sample

EARLIEST_S = 5.0  # of the window, before which nothing is judged
FEWEST = 30  # requests of a provider, as n_small has it
_TAIL = 0.01  # a 99th percentile is beyond a limit when more than this share is
_BINS_PER_DECADE = 100


@dataclass(frozen=True, slots=True)
class Doubt:
    """``final``: INVALID even if all that is left of the window were perfect."""

    code: str
    level: str
    text: str
    final: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """``level`` is None while it is too early to tell."""

    level: str | None
    doubts: tuple[Doubt, ...] = ()

    @property
    def final(self) -> bool:
        return any(doubt.final for doubt in self.doubts)

    @property
    def words(self) -> str:
        """One line: the worst reason in full, the others by name."""
        if self.level is None:
            return "too early to tell"
        if not self.doubts:
            return f"{self.level} so far"
        first, *others = self.doubts
        also = f"; also {', '.join(doubt.code for doubt in others)}" if others else ""
        return f"{self.level} so far: {first.code}: {first.text}{also}"


@dataclass(frozen=True, slots=True)
class Worker:
    """What the process knows of itself. ``probe_s`` apart its lags are watched, ``check_rps`` times a second itself."""

    lags: Lateness
    probe_s: float
    cpu_windows: int
    cpu_busy_windows: int
    sockets_refused: int
    errors_s: Sequence[float] = ()
    check_rps: float = 0.0


@dataclass(frozen=True, slots=True)
class _Measure:
    """A figure beside its limits, and what finality needs: ``bad`` parts of ``whole`` expected, ``share`` allowed."""

    code: str
    figure: float | None
    limits: Limits
    bad: float
    whole: float
    share: float

    def doubt(self) -> Iterable[Doubt]:
        rule = RULES[self.code]
        level, limit = rule.breach(self.figure, self.limits)
        if level is not None:
            final = level == INVALID and self.bad > self.share * self.whole
            yield Doubt(self.code, level, rule.said(self.figure, limit), final)


@dataclass(slots=True)
class Part:
    """One provider's measured requests in this process; ``lag`` leaves out connecting and the provider's limits."""

    requests: int = 0
    dropped: int = 0
    events: int = 0
    bounded: int = 0
    lag: Lateness = field(default_factory=Lateness)
    _ttft_bins: Counter[int] = field(default_factory=Counter)

    def add(self, sample: Sample) -> None:
        self.requests += 1
        self.dropped += sample.error == "dropped"
        self.events += sample.chunks
        self.bounded += sample.bounded_chunks
        if sample.connection and sample.lag_s is not None:
            theirs = (sample.held_s, sample.dns_s, sample.tcp_s, sample.tls_s)
            self.lag.add(sample.lag_s - sum(phase_s or 0.0 for phase_s in theirs))
        if sample.ttft_s:
            self._ttft_bins[floor(_BINS_PER_DECADE * log10(sample.ttft_s))] += 1

    @property
    def ttft_p50_s(self) -> float | None:
        """Within 2 %."""
        total, seen = sum(self._ttft_bins.values()), 0
        for bin_, count in sorted(self._ttft_bins.items()):
            seen += count
            if 2 * seen >= total:
                return float(10 ** ((bin_ + 0.5) / _BINS_PER_DECADE))
        return None

    def measures(self, expected: float, *, sick: bool) -> list[_Measure]:
        """``expected`` requests in the whole window; drops are ours where the worker is ``sick``."""
        limits = RULES["send_lag"].limits(self.ttft_p50_s)
        ours, theirs = (self.dropped, 0) if sick else (0, self.dropped)
        due = self.requests - theirs
        growth = expected / self.requests
        under, bounded = RULES["under_delivered"], RULES["bounded_events"]
        return [
            _Measure("send_lag", self.lag.quantile_s(99), limits, self.lag.beyond(limits[1] or 0), expected, _TAIL),
            _Measure(
                under.code, (due - ours) / due if due else None, under.limits(),
                ours, expected, 1 - (under.invalid or 0.0),
            ),
            _Measure(
                bounded.code, self.bounded / self.events if self.events else None, bounded.limits(),
                self.bounded, self.events * growth, bounded.invalid or 1.0,
            ),
        ]  # fmt: skip


class SoFar:
    """``rate_rps`` is that of each provider in open loop, None where nobody knows how many requests will come."""

    def __init__(self, names: Iterable[str], window_s: float, rate_rps: float | None) -> None:
        self.parts = {name: Part() for name in names}
        self._window_s, self._rate_rps = window_s, rate_rps
        self._sent = 0

    def add(self, sample: Sample) -> None:
        self._sent += 1
        if sample.phase == "measure":
            self.parts[sample.provider].add(sample)

    def judge(self, elapsed_s: float, worker: Worker) -> dict[str, Judgement]:
        """By provider; the worker's own reasons are everybody's."""
        if elapsed_s < EARLIEST_S:
            return {name: Judgement(None) for name in self.parts}
        everywhere = [doubt for measure in self._of_worker(elapsed_s, worker) for doubt in measure.doubt()]
        sick = any(doubt.code != "self_check" for doubt in everywhere)
        return {name: self._judgement(part, elapsed_s, everywhere, sick=sick) for name, part in self.parts.items()}

    def _judgement(self, part: Part, elapsed_s: float, everywhere: list[Doubt], *, sick: bool) -> Judgement:
        own: list[Doubt] = []
        if part.requests >= FEWEST:
            measures = part.measures(self._expected(part, elapsed_s), sick=sick)
            own = [doubt for measure in measures for doubt in measure.doubt()]
        elif not everywhere:
            return Judgement(None)
        doubts = sorted(own + everywhere, key=lambda doubt: -LEVELS.index(doubt.level))
        return Judgement(doubts[0].level if doubts else VALID, tuple(doubts))

    def _expected(self, part: Part, elapsed_s: float) -> float:
        """Requests in the whole window: as the schedule has it, else as it went until now."""
        return max(
            part.requests * self._window_s / min(elapsed_s, self._window_s), self._window_s * (self._rate_rps or 0)
        )

    def _of_worker(self, elapsed_s: float, worker: Worker) -> list[_Measure]:
        left_s = max(0.0, self._window_s - elapsed_s)
        lag, cpu, sockets, check = (RULES[code] for code in ("loop_lag", "worker_cpu", "sockets", "self_check"))
        fastest = min((ttft for part in self.parts.values() if (ttft := part.ttft_p50_s)), default=None)
        limits = check.limits(fastest)
        errors = sorted(worker.errors_s)
        windows, refused = worker.cpu_windows, worker.sockets_refused
        sent = max(self._sent, 1)
        return [
            _Measure(
                lag.code, worker.lags.quantile_s(99), lag.limits(),
                worker.lags.beyond(lag.invalid or 0), worker.lags.count + left_s / worker.probe_s, _TAIL,
            ),
            _Measure(
                cpu.code, worker.cpu_busy_windows / windows if windows else None, cpu.limits(),
                worker.cpu_busy_windows, windows + left_s, cpu.invalid or 1.0,
            ),
            _Measure(
                sockets.code, refused / sent, sockets.limits(),
                refused, sent * (elapsed_s + left_s) / elapsed_s, sockets.invalid or 1.0,
            ),
            _Measure(
                check.code, errors[-(-99 * len(errors) // 100) - 1] if errors else None, limits,
                sum(error > (limits[1] or 0) for error in errors), len(errors) + left_s * worker.check_rps, _TAIL,
            ),
        ]  # fmt: skip

"""An Experiment is what one run is asked to do, frozen before it starts: how much load, for how long, of what."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from locustfiles.engine.arrivals import Steps, busiest, offsets_s, stepped
from locustfiles.engine.shape import Level
from providers.knee import ALPHA, Staircase
from providers.roster import Roster
from providers.sample import Phase
from providers.trace import Trace
from providers.workload import Workload

_PEAK_S = 10.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where this process stands. Read once at import: Locust overwrites a worker's options with its master's."""

    providers: Path
    results: Path
    region: str
    cloud: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """``rate_rps`` is per provider over the whole fleet (open loop); ``users`` are closed-loop users over all."""

    roster: Roster
    workload: Workload
    arrivals: str  # closed | constant | poisson | gamma | trace
    rate_rps: float
    burstiness: float
    users: int
    warm_up_s: float
    window_s: float
    drain_s: float
    slo: dict[str, float] | None
    seed: int
    max_cost_usd: float | None
    preflight: bool
    cold_start: bool
    score: bool
    self_check: bool
    stop_on_invalid: bool
    place: Place
    levels: tuple[Level, ...] = ()  # closed loop: users that come and go; ``users`` are the most of them
    steps: Steps = ()  # open loop: rates that take turns, in place of rate_rps
    trace: Trace | None = None  # open loop: its instants; the workload has its lengths
    probe: bool = False
    sweep: Staircase | None = None  # open loop: what the steps are for
    stops_early: bool = False  # may end before its plan is through: the plan is then no promise of its cost

    @property
    def closed(self) -> bool:
        return self.arrivals == "closed"

    @property
    def pairing(self) -> str:
        """``instant``: the same prompt at the same moment; ``prompt``: the same prompt; ``none``: its own answers."""
        if self.workload.history_own:
            return "none"
        return "prompt" if self.closed else "instant"

    def config(self) -> dict[str, Any]:
        """What the manifest says was asked for; no secret and no machine path is in it."""
        return {
            "arrivals": {
                "kind": self.arrivals,
                "rate_rps": None if self.closed or self.steps or self.trace else self.rate_rps,
                "steps": [{"until_s": until_s, "rate_rps": rate_rps} for until_s, rate_rps in self.steps],
                "trace": self.trace and {"file": self.trace.path.name, "sha256": self.trace.sha256},
                "burstiness": self.burstiness if self.arrivals == "gamma" else None,
                "levels": [{"from_s": level.from_s, "users": level.users} for level in self.levels],
                "users": self.users if self.closed else None,
            },
            "workload": self.workload.model_dump(mode="json"),
            "phases": {"warm_up_s": self.warm_up_s, "window_s": self.window_s, "drain_s": self.drain_s},
            "slo": self.slo,
            "seed": self.seed,
            "pairing": self.pairing,
            "max_cost_usd": self.max_cost_usd,
            "cold_start": self.cold_start,
            "probe": self.probe,
            "sweep": self.sweep and asdict(self.sweep) | {"alpha": ALPHA},
        }

    @property
    def sha256(self) -> str:
        """Hash of all that makes two runs the same experiment."""
        text = json.dumps([self.config(), self.roster.sha256, self.workload.sha256], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def load_s(self) -> float:
        return self.warm_up_s + self.window_s

    @property
    def peak_rps(self) -> float:
        """The highest rate that lasts: of a step, of ten seconds of a trace."""
        if self.trace:
            return busiest(self.trace.offsets_s, _PEAK_S) / _PEAK_S
        return max((rate_rps for _, rate_rps in self.steps), default=self.rate_rps)

    def offsets_s(self) -> Iterator[float]:
        """The instants of the open-loop schedule, in seconds since the start of the load."""
        if self.trace:
            return iter(self.trace.offsets_s)
        if self.steps:
            return stepped(self.steps, self.arrivals, self.seed, self.burstiness)
        return offsets_s(self.arrivals, self.rate_rps, self.seed, self.burstiness)

    def step(self, offset_s: float) -> int | None:
        """The step that an instant of the schedule belongs to; None outside of all steps."""
        return next((index for index, (until_s, _) in enumerate(self.steps) if offset_s < until_s), None)

    @property
    def planned_requests(self) -> int | None:
        """Requests per provider in warm-up and window; None in closed loop, where the providers decide."""
        if self.closed:
            return None
        return sum(1 for _ in takewhile(lambda at_s: at_s < self.load_s, self.offsets_s()))


@dataclass(slots=True)
class Timetable:
    """The instants (unix seconds) at which phases begin; None until known. Samples belong by *scheduled* time."""

    warm_up_s: float
    window_s: float
    start_at: float | None = None
    warmup_at: float | None = None
    measure_at: float | None = None
    drain_at: float | None = None
    end_at: float | None = None
    changing: bool = False  # users are coming or going in mid-load, as a shape has it

    def begin(self, at: float) -> None:
        """The ramp is over: warm-up starts, and with it everything after is fixed."""
        self.warmup_at = at
        self.measure_at = at + self.warm_up_s
        self.drain_at = self.measure_at + self.window_s

    def phase(self, at: float) -> Phase:
        if self.warmup_at is None or at < self.warmup_at or self.changing:
            return "ramp"
        assert self.measure_at is not None
        return "warmup" if at < self.measure_at else "measure"

    def over(self, at: float) -> bool:
        return self.drain_at is not None and at >= self.drain_at

    def instants(self) -> dict[str, float | None]:
        return {
            name: None if at is None else round(at, 6)
            for name, at in (
                ("start_at", self.start_at),
                ("warmup_at", self.warmup_at),
                ("measure_at", self.measure_at),
                ("drain_at", self.drain_at),
                ("end_at", self.end_at),
            )
        }

"""A sweep's knees from its rows: the law of ``providers.knee`` over again, and what every step delivered.

It does not know scores. The scorecard of a sweep counts the steps that all providers could bear, told here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from providers.knee import BEYOND, Asked, Knee, Staircase, Step, knee
from providers.sample import BEFORE_LOAD
from scoring.cell import Cell, clocked, make_cell, output_speed
from scoring.frame import Frame
from scoring.metrics import Terms, meets_slo, wilson
from scoring.quantile import FLOORS, Floats, sample_quantile

_EDGE_S = 0.001


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one provider did in the part of a step that counts; None where too few requests tell.

    ``tokens_per_s`` are output tokens of successes that came *within* it: an overload delivers no faster than it can.
    ``output_speed_p50`` is what one user sees. ``best`` says that no other step has more of both.
    """

    step: Step
    attainment_lo: float
    attainment_hi: float
    tokens_per_s: float
    output_speed_p50: float | None
    ttft_p50_s: float | None
    best: bool = False


@dataclass(frozen=True, slots=True)
class Climbed:
    name: str
    capability: str
    knee: Knee
    steps: tuple[Delivered, ...]

    @property
    def borne(self) -> int:
        """Steps below its knee."""
        return sum(step.outcome not in BEYOND for step in self.knee.steps)


@dataclass(frozen=True, slots=True)
class Sweep:
    stairs: Staircase
    climbed: tuple[Climbed, ...]

    @property
    def common(self) -> int:
        """Steps that all providers bore; the first where one bore none, since all were asked it alike."""
        return max(1, min((own.borne for own in self.climbed), default=0))


def sweep(frame: Frame, slo: Mapping[str, float], unhealthy: Collection[str] = ()) -> Sweep | None:
    """None where the run was none."""
    asked = frame.config.get("sweep")
    begin = (frame.manifest.get("phases") or {}).get("measure_at")
    if not asked or begin is None:
        return None
    stairs = Staircase(tuple(asked["rates_rps"]), asked["step_s"], asked["settle_s"], asked["attainment"])
    rows = frame.samples[~frame.samples["phase"].isin(BEFORE_LOAD)]
    full = _full_steps(frame, stairs, begin)
    climbed = []
    for name, entry in frame.declared.items():
        cell = make_cell(name, "", rows[rows["provider"] == name], unhealthy)
        if len(cell.rows):
            climbed.append(_climbed(cell, str(entry.get("capability") or "default"), stairs, begin, slo, full[name]))
    return Sweep(stairs, tuple(climbed))


def below_knees(frame: Frame, found: Sweep) -> Frame:
    """The run as if it had ended with the last step that all providers bore: what can be compared."""
    phases = dict(frame.manifest["phases"])
    end = phases["measure_at"] + found.common * found.stairs.step_s
    measured = frame.measured[frame.measured["scheduled_at"] < end]
    phases["drain_at"] = min(end, phases.get("drain_at") or end)
    return replace(frame, measured=measured, manifest={**frame.manifest, "phases": phases})


def _full_steps(frame: Frame, stairs: Staircase, begin: float) -> dict[str, int]:
    """How many steps each provider was asked in full: up to their end, and as often as any other."""
    measured = frame.measured
    at_s = (measured["scheduled_at"] - begin).to_numpy(dtype=np.float64)
    drain_at = frame.manifest["phases"].get("drain_at") if frame.manifest.get("complete") else None
    lasted_s = drain_at - begin if drain_at else at_s.max(initial=0.0)
    steps = [stairs.step(at) for at in at_s.tolist()]
    places = np.array([-1 if step is None else step for step in steps], dtype=np.int64)
    asked = {name: Counter(places[(measured["provider"] == name).to_numpy()].tolist()) for name in frame.declared}
    most = {number: max(own[number] for own in asked.values()) for number in range(len(stairs.rates_rps))}
    full = {}
    for name, own in asked.items():
        whole = 0
        for number in range(len(stairs.rates_rps)):
            if (number + 1) * stairs.step_s > lasted_s + _EDGE_S or own[number] < most[number]:
                break
            whole += 1
        full[name] = whole
    return full


def requests_of(cell: Cell, begin: float, slo: Mapping[str, float]) -> list[Asked]:
    """On the response clock, as the load process saw them."""
    at_s = cell.scheduled_at - begin
    until_s = at_s + np.nan_to_num(clocked(cell, "end_s", "response"))
    ttft_s = clocked(cell, "ttft_s", "response")
    good = meets_slo(cell, Terms("response", 1.0, slo)) > 0
    columns = zip(at_s.tolist(), until_s.tolist(), ttft_s.tolist(), good.tolist(), cell.counted.tolist(), strict=True)
    return [Asked(at, end, None if t != t else t, ok if counted else None) for at, end, t, ok, counted in columns]  # noqa: PLR0124 - nan


def _climbed(
    cell: Cell, capability: str, stairs: Staircase, begin: float, slo: Mapping[str, float], full: int
) -> Climbed:
    found = knee(stairs, requests_of(cell, begin, slo), full)
    steps = [_delivered(cell, stairs, index, step, begin) for index, step in enumerate(found.steps)]
    return Climbed(cell.provider, capability, found, tuple(_marked(steps)))


def _delivered(cell: Cell, stairs: Staircase, index: int, step: Step, begin: float) -> Delivered:
    from_s, until_s = stairs.part(index)
    at_s = cell.scheduled_at - begin
    made = _streamed_tokens(cell, from_s + begin, until_s + begin)
    own = (at_s >= from_s) & (at_s < until_s)
    lo, hi = wilson(step.attainment or 0.0, step.n)
    return Delivered(
        step, lo, hi, made / (until_s - from_s),
        _median(output_speed(cell)[own & cell.ok]), _median(clocked(cell, "ttft_s", "response")[own]),
    )  # fmt: skip


def _streamed_tokens(cell: Cell, from_at: float, until_at: float) -> float:
    """Output tokens of successes between two instants, each answer's spread evenly from its first to its last."""
    first = cell.scheduled_at + clocked(cell, "ttft_s", "response")
    last = np.maximum(cell.scheduled_at + clocked(cell, "e2e_s", "response"), first + _EDGE_S)
    within = np.maximum(np.minimum(last, until_at) - np.maximum(first, from_at), 0.0) / (last - first)
    return float(np.nansum(np.where(cell.ok, within * cell.column("output_tokens"), 0.0)))


def _median(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return sample_quantile(known, 0.5) if len(known) >= FLOORS[0.5] else None


def _marked(steps: Sequence[Delivered]) -> list[Delivered]:
    def beaten(own: Delivered) -> bool:
        speed = own.output_speed_p50 or 0.0
        return any(
            other.tokens_per_s >= own.tokens_per_s
            and (other.output_speed_p50 or 0.0) >= speed
            and (other.tokens_per_s, other.output_speed_p50) != (own.tokens_per_s, own.output_speed_p50)
            for other in steps
        )

    return [replace(step, best=step.output_speed_p50 is not None and not beaten(step)) for step in steps]

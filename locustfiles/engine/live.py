"""The Live view: one JSON line a second in live.jsonl, and one line for the person at the terminal.

Counts in live.jsonl are totals since the run began; a reader takes the difference of two lines for a window.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter, deque
from pathlib import Path
from typing import Any

import gevent

from locustfiles.engine.experiment import Place, Timetable
from locustfiles.engine.preflight import milliseconds
from locustfiles.engine.recorder import BINS_PER_DECADE, Tally
from locustfiles.engine.watch import Watch

_RATE_S = 10  # over which the rate is told
_PIPE_EVERY_S = 10  # a file or a CI log gets fewer lines than a terminal


class Live:
    def __init__(self, path: Path, tallies: dict[str, Tally], watch: Watch, timetable: Timetable, place: Place) -> None:
        self._file = path.open("w", encoding="utf-8", buffering=1)
        self._tallies, self._watch, self._timetable, self._place = tallies, watch, timetable, place
        self._sent: deque[dict[str, int]] = deque(maxlen=_RATE_S + 1)  # of each second
        self._warned: set[str] = set()
        self.last: dict[str, Any] = {"cells": []}
        self._greenlet: gevent.Greenlet | None = None
        self._terminal = sys.stderr.isatty()
        self.draining = False

    def start(self) -> None:
        self._greenlet = gevent.spawn(self._tick)

    def stop(self) -> None:
        if self._greenlet is not None:
            self._greenlet.kill()
        self._write()
        self._file.close()
        if self._terminal:
            sys.stderr.write("\r\x1b[K")

    def _tick(self) -> None:
        ticks, before = 0, self._totals()
        while True:
            gevent.sleep(1)
            ticks += 1
            self._write()
            self._warn()
            if self._terminal or ticks % _PIPE_EVERY_S == 0:
                now = self._totals()
                self._show(now, before, 1 if self._terminal else _PIPE_EVERY_S)
                before = now

    def _write(self) -> None:
        self._watch.look()
        self._sent.append({name: tally.sent for name, tally in self._tallies.items()})
        self.last = {"t": round(time.time(), 3), **self._phase(), **self._cells()}
        self._file.write(json.dumps(self.last) + "\n")

    def _warn(self) -> None:
        """Say what has become INVALID when it does: its figures move every second, its reasons do not."""
        reasons = self._watch.invalid_reasons
        if reasons - self._warned:
            start = "\r\x1b[K" if self._terminal else ""
            sys.stderr.write(f"{start}INVALID so far: {self._watch.words}\n")
        self._warned |= reasons

    def _phase(self) -> dict[str, Any]:
        now = time.time()
        table = self._timetable
        if self.draining or table.over(now):
            return {"phase": "drain", "left_s": None}
        ends = {"warmup": table.measure_at, "measure": table.drain_at}
        phase = table.phase(now)
        end = ends.get(phase)
        return {"phase": phase, "left_s": None if end is None else round(max(0.0, end - now), 1)}

    def _cells(self) -> dict[str, Any]:
        health, check = self._watch.health, self._watch.self_check()
        return {
            "cells": [self._cell(name, tally) for name, tally in self._tallies.items()],
            "workers": [
                {
                    "name": "local", "region": self._place.region, "cpu": round(health.cpu_share, 3),
                    "loop_lag_s": round(health.loop_lag_s, 6), "offset_s": 0.0, "heard_at": round(time.time(), 3),
                    "ttft_error_p99_s": check["ttft_error_p99_s"] if check else None,
                }
            ],
        }  # fmt: skip

    def _cell(self, name: str, tally: Tally) -> dict[str, Any]:
        judgement = self._watch.judgements.get(name)
        return {
            **_counts(name, self._place.region, tally),
            "rate_rps": round((self._sent[-1][name] - self._sent[0][name]) / max(1, len(self._sent) - 1), 3),
            "lag_p99_s": self._watch.lag_p99_s(name),
            "recent": self._watch.recent.figures(name),
            "verdict": {
                "level": judgement.level if judgement else None,
                "final": bool(judgement and judgement.final),
                "words": judgement.words if judgement else "not measuring yet",
            },
        }

    def _totals(self) -> dict[str, Any]:
        tallies = self._tallies.values()
        ttft: Counter[int] = Counter()
        for tally in tallies:
            ttft.update(tally.ttft_bins)
        return {"sent": sum(t.sent for t in tallies), "ttft": ttft}

    def _show(self, now: dict[str, Any], before: dict[str, Any], seconds: int) -> None:
        phase = self._phase()
        left = "" if phase["left_s"] is None else f" {phase['left_s']:.0f} s left"
        errors = sum(sum(t.errors.values()) for t in self._tallies.values())
        spend_usd = sum(t.spend_usd for t in self._tallies.values())
        line = (
            f"{phase['phase']:<8}{left}  {(now['sent'] - before['sent']) / seconds:.1f} requests/s"
            f"  TTFT p50 {milliseconds(median_s(now['ttft'] - before['ttft']))}  {errors} errors  {spend_usd:.4f} USD"
        )
        sys.stderr.write(f"\r\x1b[K{line[:79]}" if self._terminal else f"{line}\n")
        sys.stderr.flush()


def _counts(name: str, region: str, tally: Tally) -> dict[str, Any]:
    return {
        "provider": name,
        "region": region,
        "scheduled": tally.scheduled,
        "sent": tally.sent,
        "ok": tally.ok,
        "dropped": tally.dropped,
        "held": tally.held,
        "errors": dict(tally.errors),
        "in_flight": tally.in_flight,
        "ttft_bins": dict(tally.ttft_bins),
        "e2e_bins": dict(tally.e2e_bins),
        "tokens": tally.tokens,
        "spend_usd": round(tally.spend_usd, 9),
    }


def median_s(bins: Counter[int]) -> float | None:
    """The median of a log histogram, at the middle of its bin."""
    total, seen = sum(bins.values()), 0
    for bin_, count in sorted(bins.items()):
        seen += count
        if 2 * seen >= total > 0:
            return float(10 ** ((bin_ + 0.5) / BINS_PER_DECADE) / 1000)
    return None

"""The Recorder takes every sample as it finishes: a row on disk, counts for the live view, and Locust's own statistics.

Rows reach the file one by one, so that a crash loses nothing that was finished. It does not judge samples.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from providers.sample import BEFORE_LOAD, COLUMNS, Sample, to_line

BINS_PER_DECADE = 20  # histogram bins of live.jsonl: bin b holds [10^(b/20), 10^((b+1)/20)) ms


class ProviderError(Exception):
    """What Locust's failure table shows: the error kind, so that failures group by kind."""


@dataclass(slots=True)
class Tally:
    """Counts of one provider in this process since the start of the run; all but ``in_flight`` only grow."""

    scheduled: int = 0
    sent: int = 0
    finished: int = 0
    measured: int = 0
    ok: int = 0
    dropped: int = 0
    held: int = 0
    in_flight: int = 0
    tokens: int = 0
    spend_usd: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)
    ttft_bins: Counter[int] = field(default_factory=Counter)
    e2e_bins: Counter[int] = field(default_factory=Counter)

    @property
    def lost(self) -> int:
        return self.scheduled - self.finished

    def counts(self) -> dict[str, int]:
        """For the manifest: scheduled = finished, always, and every sent one is a row."""
        return {
            "scheduled": self.scheduled,
            "sent": self.sent,
            "finished": self.finished,
            "dropped": self.dropped,
            "held": self.held,
            "lost": self.lost,
        }

    def add(self, sample: Sample) -> None:
        self.finished += 1
        self.measured += sample.phase == "measure"
        self.sent += bool(sample.connection)
        self.dropped += sample.error == "dropped"
        self.held += bool(sample.held_s)
        self.tokens += (sample.input_tokens or 0) + (sample.output_tokens or 0)
        self.spend_usd += sample.cost_usd or 0.0
        if sample.error:
            self.errors[sample.error] += 1
            return
        self.ok += 1
        for value_s, bins in ((sample.ttft_s, self.ttft_bins), (sample.e2e_s, self.e2e_bins)):
            if value_s:
                bins[math.floor(BINS_PER_DECADE * math.log10(value_s * 1000))] += 1


class Recorder:
    """One per run and process. ``stats`` and ``events`` are Locust's."""

    def __init__(self, path: Path, names: list[str], environment: Any) -> None:
        self._file = path.open("wb", buffering=0)  # a row is the kernel's as soon as it is written
        self._write(",".join(COLUMNS) + "\n")
        self._environment = environment
        self.tallies = {name: Tally() for name in names}

    def take(self, sample: Sample) -> None:
        self._write(to_line(sample))
        self.tallies[sample.provider].add(sample)
        if sample.phase not in BEFORE_LOAD:
            self._tell_locust(sample)

    def _tell_locust(self, sample: Sample) -> None:
        duration_s = sample.end_s if sample.e2e_s is None else sample.e2e_s
        self._environment.events.request.fire(
            request_type="chat",
            name=sample.provider,
            response_time=None if duration_s is None else duration_s * 1000,
            response_length=sample.output_chars,
            exception=ProviderError(sample.error) if sample.error else None,
            context={},
            response=None,
        )
        # Straight into the table: rows of their own that do not count as requests and leave Aggregated alone.
        entries = self._environment.stats
        for row, value_s in (("TTFT", sample.ttft_s), ("TPOT", sample.tpot_s)):
            if value_s is not None:
                entries.get(sample.provider, row).log(value_s * 1000, 0)

    def _write(self, line: str) -> None:
        data = memoryview(line.encode())
        while data:  # a full disk may take a part of it first
            data = data[self._file.write(data) :]

    def close(self) -> None:
        self._file.close()

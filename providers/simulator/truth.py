"""A Truth is what the simulator itself did with one request; the TruthLog keeps one CSV row of it per request.

Instants are taken right before each write; durations count seconds from the arrival, the moment the request's headers
were complete at the application.
"""

from __future__ import annotations

import csv
import itertools
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from providers.errors import ConfigError

COLUMNS = (
    "request_id", "provider", "arrived_at", "status", "error", "finish", "headers_s", "ttft_s", "ttfo_s", "e2e_s",
    "end_s", "chunks", "gap_p50_s", "gap_max_s", "input_tokens", "output_tokens", "reasoning_tokens",
)  # fmt: skip


@dataclass(slots=True)
class Truth:
    """``error`` is the kind a correct client must report; None is what never came."""

    request_id: str
    provider: str
    arrived_at: float = field(default_factory=time.time)  # unix seconds
    arrived: float = field(default_factory=time.monotonic)  # the event loop's clock
    status: int | None = None
    error: str = ""
    finish: str = ""
    headers_s: float | None = None
    ttfo_s: float | None = None
    end_s: float | None = None
    chunks_s: list[float] = field(default_factory=list)  # one per content chunk
    input_tokens: int | None = None
    output_tokens: int = 0
    reasoning_tokens: int = 0

    def elapsed_s(self) -> float:
        return time.monotonic() - self.arrived

    def note_chunk(self, tokens: int, *, reasoning: bool) -> None:
        """A content chunk is about to be written."""
        at = self.elapsed_s()
        self.chunks_s.append(at)
        self.output_tokens += tokens
        if reasoning:
            self.reasoning_tokens += tokens
        elif self.ttfo_s is None:
            self.ttfo_s = at

    def row(self) -> list[object]:
        at = self.chunks_s
        gaps = sorted(later - earlier for earlier, later in itertools.pairwise(at))
        cells = (
            self.request_id, self.provider, self.arrived_at, self.status, self.error, self.finish, self.headers_s,
            at[0] if at else None, self.ttfo_s, at[-1] if at else None, self.end_s, len(at),
            gaps[(len(gaps) - 1) // 2] if gaps else None,  # inverted CDF, as everywhere: k = ceil(n / 2)
            gaps[-1] if gaps else None, self.input_tokens, self.output_tokens, self.reasoning_tokens,
        )  # fmt: skip
        return [f"{cell:.6f}" if isinstance(cell, float) else cell for cell in cells]


class TruthLog:
    """Rows are on disk as soon as their request has ended; without a path they go nowhere."""

    def __init__(self, path: Path | None) -> None:
        self._file = _open(path) if path else None
        self._rows = csv.writer(self._file, lineterminator="\n") if self._file else None
        if self._file and self._rows and self._file.tell() == 0:
            self._rows.writerow(COLUMNS)

    def write(self, truth: Truth) -> None:
        if self._rows:
            self._rows.writerow(truth.row())

    def close(self) -> None:
        if self._file:
            self._file.close()


def _open(path: Path) -> TextIO:
    try:
        # Line-buffered: one write per row, so that a killed simulator leaves whole rows behind.
        return path.open("a", encoding="utf-8", newline="", buffering=1)
    except OSError as error:
        raise ConfigError(
            f"--truth {path}: cannot be written ({error.strerror}); name a file you may write to"
        ) from None

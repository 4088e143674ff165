"""The Scorecard is where priors come from: read off the hot path when its file changes, refused when it is INVALID.

Score weights map to the router's: latency + throughput become w_lat, cost w_cost; success enters by the divisor.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from providers.errors import RunError
from providers.run import Run
from router.estimate import prior_weight
from router.policy import Weights
from router.target import Prior
from scoring.card import Card, read_card

_METRICS = {"ttft_s": "ttft_p50", "e2e_s": "e2e_p50", "s_per_token": "tpot_p50"}


@dataclass(slots=True)
class Scorecard:
    """The newest good reading of a run's ``summary.json``; a bad one leaves the old in place and says so."""

    path: Path
    card: Card | None = None
    refused: str = ""
    refusals: int = 0
    _mtime_ns: int = 0

    def read(self) -> None:
        """Look whether the file is another than last time, and read it if so."""
        file = Run(self.path).summary if self.path.is_dir() else self.path
        try:
            mtime_ns = file.stat().st_mtime_ns
            if mtime_ns == self._mtime_ns:
                return
            self._mtime_ns = mtime_ns
            card = read_card(self.path)
            datetime.fromisoformat(card.created_at)
        except (OSError, RunError, ValueError) as error:
            self._refuse(str(error))
        else:
            if card.level == "INVALID" or card.accepted_invalid:
                self._refuse(f"{file}: the run is INVALID and no prior; measure again")
            else:
                self.card, self.refused = card, ""

    def _refuse(self, why: str) -> None:
        self.refusals += 1
        self.refused = why

    @property
    def age_s(self) -> float:
        if self.card is None:
            return 0.0
        created = datetime.fromisoformat(self.card.created_at)
        return max(0.0, time.time() - created.replace(tzinfo=created.tzinfo or UTC).timestamp())

    def priors(self, names: Iterable[str]) -> dict[str, Prior]:
        """For whom the card does not know, or calls INVALID: the median of the others, figure by figure."""
        told = {name: self._told(name) for name in names}
        keys = {key for said in told.values() for key in said}
        medians = {key: median(said[key] for said in told.values() if key in said) for key in keys}
        strength = prior_weight(self.age_s)
        return {
            name: Prior(**(medians | said), strength=strength, known=bool(said)) if medians else Prior()
            for name, said in told.items()
        }

    def _told(self, name: str) -> dict[str, float]:
        standing = self.card.standing(name) if self.card else None
        if standing is None or standing.level == "INVALID":
            return {}
        said = {key: standing.value(metric) for key, metric in _METRICS.items()} | {"score": standing.score}
        if (error_rate := standing.value("error_rate")) is not None:
            said["success"] = 1 - error_rate
        return {key: value for key, value in said.items() if value is not None}

    def weights(self) -> Weights:
        of = self.card.document["profile"].get("weights", {}) if self.card else {}
        latency, cost = of.get("latency", 0.0) + of.get("throughput", 0.0), of.get("cost", 0.0)
        return Weights(latency, cost) if latency + cost > 0 else Weights()

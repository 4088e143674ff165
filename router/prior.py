"""A Prior comes from the scorecard: read off the hot path when its file changes, refused when it is INVALID.

Score weights map to the router's: latency + throughput become w_lat, cost w_cost; success enters by the divisor.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from providers.errors import RunError
from providers.run import Run
from router.estimate import prior_weight
from router.policy import Prior, Weights
from scoring.card import Card, Standing, read_card

_DAY_S = 86400.0


@dataclass(slots=True)
class Scorecard:
    """The newest good reading of a run's ``summary.json``; a bad one leaves the old in place and says so."""

    path: Path
    card: Card | None = None
    refused: str = ""
    refusals: int = 0
    _mtime_ns: int = 0

    def changed(self) -> bool:
        """Read the file if it is another than last time; True when there is a new card."""
        file = Run(self.path).summary if self.path.is_dir() else self.path
        try:
            mtime_ns = file.stat().st_mtime_ns
            if mtime_ns == self._mtime_ns:
                return False
            self._mtime_ns = mtime_ns
            card = read_card(self.path)
        except (OSError, RunError) as error:
            return self._refuse(str(error))
        if card.level == "INVALID" or card.accepted_invalid:
            return self._refuse(f"{file}: the run is INVALID and no prior; measure again")
        self.card, self.refused = card, ""
        return True

    def _refuse(self, why: str) -> bool:
        self.refusals += why != self.refused
        self.refused = why
        return False

    @property
    def age_s(self) -> float:
        if self.card is None:
            return 0.0
        created = datetime.strptime(self.card.created_at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        return max(0.0, time.time() - created.timestamp())

    def status(self) -> dict[str, Any]:
        run, days = self.card.run_id if self.card else "", self.age_s / _DAY_S
        age = f"{days:.1f} d" if days >= 1 else f"{24 * days:.1f} h"
        return {"run": run, "age": age, "refused": self.refused, "refusals": self.refusals}

    def prior(self, name: str) -> Prior:
        """Nothing for a provider the card does not know, or whose part of the run is INVALID."""
        standing = self.card.standing(name) if self.card else None
        if standing is None or standing.level == "INVALID":
            return Prior()
        return _prior(standing, prior_weight(self.age_s))

    def weights(self) -> Weights | None:
        if self.card is None:
            return None
        of = self.card.document["profile"]["weights"]
        latency, cost = of.get("latency", 0.0) + of.get("throughput", 0.0), of.get("cost", 0.0)
        return Weights(latency, cost) if latency + cost > 0 else None


def _prior(standing: Standing, strength: float) -> Prior:
    error_rate = standing.value("error_rate")
    return Prior(
        ttft_s=standing.value("ttft_p50"),
        e2e_s=standing.value("e2e_p50"),
        s_per_token=standing.value("tpot_p50"),
        success=None if error_rate is None else 1 - error_rate,
        score=standing.score,
        strength=strength,
    )

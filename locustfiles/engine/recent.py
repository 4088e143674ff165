"""Recent is what the last answers of each provider were like: for screens that a person watches, not for the record.

Pure; a scorecard comes from all rows, this from the last 200.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from providers.sample import Sample

ANSWERS = 200
_SPEED_TOKENS = 16  # output speed of a shorter answer is noise


class Recent:
    def __init__(self, names: Iterable[str]) -> None:
        self._samples: dict[str, deque[Sample]] = {name: deque(maxlen=ANSWERS) for name in names}

    def add(self, sample: Sample) -> None:
        self._samples[sample.provider].append(sample)

    def figures(self, name: str) -> dict[str, Any]:
        """None is unknown; what we cut off is nobody's failure."""
        counted = [sample for sample in self._samples[name] if sample.error != "cut_off"]
        good = [sample for sample in counted if not sample.error]
        first = sorted(sample.ttft_s for sample in good if sample.ttft_s is not None)
        speeds = sorted(speed for sample in good if (speed := output_speed(sample)) is not None)
        return {
            "n": len(counted),
            "success": round(len(good) / len(counted), 6) if counted else None,
            "ttft_p50_s": _quantile(first, 50),
            "ttft_p95_s": _quantile(first, 95),
            "output_speed_p50": _quantile(speeds, 50),
        }


def output_speed(sample: Sample) -> float | None:
    """(M - n1) / (E2E - TTFT) tokens/s, M - n1 >= 16; None where the request does not define it."""
    tpot_s = sample.tpot_s
    if not tpot_s or sample.e2e_s is None or sample.ttft_s is None:
        return None
    return 1 / tpot_s if (sample.e2e_s - sample.ttft_s) / tpot_s >= _SPEED_TOKENS - 1e-6 else None


def _quantile(ordered: list[float], p_percent: int) -> float | None:
    """Inverted CDF."""
    return round(ordered[-(-p_percent * len(ordered) // 100) - 1], 6) if ordered else None

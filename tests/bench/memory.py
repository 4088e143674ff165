"""``python -m tests.bench.memory [SAMPLES]``: by how much a worker grows that records so many samples (10^6).

Samples go the way of a real one, into the file, the tallies and Locust's statistics; sockets are not in it.
"""

import locust  # noqa: F401, I001 - first of all, so that everything imported later is patched

import gc
import random
import sys
import tempfile
from pathlib import Path

import psutil
from locust.env import Environment

from locustfiles.engine.recorder import Recorder
from providers.sample import Sample

LIMIT_MB = 100
_SETTLED = 10_000  # samples after which everything that is kept once has been


def main() -> int:
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 10**6
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(Path(folder) / "samples.csv", ["p"], Environment(user_classes=[]))
        _record(recorder, rng, _SETTLED)
        before = _rss_mb()
        _record(recorder, rng, samples)
        grown = _rss_mb() - before
        recorder.close()
    sys.stdout.write(f"{samples:,} samples: {grown:.1f} MB more; limit {LIMIT_MB} MB\n")
    return int(grown >= LIMIT_MB)


def _record(recorder: Recorder, rng: random.Random, samples: int) -> None:
    for number in range(samples):
        ttft_s = rng.lognormvariate(-1, 0.5)
        recorder.take(
            Sample(
                request_id=f"run-p-{number}", provider="p", phase="measure", scheduled_at=1.8e9 + number,
                started_at=1.8e9 + number, lag_s=0.001, ttft_s=ttft_s, e2e_s=ttft_s * 4, end_s=ttft_s * 4, chunks=64,
                input_tokens=128, output_tokens=128, first_chunk_tokens=1.0, output_chars=600, connection="reused",
            )
        )  # fmt: skip


def _rss_mb() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss / 2**20)


if __name__ == "__main__":
    sys.exit(main())

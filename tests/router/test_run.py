"""The router as a provider in a run of our own harness, beside the same provider asked directly."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from statistics import median

from providers.run import find_runs
from tests.router.world import Router, providers_file


def test_a_run_addresses_one_provider_through_the_router(tmp_path):
    """``fixed:NAME`` in ``extra_headers``: every request is answered, and by the one that was named."""
    mocks = tmp_path / "mocks"
    mocks.mkdir()
    quick = "  - {name: quick, type: mock, model: m8, mock: {ttft_s: 0.02, gap_s: 0.002}}\n"
    slow = "  - {name: slow, type: mock, model: m8, mock: {ttft_s: 0.3, gap_s: 0.002}}\n"
    with Router(providers_file(mocks, quick + slow), "--allow-fixed") as router:
        address = router.relay.upstreams["slow"].provider.base_url
        direct = f"  - {{name: direct, type: http, model: m8, base_url: '{address}'}}\n"
        through = (
            f"  - {{name: through, type: http, model: m8, base_url: '{router.url}/v1', "
            "request: {extra_headers: {x-router-strategy: 'fixed:slow'}}}\n"
        )
        file = providers_file(tmp_path, direct + through)
        brief = ["--rate", "4", "--warm-up", "1s", "-t", "4s", "--no-score", "--providers", str(file)]
        command = [sys.executable, "-m", "locust", "-f", "locustfiles/compare.py", "--headless", *brief]
        env = {**os.environ, "LOCUST_RESULTS": str(tmp_path / "results")}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=90)
        answered = router.get("/metrics")[2].decode()
    assert 0 == done.returncode, done.stderr
    with next(find_runs(tmp_path / "results")).samples.open(newline="", encoding="utf-8") as samples:
        rows = [row for row in csv.DictReader(samples) if row["phase"] == "measure"]
    ttft_s = {name: [float(r["ttft_s"]) for r in rows if r["provider"] == name] for name in ("direct", "through")}
    assert {""} == {row["error"] for row in rows}
    assert min(len(values) for values in ttft_s.values()) >= 5
    assert median(ttft_s["through"]) >= 0.3
    assert 'outcome="ok",provider="slow"' in answered
    assert 'provider="quick"} ' not in "".join(
        x for x in answered.splitlines() if x.startswith("router_requests_total")
    )

"""A person's own locustfile with a LoadTestShape: users that come and go, and rates in steps."""

from __future__ import annotations

from collections import Counter

LOCUSTFILE = """
from locust import LoadTestShape
from locustfiles.engine.harness import install

globals().update(install(__name__))


class Stairs(LoadTestShape):
    def tick(self):
        run_time = self.get_run_time()
        return (2, 4) if run_time < 2 else (8, 4) if run_time < 6 else (4, 9) if run_time < 8 else None
"""
QUICK = ("--providers", "tests/e2e/data/quick.yaml", "--warm-up", "1s", "--no-preflight", "--no-score")


def _file(tmp_path):
    path = tmp_path / "stairs.py"
    path.write_text(LOCUSTFILE)
    return ("-f", str(path))


def test_users_rise_and_fall_as_the_shape_says_and_lose_no_request(locust, tmp_path):
    """1, 4 and 2 users for each of two providers; who is taken away leaves its request to end as a row."""
    outcome = locust(*_file(tmp_path), *QUICK, "--arrivals", "closed")
    assert 0 == outcome.code, outcome.err
    manifest = outcome.run.read_manifest()
    assert [2, 8, 4] == [level["users"] for level in manifest["config"]["arrivals"]["levels"]]
    samples = [sample for sample in outcome.samples() if sample.provider == "slow"]
    begin = manifest["phases"]["warmup_at"]
    for since, until, users in ((0.2, 2, 1), (4.2, 6, 4), (7.2, 8, 2)):
        slots = {s.slot for s in samples if since <= s.scheduled_at - begin < until}
        assert users == len(slots), (since, slots)
    ramp = [s.scheduled_at - begin for s in outcome.samples() if s.phase == "ramp" and s.scheduled_at > begin]
    assert 2 < min(ramp) < max(ramp) < 3.5  # four users at once, the last two a second later
    for provider, counts in manifest["counts"].items():
        rows = [sample for sample in outcome.samples() if sample.provider == provider]
        assert counts["scheduled"] == counts["finished"] == len(rows) == len({sample.pair for sample in rows})
        assert not {sample.error for sample in rows}.difference({""})


def test_shape_in_open_loop_is_a_rate_in_steps(locust, tmp_path):
    """2, 8 and 4 requests/s per provider, constant arrivals: the counts follow exactly."""
    outcome = locust(*_file(tmp_path), *QUICK, "--arrivals", "constant")
    manifest = outcome.run.read_manifest()
    begin = manifest["phases"]["warmup_at"]
    for provider in ("fast", "slow"):
        rows = [s for s in outcome.samples() if s.provider == provider]
        seen = Counter(int((s.scheduled_at - begin) // 2) for s in rows)
        assert [3, 16, 16, 8] == [seen[step] for step in range(4)]
    assert 8 == manifest["phases"]["drain_at"] - begin

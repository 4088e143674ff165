"""How runs end: in full, by Ctrl-C at bad moments, by SIGTERM, by the spend cap; every ending is readable."""

from __future__ import annotations

import itertools
import signal
from collections import Counter

import pytest

from locustfiles.engine.arrivals import offsets_s
from providers.run import find_runs

QUICK = "tests/e2e/data/quick.yaml"
SHORT = ("--providers", QUICK, "--rate", "10", "--warm-up", "1s", "-t", "4s", "--no-score")
INT, TERM = signal.SIGINT, signal.SIGTERM


def _whole(outcome) -> None:
    """Every request that was counted is a row, and every row that was sent is in the simulator's log."""
    manifest = outcome.run.read_manifest()
    samples = outcome.samples()
    rows = Counter(sample.provider for sample in samples)
    for name, counts in manifest["counts"].items():
        assert counts["scheduled"] == counts["finished"] == rows[name]
    assert set(outcome.truth()) == {sample.request_id for sample in samples if sample.connection}


@pytest.mark.parametrize("moment", [0.4, "Starting Locust", 0.9, "provider  answer", "All users spawned"])
def test_ctrl_c_before_or_at_the_start_ends_quietly_with_exit_3(locust, moment):
    """While importing, while the simulator starts, in the preflight, at the first arrival: no traceback, no orphan."""
    outcome = locust(*SHORT, signals=[(moment, INT)])
    assert outcome.code in (3, -INT)  # -2: so early that Locust itself was still being imported
    if outcome.code == 3:
        assert "Traceback" not in outcome.err
    for run in find_runs(outcome.results):
        manifest = run.read_manifest()
        assert (False, False) == (manifest["complete"], manifest["ended"] == "running")


@pytest.mark.parametrize("moment", [0.9, "provider  answer"])
def test_sigterm_at_the_start_begins_no_load(locust, moment):
    """While the run opens: it is closed again, marked, and exit 3 says so."""
    outcome = locust(*SHORT, signals=[(moment, TERM)])
    assert 3 == outcome.code
    for run in find_runs(outcome.results):
        assert run.read_manifest()["ended"] in ("interrupted", "stopped")


def test_arrivals_that_this_process_was_too_late_for_are_rows(locust, tmp_path):
    """Prompts that take longer to write than the gap between arrivals: the schedule is owed in full."""
    (tmp_path / "long.yaml").write_text("version: 1\nname: long\ninput_tokens: 200000\noutput_tokens: 8\n")
    outcome = locust(*SHORT, "--workload", str(tmp_path / "long.yaml"), "--rate", "40", "--no-preflight")
    owed = sum(1 for _ in itertools.takewhile(lambda at: at < 5.0, offsets_s("poisson", 40.0, 1)))
    for counts in outcome.run.read_manifest()["counts"].values():
        assert owed == counts["scheduled"] == counts["finished"]
    _whole(outcome)


def test_dead_provider_in_closed_loop_leaves_the_processor_to_the_living(locust, tmp_path):
    """Its users pause between refusals; without that they would ask ten thousand times."""
    (tmp_path / "dead.yaml").write_text(
        "defaults: {capability: c}\nproviders:\n"
        "  - {name: alive, type: mock, mock: {ttft_s: 0.05, gap_s: 0.005, tokens_per_chunk: 8}}\n"
        "  - {name: dead, type: http, base_url: 'http://127.0.0.1:9/v1'}\n"
    )
    outcome = locust("--providers", str(tmp_path / "dead.yaml"), "-u", "4", "-t", "3s", "--warm-up", "0s", "--no-score")
    dead = [sample for sample in outcome.samples() if sample.provider == "dead"]
    assert 10 < len(dead) < 80
    _whole(outcome)


def test_weights_give_more_users_and_still_pair_the_same_prompts(locust, tmp_path):
    """Slot and iteration name one prompt, whatever number of slots a provider has."""
    (tmp_path / "weights.yaml").write_text(
        "defaults: {type: mock, mock: {ttft_s: 0.05, gap_s: 0.005, tokens_per_chunk: 16}}\n"
        "providers: [{name: one}, {name: two, weight: 2}]\n"
    )
    outcome = locust(
        "--providers", str(tmp_path / "weights.yaml"), "-u", "3", "-t", "2s", "--warm-up", "0s", "--no-score"
    )
    prompts: dict[str, set[str]] = {}
    for sample in outcome.samples():
        prompts.setdefault(sample.pair, set()).add(sample.prompt_id)
    assert {1} == {len(ids) for ids in prompts.values()}


def test_ctrl_c_under_load_drains_and_leaves_a_readable_run(locust):
    """In-flight requests finish; the run is marked interrupted and incomplete."""
    outcome = locust(*SHORT, signals=[("All users spawned", 0), (2.5, INT)])
    assert outcome.code == 3
    manifest = outcome.run.read_manifest()
    assert (manifest["ended"], manifest["complete"]) == ("interrupted", False)
    assert len(outcome.samples()) > 20
    assert {""} >= {sample.error for sample in outcome.samples()} - {"server"}
    _whole(outcome)


def test_second_ctrl_c_ends_at_once_and_still_every_request_is_a_row(locust):
    """What was in flight is cut off, and says so."""
    outcome = locust(*SHORT, signals=[("All users spawned", 0), (2.5, INT), (0.2, INT)])
    assert outcome.code == 3
    assert "cut_off" in {sample.error for sample in outcome.samples()}
    manifest = outcome.run.read_manifest()
    assert not manifest["complete"]
    _whole(outcome)


def test_sigterm_drains_too(locust):
    """What a container's end sends loses nothing either."""
    outcome = locust(*SHORT, signals=[("All users spawned", 0), (2.5, TERM)])
    assert outcome.code == 3
    assert not outcome.run.read_manifest()["complete"]
    assert "cut_off" not in {sample.error for sample in outcome.samples()}
    _whole(outcome)


def test_drain_that_is_too_short_cuts_off_and_says_so(locust):
    """A request that outlives the drain is a sample of its own kind, and the run is complete all the same."""
    outcome = locust(*SHORT, "--drain", "0.3s")
    assert outcome.code == 0
    assert "cut_off" in {sample.error for sample in outcome.samples()}
    assert outcome.run.read_manifest()["complete"]
    _whole(outcome)


def test_closed_loop_keeps_its_users_busy_and_pairs_prompts_by_slot(locust):
    """Two slots per provider ask, wait and ask again; the same pair carries the same prompt everywhere."""
    outcome = locust("--providers", QUICK, "-u", "4", "--warm-up", "1s", "-t", "4s", "--no-score")
    assert outcome.code == 0
    samples = [sample for sample in outcome.samples() if sample.phase != "preflight"]
    assert {0, 1} == {sample.slot for sample in samples}
    prompts: dict[str, set[str]] = {}
    for sample in samples:
        prompts.setdefault(sample.pair, set()).add(sample.prompt_id)
        assert sample.in_flight <= 2
    assert {1} == {len(ids) for ids in prompts.values()}
    assert outcome.run.read_manifest()["config"]["pairing"] == "prompt"
    _whole(outcome)


def test_provider_that_refuses_connections_is_shown_and_the_run_goes_on(locust, tmp_path):
    """The preflight names it; its samples are failures that sent no byte; the other provider is measured."""
    path = tmp_path / "one_dead.yaml"
    path.write_text(
        "defaults: {capability: c}\nproviders:\n"
        "  - {name: alive, type: mock, mock: {ttft_s: 0.05, gap_s: 0.005, tokens_per_chunk: 8}}\n"
        "  - {name: dead, type: http, base_url: 'http://127.0.0.1:9/v1'}\n"
    )
    outcome = locust(*SHORT, "--providers", str(path))
    assert outcome.code == 0
    assert "connection" in next(line for line in outcome.err.splitlines() if line.startswith("dead"))
    kinds = {name: {s.error for s in outcome.samples() if s.provider == name} for name in ("alive", "dead")}
    assert {"alive": {""}, "dead": {"connection"}} == kinds
    _whole(outcome)


def test_no_secret_reaches_any_file_or_screen(locust, tmp_path):
    """A canary in every secret place is found in nothing the run wrote or printed."""
    path = tmp_path / "secret.yaml"
    path.write_text(
        "providers:\n"
        "  - {name: a, type: http, base_url: 'http://127.0.0.1:9/v1', auth: {kind: bearer, token: '${CANARY}'}}\n"
        "  - {name: b, type: http, base_url: 'http://127.0.0.1:9/v1', auth_header: 'x-api-key: ${CANARY}'}\n"
        "  - {name: c, type: http, base_url: 'http://127.0.0.1:9/v1',"
        " request: {extra_headers: {x-token: '${CANARY}'}}}\n"
    )
    outcome = locust(*SHORT, "--providers", str(path), env={"CANARY": "CANARY-8d1f"})
    assert outcome.code == 0
    written = [file.read_text(encoding="utf-8") for file in outcome.run.path.iterdir() if file.is_file()]
    assert "CANARY-8d1f" not in "".join([outcome.out, outcome.err, *written])
    assert "${CANARY}" in outcome.run.manifest.read_text(encoding="utf-8")

"""The verdict: every reason a run can raise is raised by such a run, at the level its limits say, and by no other."""

from __future__ import annotations

import re
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.probe import QUESTIONS, findings
from providers.reasons import DEGRADED, INVALID, LEVELS, NOTE, RULES, VALID
from scoring.doubts import checked
from scoring.results import to_csv
from scoring.validity import Reason, judge, worst
from tests.unit.scoring.synthetic import AWS, AZURE, GCP, THREE, WARM_UP_S, Experiment, Law, failed, worker


def of_aws(change, nth=1):
    """The edit of each nth sample of aws."""
    return lambda s: change(s) if s.provider == "aws" and int(s.pair) % nth == 0 else s


def busy(**health):
    return Experiment(manifest={"workers": [worker("", **health)]})


def lagging(lag_s):
    return Experiment(edit=of_aws(lambda s: replace(s, lag_s=lag_s)))


def unlike(**declared):
    laws = [replace(AWS, **declared), AZURE, GCP]
    return Experiment(laws=laws)


def entries(change):
    return {"providers": [law.declared() | change(law) for law in THREE]}


DROP = {"connection": "", "lag_s": None}
TWO_WORKERS = {"workers": [worker("eu", clock_uncertainty_s=0.0), worker("us", clock_uncertainty_s=0.02)]}
FAR_WORKERS = {"workers": [worker("eu", clock_uncertainty_s=0.0), worker("us", clock_uncertainty_s=0.2)]}
COUNTS = {"scheduled": 640, "sent": 640, "dropped": 0, "lost": 0}
PLANNED = {"planned": {law.name: {"": 1} for law in THREE} | {"aws": {"": 1, "mars": 1}}}
LIMITS = AWS.declared()["limits"]
CASES = [
    ("send_lag", DEGRADED, lagging(0.012)),
    ("send_lag", INVALID, lagging(0.060)),
    ("under_delivered", INVALID, Experiment(
        edit=of_aws(lambda s: failed(s, "dropped", **DROP), 10),
        manifest={"workers": [worker("", loop_lag_p99_s=0.03)]})),
    ("bounded_events", DEGRADED, Experiment(edit=of_aws(lambda s: replace(s, bounded_chunks=6)))),
    ("bounded_events", INVALID, Experiment(edit=of_aws(lambda s: replace(s, bounded_chunks=32)))),
    ("loop_lag", DEGRADED, busy(loop_lag_p99_s=0.050)),
    ("loop_lag", INVALID, busy(loop_lag_p99_s=0.150)),
    ("worker_cpu", DEGRADED, busy(cpu_busy_windows=1)),
    ("worker_cpu", INVALID, busy(cpu_busy_windows=6)),
    ("sockets", DEGRADED, busy(sockets_refused=1)),
    ("sockets", INVALID, busy(sockets_refused=60)),
    ("lost_samples", DEGRADED, Experiment(manifest={"counts": {"aws": COUNTS | {"lost": 1}}})),
    ("lost_samples", INVALID, Experiment(manifest={"counts": {"aws": COUNTS | {"lost": 64}}})),
    ("clock", DEGRADED, Experiment(regions=("eu", "us"), manifest=TWO_WORKERS)),
    ("clock", INVALID, Experiment(regions=("eu", "us"), manifest=FAR_WORKERS)),
    ("self_check", DEGRADED, busy(self_check={"n": 60, "ttft_error_p99_s": 0.004})),
    ("self_check", INVALID, busy(self_check={"n": 60, "ttft_error_p99_s": 0.020})),
    ("empty_cell", INVALID, Experiment(manifest={"matrix": PLANNED})),
    ("n_small", DEGRADED, Experiment(rate_rps=2)),
    ("n_small", INVALID, Experiment(rate_rps=0.5)),
    ("provider_overloaded", DEGRADED, Experiment(edit=of_aws(lambda s: failed(s, "overloaded"), 50))),
    ("provider_overloaded", DEGRADED, Experiment(edit=of_aws(lambda s: failed(s, "dropped", **DROP), 50))),
    ("limit_held", DEGRADED, Experiment(edit=of_aws(lambda s: replace(s, lag_s=2.0, held_s=2.0), 50))),
    ("cut_off", DEGRADED, Experiment(edit=of_aws(lambda s: failed(s, "cut_off", end_s=9.0), 20))),
    ("windows_lt_30", DEGRADED, Experiment(window_s=20)),
    ("output_length_mismatch", DEGRADED, unlike(output_tokens=80)),
    ("token_source_mixed", DEGRADED, Experiment(edit=of_aws(lambda s: replace(s, token_source="estimate")))),
    ("limits_unequal", DEGRADED, Experiment(
        manifest=entries(lambda law: {"limits": LIMITS | {"total_timeout_s": 60.0 if law is AWS else 120.0}}))),
    ("load_unequal", DEGRADED, Experiment(edit=lambda s: None if s.provider == "aws" and int(s.pair) % 20 == 0 else s)),
    ("reasoning_visibility_mixed", DEGRADED, Experiment(
        edit=lambda s: replace(s, reasoning_tokens=9, reasoning_chars=40 if s.provider == "aws" else 0))),
    ("stamp_mixed", DEGRADED, Experiment(edit=of_aws(lambda s: replace(s, stamp="user"), 9))),
    ("not_simultaneous", DEGRADED, Experiment(edit=of_aws(lambda s: replace(s, scheduled_at=s.scheduled_at + 9)))),
    ("model_differs", DEGRADED, unlike(model="mock-70b")),
    ("n_differs", DEGRADED, Experiment(edit=lambda s: None if s.provider == "aws" and int(s.pair) % 3 else s)),
    ("incomplete", DEGRADED, Experiment(manifest={"complete": False, "ended": "interrupted"})),
    ("mock_data", NOTE, Experiment()),
    ("single_run", NOTE, Experiment()),
    ("single_time_of_day", NOTE, Experiment()),
    ("price_stale", NOTE, Experiment(
        manifest=entries(lambda law: {"price": law.declared()["price"] | {"as_of": "2026-09-01"}}))),
    ("anchor_saturated", NOTE, Experiment()),
    ("network_unknown", NOTE, Experiment(edit=lambda s: replace(s, tcp_s=None))),
]  # fmt: skip


def probed(**right):
    """A run in which these many of 24 answers were right, and wrong ones are alike nowhere."""
    answers = {name: {q.name: q.accepted[0] if k < count else name for k, q in enumerate(QUESTIONS)}
               for name, count in right.items()}  # fmt: skip
    found = {name: asdict(finding) for name, finding in findings(answers).items()}
    laws = [law for law in (AWS, AZURE, GCP) if law.name in right]
    return Experiment(laws=laws, manifest={"probe": {"elsewhere": None, **found}})


@pytest.mark.parametrize(
    ("right", "named"),
    [
        ({"aws": 24, "azure": 24, "gcp": 24}, []),
        ({"aws": 6, "azure": 24, "gcp": 24}, ["aws"]),
        ({"aws": 19, "azure": 24, "gcp": 24}, []),
        ({"aws": 18, "azure": 24, "gcp": 24}, ["aws"]),
        ({"aws": 6, "azure": 24}, ["aws"]),
        ({"aws": 24, "azure": 6}, ["azure"]),
        ({"aws": 0, "azure": 0}, ["aws", "azure"]),
    ],
    ids=str,
)
def test_who_answers_like_another_model_is_named(score, right, named):
    """One of three alone; of two the one that is right less often, or both where neither is."""
    reasons = score(probed(**right))["verdict"]["reasons"]
    assert named == [reason["provider"] for reason in reasons if reason["code"] == "model_differs"]


def raised(summary):
    reasons = summary["verdict"]["reasons"] + summary["verdict"]["notes"]
    return {(reason["code"], reason["level"]) for reason in reasons}


@pytest.mark.parametrize(("code", "level", "experiment"), CASES, ids=[f"{c}-{level}" for c, level, _ in CASES])
def test_reason_is_raised_by_a_run_that_has_it(score, code, level, experiment):
    """At its level, with figure, text and remedy, and it decides the run's level."""
    summary = score(experiment)
    assert (code, level) in raised(summary)
    if level != NOTE:
        assert summary["verdict"]["level"] in LEVELS[LEVELS.index(level) :]
    reason = next(r for r in summary["verdict"]["reasons"] + summary["verdict"]["notes"] if r["code"] == code)
    assert reason["text"]
    assert reason["remedy"] == RULES[code].remedy
    assert "{" not in reason["text"]


def test_every_rule_is_raised_by_a_case():
    """The list is closed, and none of it is dead."""
    assert set(RULES) == {code for code, _, _ in CASES}


def test_healthy_run_raises_notes_only(plain):
    """Nothing to complain about is VALID."""
    assert VALID == plain["verdict"]["level"]
    assert {NOTE} == {level for _, level in raised(plain)}


def test_closed_loop_says_nothing_of_unequal_load_where_users_are_equal(score):
    """Fewer answers of a slow provider are its own doing."""
    some = Experiment(closed=True, edit=lambda s: None if s.provider == "aws" and int(s.pair) % 10 == 9 else s)
    assert "load_unequal" not in {code for code, _ in raised(score(some))}


@pytest.mark.parametrize("kind", ["connection", "server", "timeout_connect", "auth"])
def test_dead_provider_does_not_escape_its_rank_as_invalid(score, kind):
    """Not one answer, not even a connection: that is its own doing, and its score is 0."""
    summary = score(Experiment(edit=of_aws(lambda s: failed(s, kind, connection="", end_s=5.0, lag_s=0.0))))
    aws = next(p for p in summary["tags"][0]["providers"] if p["name"] == "aws")
    assert (VALID, "failed", 0.0, 3) == (aws["verdict"]["level"], aws["status"], aws["score"], aws["rank"])


def test_slow_handshakes_are_not_our_lag(score):
    """A provider that takes a second to accept is slow, not INVALID."""
    slow = of_aws(lambda s: replace(s, lag_s=1.0, tcp_s=0.999, connection="new"))
    assert "send_lag" not in {code for code, _ in raised(score(Experiment(edit=slow)))}


def test_invalid_provider_has_figures_and_no_rank(score):
    """Only the spoiled one: the others are ranked without it."""
    summary = score(lagging(0.060))
    aws = next(p for p in summary["tags"][0]["providers"] if p["name"] == "aws")
    assert ("invalid", None) == (aws["status"], aws["rank"])
    assert aws["metrics"]["ttft_p50"]["value"] is not None
    assert ["gcp", "azure"] == summary["tags"][0]["ranking"]
    assert (INVALID, ["send_lag"]) == (aws["verdict"]["level"], aws["verdict"]["reasons"])


def test_drops_of_the_provider_are_no_missing_delivery(score):
    """Half is dropped by a full provider, 4 % by a sick worker: of what could be delivered 8 % is missing."""

    def drop(sample):
        if sample.provider != "aws" or int(sample.pair) % 2:
            return sample
        return failed(sample, "dropped", **DROP, worker="second" if int(sample.pair) % 26 == 0 else "local")

    sick = {"workers": [worker(), worker(name="second", loop_lag_p99_s=0.03)]}
    reasons = score(Experiment(edit=drop, manifest=sick))["verdict"]["reasons"]
    delivered = next(r for r in reasons if r["code"] == "under_delivered")
    assert ("aws", INVALID) == (delivered["provider"], delivered["level"])
    assert 0.925 == pytest.approx(delivered["figure"], abs=0.01)


def test_accepted_invalid_is_ranked_and_stamped(score):
    """Whoever insists gets the rank, and everybody can see that they insisted."""
    summary = score(lagging(0.060), accept_invalid=True)
    assert summary["accepted_invalid"]
    assert "aws" in summary["tags"][0]["ranking"]
    assert INVALID == summary["verdict"]["level"]


def test_invalid_region_leaves_the_pool_for_everybody(score):
    """One worker choked: all are compared over the other region alone."""
    sick = {"workers": [worker("eu"), worker("us", loop_lag_p99_s=0.2)]}
    summary = score(Experiment(regions=("eu", "us"), manifest=sick))
    assert [["eu"]] * 3 == [list(p["regions"]) for p in summary["tags"][0]["providers"]]
    assert 3 == len(summary["tags"][0]["ranking"])


def test_planned_provider_without_a_row_is_shown(score):
    """Nobody asked it, and nobody hides that."""
    summary = score(Experiment(edit=lambda s: None if s.provider == "gcp" else s))
    gcp = next(p for p in summary["tags"][0]["providers"] if p["name"] == "gcp")
    assert ("invalid", 0, None) == (gcp["status"], gcp["n"], gcp["rank"])
    assert {"empty_cell", "n_small"} <= set(gcp["verdict"]["reasons"])


@given(st.sampled_from([rule for rule in RULES.values() if rule.degraded is not None and not rule.always]))
def test_limits_themselves_are_allowed(rule):
    """A figure at its limit is within it; a little beyond is not."""
    assert judge(rule.code, rule.degraded) == []
    beyond = rule.degraded - 1e-9 if rule.falling else rule.degraded + 1e-9
    assert [DEGRADED] == [reason.level for reason in judge(rule.code, beyond)]


@given(st.lists(st.sampled_from(LEVELS)))
def test_the_worst_reason_decides_and_notes_do_not(levels):
    """A banner is no judgement."""
    found = worst([Reason("x", level, "", "") for level in levels])
    strict = [level for level in levels if level != NOTE] or [VALID]
    assert max(strict, key=LEVELS.index) == found


def test_texts_are_whole_sentences_without_repeats():
    """No figure without a limit to hold it against, and no remedy missing."""
    for rule in RULES.values():
        assert rule.remedy
        assert not re.search(r"\b(\w+) \1\b", rule.says)
        assert rule.always or rule.degraded is not None


def test_law_of_the_tests_is_what_it_says():
    """The builder's own schedule: requests per provider in warm-up and window."""
    rows = list(Experiment(laws=(Law("one"),), rate_rps=10, window_s=8).samples())
    assert round(10 * (8 + WARM_UP_S)) == len(rows)


def test_the_self_check_is_told_with_what_it_cannot_see(score):
    """By worker; an old run, or one without a target, says nothing of it."""
    check = {"n": 60, "failed": 1, "ttft_error_p50_s": 0.0, "ttft_error_p99_s": 0.0004, "truth_width_p50_s": 0.00003}
    (told,) = checked(score(busy(self_check=check)))
    assert told.startswith("Self-check: 60 answers of a known target on loopback, 1 failed; TTFT off by 0 ms (p50) and")
    assert "0.400 ms (p99), the truth being known to 0.0300 ms" in told
    assert told.endswith("It sees neither the network card nor the way to a provider")
    assert ["Self-check: no answer in the window"] == checked(score(busy(self_check={"n": 0})))
    assert [] == checked(score(busy(self_check=None)))


def test_the_self_check_spoils_only_the_region_it_looked_from(score):
    """A worker that cannot tell the time says nothing of the others."""
    sick = worker("us", self_check={"n": 60, "ttft_error_p99_s": 0.1})
    summary = score(Experiment(regions=("eu", "us"), manifest={"workers": [worker("eu"), sick]}))
    assert {"us"} == {reason["region"] for reason in summary["verdict"]["reasons"] if reason["code"] == "self_check"}
    assert [["eu"]] * 3 == [list(provider["regions"]) for provider in summary["tags"][0]["providers"]]


def test_accepted_invalid_is_stamped_in_the_tidy_table(score):
    """A line of its own below the score; without the flag there is no score to stamp."""
    lines = to_csv(score(lagging(0.060), accept_invalid=True)).splitlines()
    stamped = [line for line in lines if ",accepted_invalid," in line]
    assert ["aws"] == [line.partition(",")[0] for line in stamped]
    refused = to_csv(score(lagging(0.060)))
    assert "accepted_invalid" not in refused
    assert any(line.startswith("aws,") and ",score,points,,,," in line for line in refused.splitlines())

"""Scorecards: who is ranked how, in words and numbers, and no provider moves another's score."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from scoring.profile import load_profile
from tests.unit.scoring.conftest import scored
from tests.unit.scoring.synthetic import AWS, AZURE, GCP, THREE, Experiment, Law, failed

FIGURES = ("score", "contributions", "normalized", "score_geometric", "n", "errors", "status")


def provider(summary, name, tag=0):
    return next(p for p in summary["tags"][tag]["providers"] if p["name"] == name)


def values(summary, name):
    """Everything of a provider that is no interval."""
    found = provider(summary, name)
    return {key: found[key] for key in FIGURES} | {m: f["value"] for m, f in found["metrics"].items()}


def test_better_providers_rank_higher(plain):
    """Here aws is faster than gcp, and azure is slow and fails."""
    assert ["aws", "gcp", "azure"] == plain["tags"][0]["ranking"]
    assert [1, 2, 3] == [p["rank"] for p in plain["tags"][0]["providers"]]


def test_intervals_hold_the_point_and_ranks_hold_the_rank(plain):
    """Of every scored metric, of S and of the rank."""
    for p in plain["tags"][0]["providers"]:
        assert p["score_lo"] <= p["score"] <= p["score_hi"]
        assert p["rank_lo"] <= p["rank"] <= p["rank_hi"]
        for metric in plain["profile"]["anchors"]:
            figure = p["metrics"][metric]
            assert figure["lo"] <= figure["value"] <= figure["hi"], metric


def test_contributions_add_up_to_the_score(plain):
    """To the last published digit."""
    for p in plain["tags"][0]["providers"]:
        assert p["score"] == pytest.approx(sum(p["contributions"].values()), abs=1e-6)


def test_probabilities_of_being_first_add_up(plain):
    """Under every kind of weights."""
    for kind in ("fixed", "near", "uniform"):
        assert 1 == pytest.approx(sum(p["p_first"][kind] for p in plain["tags"][0]["providers"]))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0.05, 4), st.floats(0.005, 0.2), st.floats(0, 0.5))
def test_adding_a_provider_changes_no_other_score(tmp_path_factory, plain, ttft_s, gap_s, error_rate):
    """Exactly: an irrelevant provider must not choose the winner."""
    extra = Law("extra", ttft_s=ttft_s, gap_s=gap_s, error_rate=error_rate)
    more = scored(Experiment(laws=(*THREE, extra)), tmp_path_factory.mktemp("more"))
    assert all(values(plain, law.name) == values(more, law.name) for law in THREE)


def test_removing_a_provider_changes_no_other_score(score, plain):
    """Nor who of the remaining two is first."""
    fewer = score(Experiment(laws=(AZURE, GCP)))
    assert all(values(plain, name) == values(fewer, name) for name in ("azure", "gcp"))
    assert ["gcp", "azure"] == fewer["tags"][0]["ranking"]


def test_order_of_declaration_does_not_matter(score, plain):
    """The summary's tags are the same, byte for byte."""
    turned = score(Experiment(laws=tuple(reversed(THREE))))
    assert plain["tags"] == turned["tags"]


def test_dominance_holds(score):
    """Better in everything is never worse in score."""
    worse = replace(AWS, name="worse", key="aws", ttft_s=AWS.ttft_s * 1.5, gap_s=AWS.gap_s * 1.5, prices=(0.3, 0.9))
    summary = score(Experiment(laws=(AWS, worse)))
    assert ["aws", "worse"] == summary["tags"][0]["ranking"]
    assert summary["tags"][0]["dethrone"] is None


def test_identical_providers_are_called_tied(score):
    """The same answers under two names share a letter and the probability of being first."""
    twin = replace(GCP, name="twin", key="gcp")
    summary = score(Experiment(laws=(GCP, twin, AZURE)))
    tag = summary["tags"][0]
    assert ("a", "a") == (provider(summary, "gcp")["tie"], provider(summary, "twin")["tie"])
    assert provider(summary, "gcp")["score"] == provider(summary, "twin")["score"]
    assert 0.5 == pytest.approx(provider(summary, "gcp")["p_first"]["fixed"], abs=0.06)
    assert tag["sentence"].startswith("A tie: gcp and twin.")
    assert tag["settle_s"] is None


def test_interval_of_the_error_rate_knows_failures_never_seen(plain):
    """No failure in n requests: Beta(1/2, n + 1/2), of which the 97.5 % quantile is known."""
    aws = provider(plain, "aws")
    expected = beta.ppf(0.975, 0.5, aws["n"] + 0.5)
    assert expected == pytest.approx(aws["metrics"]["error_rate"]["hi"], rel=0.15)


def test_two_tags_are_two_scorecards(score):
    """Nobody is ranked against another capability."""
    summary = score(Experiment(laws=(AWS, AZURE, replace(GCP, capability="embed"))))
    assert [("embed", ["gcp"]), ("mock-chat", ["aws", "azure"])] == [
        (t["capability"], t["ranking"]) for t in summary["tags"]
    ]


def test_no_success_is_score_zero_and_last_rank(score):
    """Failed providers are never dropped from the table."""
    summary = score(Experiment(laws=(*THREE, Law("down", error_rate=1.0))))
    down = provider(summary, "down")
    assert ("failed", 0.0, 0.0, 4, 0) == (
        down["status"], down["score"], down["score_geometric"], down["rank"], down["successes"],
    )  # fmt: skip
    assert {"server": down["n"]} == down["errors"]


def test_nobody_succeeding_is_still_a_scorecard(score):
    """All scores are zero, nobody leads, and the words say so."""
    summary = score(Experiment(laws=(replace(AWS, error_rate=1.0), replace(GCP, error_rate=1.0))))
    assert ["failed", "failed"] == [p["status"] for p in summary["tags"][0]["providers"]]
    assert summary["tags"][0]["sentence"].startswith("Nobody can be ranked first.")


def test_unreliable_provider_ranks_after_all_eligible_ones(score):
    """A success of 80 % is shown with its score, and never first, however fast and cheap."""
    fast = Law("fast", ttft_s=0.1, gap_s=0.002, prices=(0.01, 0.01), error_rate=0.2)
    summary = score(Experiment(laws=(fast, AZURE)))
    assert ["azure", "fast"] == summary["tags"][0]["ranking"]
    assert "not_eligible" == provider(summary, "fast")["status"]
    assert provider(summary, "fast")["p_first"] is None


def test_few_requests_are_too_few_to_judge_success(score):
    """Below a hundred nobody is excluded for it, and the reason says so."""
    summary = score(Experiment(laws=(AWS,), rate_rps=80 / 32))
    assert ("ok", True) == (provider(summary, "aws")["status"], "n too small" in provider(summary, "aws")["reason"])


def test_one_provider_is_ranked_alone(score):
    """First of one, by no comparison."""
    tag = score(Experiment(laws=(AWS,)))["tags"][0]
    assert (["aws"], [], None) == (tag["ranking"], tag["pairs"], tag["dethrone"])
    assert "aws alone can be ranked" in tag["sentence"]


def test_one_request_gets_no_score(score):
    """Percentiles of one request are n/a, and nothing breaks."""
    summary = score(Experiment(laws=(AWS,), edit=lambda s: s if s.pair == "100" else None))
    aws = provider(summary, "aws")
    assert (1, None, "invalid") == (aws["n"], aws["score"], aws["status"])
    assert aws["metrics"]["ttft_p50"]["value"] is None


def test_unknown_prices_give_no_score_and_say_why(score):
    """Never a silent re-weighting, never a price of 0."""
    summary = score(Experiment(laws=[replace(law, prices=None) for law in THREE]))
    for p in summary["tags"][0]["providers"]:
        assert ("no_score", None) == (p["status"], p["score"])
        assert "price unknown" in p["reason"]
    assert "declare 'price' of aws, azure and gcp" in summary["tags"][0]["words"][-1]


def test_unpriced_providers_have_scores_where_cost_weighs_nothing(score):
    """Weights without cost are a choice of the person, not of the program."""
    unpriced = Experiment(laws=[replace(law, prices=None) for law in THREE])
    summary = score(unpriced, load_profile().weighted("latency=1,success=1,throughput=1"))
    assert ["ok"] * 3 == [p["status"] for p in summary["tags"][0]["providers"]]


def test_failures_that_leave_too_few_latencies_score_worst(score):
    """Ten answers of six hundred are a failure to measure of the provider's making, not a gap in the data."""
    rare = Experiment(
        laws=(AWS, GCP), edit=lambda s: failed(s, "server") if s.provider == "gcp" and int(s.pair) % 60 else s
    )
    gcp = provider(score(rare), "gcp")
    assert ("not_eligible", 0.0) == (gcp["status"], gcp["normalized"]["ttft_p95"])
    assert gcp["score"] is not None


def test_timed_out_percentiles_score_nothing(score):
    """A tenth of requests ran into the limit of 20 s: p95 is at least that, and worth nothing."""
    hang = lambda s: failed(s, "timeout_total", end_s=20.0) if int(s.pair) % 10 == 0 else s  # noqa: E731
    aws = provider(score(Experiment(laws=(AWS,), edit=hang)), "aws")
    assert aws["metrics"]["e2e_p95"]["censored"]
    assert (0.0, True) == (aws["normalized"]["e2e_p95"], aws["normalized"]["e2e_p50"] > 0)


def test_hidden_reasoning_makes_the_first_answer_count(score):
    """Where one streams its reasoning and one hides it, TTFO is scored for TTFT."""

    def think(sample):
        if sample.provider == "aws":
            return replace(sample, reasoning_tokens=9, reasoning_chars=40, ttfo_s=(sample.ttft_s or 0) + 0.2)
        return replace(sample, reasoning_tokens=9)

    tag = score(Experiment(laws=(AWS, GCP), edit=think))["tags"][0]
    aws = next(p for p in tag["providers"] if p["name"] == "aws")
    anchor = load_profile().anchors["ttft_p50"]
    assert "ttfo_p50" == tag["reads"]["ttft_p50"]
    assert anchor.best < aws["metrics"]["ttft_p50"]["value"] < aws["metrics"]["ttfo_p50"]["value"]
    assert aws["normalized"]["ttft_p50"] < 0.8


def test_few_windows_give_no_interval_and_say_how_long_it_takes(score):
    """Nine seconds are nine windows: numbers stand, their certainty does not."""
    summary = score(Experiment(window_s=9))
    aws = provider(summary, "aws")
    assert (None, None, None) == (aws["score_lo"], aws["p_first"], aws["tie"])
    assert aws["score"] is not None
    assert summary["bootstrap"]["replicates"] is None
    assert any("no intervals and no probabilities" in words for words in summary["tags"][0]["words"])


def test_clear_leader_is_named_with_lead_interval_and_probability(score):
    """The sentence says who, by how much, how sure."""
    summary = score(Experiment(laws=(AWS, AZURE), window_s=60))
    said = summary["tags"][0]["sentence"]
    assert said.startswith("aws leads with ")
    assert "ahead of azure" in said
    assert said.endswith("with probability >99.9 %.")


def test_tie_is_answered_with_the_length_that_would_settle_it(plain):
    """As a command that can be typed."""
    tag = plain["tags"][0]
    assert tag["settle_s"] > 30
    typed = tag["next"]["command"]
    assert f"Next: measure longer: {typed}" == tag["words"][-1]
    assert typed.startswith("locust --headless -t ")
    assert typed.endswith("s --warm-up 2s --rate 20")


def test_weights_choose_the_winner(score):
    """The scorecard follows what matters to the person."""
    cheap = score(Experiment(), load_profile().weighted("cost=1"))
    assert "gcp" == cheap["tags"][0]["ranking"][0]
    assert {"latency": 0, "success": 0, "cost": 1, "throughput": 0} == cheap["profile"]["weights"]


def test_paired_differences_are_drawn_together_and_unpaired_ones_apart(score):
    """What moved two twins alike cancels in a paired run only; each one's own interval is as wide either way."""
    half = replace(AWS, name="half", key="aws", prices=(0.4, 1.2))

    def widths(pairing):
        experiment = Experiment([AWS, half], pairing=pairing)
        tag = score(experiment, load_profile().weighted("latency=1,success=0,cost=0,throughput=0"))["tags"][0]
        pair = tag["pairs"][0]
        first = tag["providers"][0]
        return pair["hi"] - pair["lo"], first["score_hi"] - first["score_lo"]

    (paired, own), (unpaired, alone) = widths("instant"), widths("none")
    assert paired < 0.5 * unpaired
    assert pytest.approx(own, rel=0.3) == alone
    assert widths("prompt")[0] == paired

"""Profiles: read with care, weighted as asked, hashed by what decides a score."""

from __future__ import annotations

import re

import pytest
import yaml

from providers.errors import ConfigError
from scoring.profile import load_profile

CHAT = load_profile()


def written(path, **changes):
    file = path / "own.yaml"
    file.write_text(yaml.safe_dump(CHAT.model_dump(mode="json") | changes))
    return str(file)


def test_the_shipped_profile_has_the_published_anchors():
    """chat-v1 is frozen: another profile gets another name."""
    assert {
        "ttft_p50": (0.15, 5), "ttft_p95": (0.3, 15), "e2e_p50": (1, 60), "e2e_p95": (2, 120),
        "error_rate": (0.001, 0.10), "cost_per_1k_tokens": (5e-5, 0.03), "output_speed_p50": (500, 10),
    } == {metric: (anchor.best, anchor.worst) for metric, anchor in CHAT.anchors.items()}  # fmt: skip
    assert dict.fromkeys(("latency", "success", "cost", "throughput"), 0.25) == CHAT.weights
    assert dict.fromkeys(("ttft_p50", "ttft_p95", "e2e_p50", "e2e_p95"), 0.25) == CHAT.shares["latency"]
    assert {"ttft_s": 2.0, "tpot_s": 0.1, "e2e_s": None} == CHAT.slo.model_dump()


def test_indicator_weights_add_up_to_one():
    """Each is its share of its dimension's weight."""
    assert 1 == pytest.approx(sum(CHAT.indicators.values()))
    assert 0.0625 == CHAT.indicators["ttft_p50"]


@pytest.mark.parametrize("preset", ["chat", "agent", "batch"])
def test_presets_are_weights_that_add_up_to_one(preset):
    """And they change the hash, for they change scores."""
    profile = CHAT.weighted(preset)
    assert CHAT.presets[preset] == pytest.approx(profile.weights)
    assert CHAT.sha256 != profile.sha256


def test_dimensions_not_named_weigh_nothing():
    """latency=1 means latency alone."""
    assert {"latency": 1, "success": 0, "cost": 0, "throughput": 0} == CHAT.weighted("latency=2").weights


def test_equal_weights_by_hand_are_the_profile_itself():
    """The hash is of what is scored, not of how it was asked for."""
    assert CHAT.sha256 == CHAT.weighted("latency=.25,success=.25,cost=.25,throughput=.25").sha256


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ("latncy=1", "'latncy' is unknown; expected dimensions out of latency, success, cost, throughput"),
        ("latency=-1,cost=2", "'latency' weighs -1; expected 0 or more"),
        ("latency=0", "add up to 0"),
        ("latency=much", "got 'latency=much'; expected a preset's name or latency=.5,cost=.5"),
        ("latency=nan", "expected 0 or more"),
        ("fast", "got 'fast'; expected a preset's name"),
        ("cost=1,cost=2", "'cost' stands twice"),
        ("", "expected a preset's name"),
    ],
)
def test_weights_that_make_no_sense_are_refused_in_one_line(weights, says):
    """The line says what was given and what was expected."""
    with pytest.raises(ConfigError, match=re.escape(says)) as caught:
        CHAT.weighted(weights)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"colour": "blue"}, "key 'colour': got 'blue'; unknown key"),
        ({"anchors": {"ttft_p50": {"best": 5, "worst": 0.15}}}, "has no anchor; add one to 'anchors'"),
        ({"version": 2}, "key 'version': got 2"),
        ({"name": "A B"}, "key 'name': got 'A B'"),
        ({"dimensions": {}}, "dimensions"),
        ({"presets": {"fast": {"speed": 1}}}, "'presets.fast': 'speed' is unknown"),
        ({"slo": {"ttft_s": -1}}, "key 'slo.ttft_s': got -1"),
    ],
)  # fmt: skip
def test_profile_that_makes_no_sense_is_refused_in_one_line(tmp_path, changes, says):
    """The line names the file, the key and the value."""
    file = written(tmp_path, **changes)
    with pytest.raises(ConfigError, match=re.escape(says)) as caught:
        load_profile(file)
    assert str(caught.value).startswith(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("metric", "anchor", "says"),
    [
        ("ttft_p50", {"best": 5, "worst": 0.15}, "'anchors.ttft_p50': best 5 must lie below worst 0.15"),
        ("output_speed_p50", {"best": 10, "worst": 500}, "best 10 must lie above worst 500"),
        ("ttft_p51", {"best": 1, "worst": 2}, "did you mean 'ttft_p"),
        ("ttft_p50", {"best": 0, "worst": 2}, "key 'anchors.ttft_p50.best': got 0"),
    ],
)
def test_anchors_that_make_no_sense_are_refused(tmp_path, metric, anchor, says):
    """Best must be better than worst, and the metric one that can be scored."""
    anchors = CHAT.model_dump()["anchors"] | {metric: anchor}
    with pytest.raises(ConfigError, match=re.escape(says)):
        load_profile(written(tmp_path, anchors=anchors))


def test_unknown_profile_names_those_that_are_shipped():
    """A typing mistake is answered with the list."""
    with pytest.raises(ConfigError, match=r"--profile chat-v0: unknown; expected one of chat-v1, or a .yaml file"):
        load_profile("chat-v0")

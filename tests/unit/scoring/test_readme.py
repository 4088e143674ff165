"""The page of scoring tells what the code computes: metrics, the example by hand, profile keys, limits and remedies."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from providers.notation import figure as shown
from providers.reasons import NOTE, RULES
from scoring import cold, probe
from scoring.metrics import SCORABLE, error_rate, wilson
from scoring.profile import Profile, load_profile
from scoring.quantile import FLOORS
from scoring.ranking import settle_s
from scoring.score import contributions, geometric, normalize, point_worth
from tests.unit.scoring.synthetic import AWS, GCP, Experiment

PAGE = (Path(__file__).parents[3] / "scoring" / "README.md").read_text(encoding="utf-8")


def table(head):
    """The cells of the table with this head."""
    (body,) = re.findall(rf"^\| {re.escape(head)} \|\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in body.splitlines()]


def test_every_metric_stands_once_with_its_unit_and_direction(plain):
    """As results.csv names it; what a profile may score says which way is better."""
    listed = {}
    for names, unit, better, _ in table("metric | unit | better | definition"):
        listed |= dict.fromkeys(re.findall(r"`(\w+)`", names), (unit, better))
    figures = plain["tags"][0]["providers"][0]["metrics"]
    asked_for = cold.METRICS | dict.fromkeys(probe.METRICS, "share")  # by --cold-start and --probe
    special = {name: (unit, "-") for name, unit in asked_for.items()}
    expected = {name: (f["unit"], SCORABLE.get(name, ("", "-"))[1]) for name, f in figures.items()}
    assert expected | special | {"score": ("points", "-")} == listed


def test_every_field_of_the_summary_stands(plain):
    """Of the whole, of a tag and of a provider."""
    tag = plain["tags"][0]
    assert set() == {*plain, *tag, *tag["providers"][0]} - set(re.findall(r"`(\w+)`", PAGE))


def test_percentile_floors_are_those_of_the_code():
    """Below them a figure is n/a."""
    floors = [f"p{p * 100:g} {'needs ' * (p == 0.5)}{n}" for p, n in FLOORS.items()]
    assert f"n/a: {', '.join(floors)}." in PAGE


def test_example_by_hand_is_what_the_code_computes():
    """Row by row and in sum, from the profile that ships."""
    profile, worth = load_profile(), point_worth(load_profile())
    rows = table("metric | x | B | W | s | w | points | one point is worth")
    measured = {row[0].strip("`"): float(row[1]) for row in rows}
    measured["error_rate"] = error_rate(594 / 600, 600)
    shares = {metric: float(normalize(profile.anchors[metric], x)) for metric, x in measured.items()}
    for (metric, weight), row in zip(profile.indicators.items(), rows, strict=True):
        anchor, s = profile.anchors[metric], shares[metric]
        assert [f"`{metric}`", anchor.best, anchor.worst] == [row[0], float(row[2]), float(row[3])]
        assert [f"{s:.4f}", f"{weight:g}", f"{100 * weight * s:.3f}", f"{worth[metric]:+.1%}"] == [
            *row[4:7], row[7].replace(" ", ""),
        ]  # fmt: skip
    points = contributions(profile, shares)
    told = ", ".join(f"{name} {part:.3f}" for name, part in points.items())
    assert f"{told}; S = {sum(points.values()):.2f}" in PAGE
    assert f"the geometric score is {geometric(profile, shares):.2f}." in PAGE


def test_steps_of_the_example_stand():
    """Each of them for a calculator."""
    over, under = math.log(5 / 0.3), math.log(5 / 0.15)
    assert f"ln(5 / 0.3) / ln(5 / 0.15) = {over:.4f} / {under:.4f} = {over / under:.4f}" in PAGE
    assert f"(6 + 0.5) / (600 + 1) = {error_rate(594 / 600, 600):.6f}" in PAGE
    assert f"594 of 600 has a lower bound of {wilson(594 / 600, 600)[0]:.3f}." in PAGE
    assert f"would be settled in {settle_s(30, 2.0, -1.0, 5.0):g} s" in PAGE


def test_cost_of_the_example_is_what_a_run_reports(score):
    """128 tokens in, 128 out, at 0.25 and 0.75 USD per million."""
    law = replace(AWS, prices=(0.25, 0.75), output_tokens=128)
    (provider,) = score(Experiment(laws=(law,), window_s=5))["tags"][0]["providers"]
    assert 0.0005 == pytest.approx(provider["metrics"]["cost_per_1k_tokens"]["value"])
    assert "0.000128 USD for 256 tokens, 0.0005 USD per 1,000" in PAGE


def test_example_profile_scores_a_run(score, tmp_path):
    """Copied from the page into a file."""
    (text,) = re.findall(r"^```yaml\n(# mine\.yaml\n.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    profile = load_profile(str(tmp_path / "mine.yaml"))
    summary = score(Experiment(laws=(AWS, GCP)), profile.weighted("careful"))
    assert ["ok", "ok"] == [provider["status"] for provider in summary["tags"][0]["providers"]]


def test_every_key_of_a_profile_stands():
    """In the order of the model."""
    keys = [row[0].strip("`") for row in table("key | default | meaning")]
    assert list(Profile.model_fields) == keys


def test_every_reason_stands_with_its_limits_and_remedy():
    """In the order of the rules."""
    rows = table("reason | figure | DEGRADED | INVALID | remedy")
    rules = [rule for rule in RULES.values() if rule.always != NOTE]
    for rule, (code, _, degraded, invalid, remedy) in zip(rules, rows, strict=True):
        assert [f"`{rule.code}`", rule.remedy] == [code, remedy.replace("`", "")]
        for level, limit, cell in (("DEGRADED", rule.degraded, degraded), ("INVALID", rule.invalid, invalid)):
            assert cell.startswith(_told(rule, level, limit)), code


def _told(rule, level, limit):
    if limit is None:
        return "any" if rule.always == level else "-"
    return f"{'<' if rule.falling else '>'} {shown(limit, rule.unit).replace('.0 %', ' %')}"


def test_every_note_stands_with_its_remedy():
    """Notes have no limits."""
    rows = [(code.strip("`"), remedy.replace("`", "")) for code, _, remedy in table("NOTE | when | remedy")]
    assert [(rule.code, rule.remedy) for rule in RULES.values() if rule.always == NOTE] == rows

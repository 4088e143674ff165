"""The scorecard as prior: a real one, scored here, aged, broken, called INVALID and put right again."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from router.prior import Scorecard
from scoring.__main__ import main as score
from tests.router.world import Router, entry, providers_file
from tests.unit.scoring.synthetic import AWS, GCP, Experiment


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A summary.json as scoring writes it."""
    run = Experiment((AWS, GCP)).write(tmp_path_factory.mktemp("run") / "20261123T213000Z-aaaaaa")
    score([str(run.path)])
    return json.loads(run.summary.read_text(encoding="utf-8"))


@pytest.fixture
def card(tmp_path, scored):
    """``card.write(change)`` puts a changed summary into the file."""
    return Card(tmp_path / "summary.json", scored)


class Card:
    def __init__(self, path, document):
        self.path, self._document, self._writes = path, json.dumps(document), 0
        self.write(lambda _: None)

    def write(self, change):
        document = json.loads(self._document)
        document["run"]["created_at"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        change(document)
        self.path.write_text(json.dumps(document), encoding="utf-8")
        self._writes += 1
        os.utime(self.path, ns=(self._writes, self._writes))


def invalid(document):
    document["verdict"]["level"] = "INVALID"


def test_priors_are_the_scorecards_own_figures(card):
    """And a provider it does not know gets the median of the others, and is said to have none."""
    scorecard = Scorecard(card.path)
    scorecard.read()
    priors = scorecard.priors(["aws", "gcp", "new"])
    aws = scorecard.card.standing("aws")
    assert (aws.value("ttft_p50"), aws.value("e2e_p50"), True) == (
        priors["aws"].ttft_s, priors["aws"].e2e_s, priors["aws"].known,
    )  # fmt: skip
    assert pytest.approx((priors["aws"].ttft_s + priors["gcp"].ttft_s) / 2) == priors["new"].ttft_s
    assert not priors["new"].known
    weights = scorecard.card.document["profile"]["weights"]
    assert weights["cost"] == scorecard.weights().cost
    assert 0 == scorecard.weights().score


def test_an_old_scorecard_loses_its_say(card):
    """Half of it in a week."""
    old = (datetime.now(UTC) - timedelta(days=7)).strftime("%Y-%m-%dT%H:%M:%SZ")
    scorecard = Scorecard(card.path)
    scorecard.read()
    assert pytest.approx(3.0, rel=0.01) == scorecard.priors(["aws"])["aws"].strength
    card.write(lambda document: document["run"].update(created_at=old))
    scorecard.read()
    assert pytest.approx(1.5, rel=0.01) == scorecard.priors(["aws"])["aws"].strength


@pytest.mark.parametrize(
    "spoil", [invalid, lambda d: d.update(accepted_invalid=True), lambda d: d["run"].update(created_at="yesterday"),
              lambda d: d.update(schema_version=99), lambda d: d.pop("tags")],
)  # fmt: skip
def test_a_bad_scorecard_is_refused_and_the_old_one_stays(card, spoil):
    """Until a good one comes."""
    scorecard = Scorecard(card.path)
    scorecard.read()
    good = scorecard.priors(["aws"])["aws"].ttft_s
    card.write(spoil)
    scorecard.read()
    scorecard.read()
    assert (1, good) == (scorecard.refusals, scorecard.priors(["aws"])["aws"].ttft_s)
    assert scorecard.refused
    card.write(lambda _: None)
    scorecard.read()
    assert "" == scorecard.refused


def test_an_invalid_run_is_no_prior_and_the_page_says_so(tmp_path, card):
    """It starts all the same, on live evidence."""
    card.write(invalid)
    file = providers_file(tmp_path, entry("aws", "http://127.0.0.1:9"))
    with Router(file, "--scorecard", str(card.path)) as router:
        told = json.loads(router.get("/status.json")[2])
        assert "INVALID" in told["scorecard"]["refused"]
        assert not told["providers"][0]["has_prior"]
        assert b"refused" in router.get("/status")[2]

"""The command, end to end: run folders in, the same bytes out, a scorecard on the terminal, a card for others."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import pytest

from providers.errors import RunError
from providers.run import Run
from scoring.card import read_card
from scoring.results import COLUMNS
from tests.unit.scoring.synthetic import Experiment


def command(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "scoring", *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=60,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **environment},
    )  # fmt: skip


@pytest.fixture(scope="module")
def unscored(tmp_path_factory):
    return Experiment().write(tmp_path_factory.mktemp("scored"))


@pytest.fixture(scope="module")
def first(unscored):
    """What the command said of the run."""
    return command(unscored.path)


@pytest.fixture(scope="module")
def folder(unscored, first):
    """The run after it was scored."""
    assert 0 == first.returncode, first.stderr
    return unscored


def test_scoring_twice_gives_the_same_bytes(folder, tmp_path):
    """In another process, into another folder."""
    assert 0 == command(folder.path, "--out", tmp_path, PYTHONHASHSEED="7").returncode
    for name in ("results.csv", "summary.json"):
        assert (folder.path / name).read_bytes() == (tmp_path / name).read_bytes()


def test_files_name_no_machine_path(folder):
    """They can be published as they are."""
    assert str(folder.path.parent) not in folder.summary.read_text() + folder.results.read_text()


def test_results_are_tidy(folder):
    """One line per provider, region and metric, numbers with nine digits, the composite called score."""
    with folder.results.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(COLUMNS) == list(rows[0])
    keys = [(row["provider"], row["region"], row["metric"]) for row in rows]
    assert len(keys) == len(set(keys))
    summary = json.loads(folder.summary.read_text())
    scores = {row["provider"]: float(row["value"]) for row in rows if row["metric"] == "score"}
    assert {p["name"]: p["score"] for p in summary["tags"][0]["providers"]} == scores
    assert {"chat"} == {row["scenario"] for row in rows}


def test_report_begins_with_the_verdict_and_ends_with_what_to_do(first):
    """Mock data is said plainly; 80 columns are enough."""
    lines = [line.rstrip() for line in first.stdout.splitlines() if line.strip()]
    assert lines[2].startswith("MOCK DATA")
    assert lines[3].startswith("VALID")
    assert lines[-2].startswith("Next: ")
    assert lines[-1].startswith("  locust --headless")
    assert all(len(line) <= 80 for line in lines)
    assert "\x1b" not in first.stdout


def test_next_command_stands_whole_on_its_own_line(tmp_path):
    """Longer than any terminal is wide, it can still be copied."""
    long = f"locust --headless --providers {'a-rather-long-folder/' * 10}mine.yaml -t 30s --rate 20"
    run = Experiment(manifest={"command": long, "complete": False}).write(tmp_path)
    assert ["Next: run it to its end:", f"  {long}"] == command(run.path).stdout.splitlines()[-2:]


def test_report_holds_every_column_at_eighty(first):
    """No heading and no figure is cut."""
    assert "…" not in first.stdout
    for heading in ("provider", "score", "P(first)", "TTFT p50", "E2E p50", "success", "per 1K", "tie"):
        assert heading in first.stdout


def test_colours_are_for_terminals_that_want_them(folder):
    """NO_COLOR wins over a terminal that is forced."""
    colour = re.compile(r"\x1b\[[\d;]*\b(3|4|9)[0-7]m")
    assert colour.search(command(folder.path, FORCE_COLOR="1").stdout)
    assert not colour.search(command(folder.path, FORCE_COLOR="1", NO_COLOR="1").stdout)


def test_text_from_files_is_not_markup(tmp_path):
    """A model called [red] stays a model called [red]."""
    run = Experiment(manifest={"warnings": ["[bold]not markup[/bold]"]}).write(tmp_path / "markup")
    assert "Warning: [bold]not markup[/bold]" in command(run.path).stdout


@pytest.mark.parametrize(
    ("experiment", "code"),
    [
        (Experiment(manifest={"complete": False, "ended": "interrupted"}), 3),
        (Experiment(edit=lambda s: replace(s, lag_s=0.06)), 3),
        (Experiment(edit=lambda s: s if s.phase == "warmup" else None), 4),
    ],
)
def test_exit_codes_say_how_it_went(tmp_path, experiment, code):
    """0 scored, 2 bad input, 3 incomplete or INVALID, 4 nothing measured."""
    assert code == command(experiment.write(tmp_path).path).returncode


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "nowhere/manifest.json: no such file"),
        ([".", "--weights", "speed=1"], "--weights speed=1: 'speed' is unknown"),
        ([".", "--profile", "best"], "--profile best: unknown"),
        (["list", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_mistakes_are_one_line_and_exit_two(arguments, says):
    """No traceback reaches a person."""
    done = command(*arguments)
    assert (2, "", 1) == (done.returncode, done.stdout, len(done.stderr.splitlines()))
    assert done.stderr.startswith("Error: ")
    assert says in done.stderr


def test_list_shows_runs_newest_first_scored_or_not(tmp_path):
    """Id, date, providers, verdict, leader."""
    old = Experiment().write(tmp_path / "20261123T200000Z-aaaaaa")
    Experiment().write(tmp_path / "20261123T210000Z-bbbbbb")
    command(old.path)
    lines = [line for line in command("list", tmp_path).stdout.splitlines() if "20261123T" in line]
    assert ["20261123T210000Z-bbbbbb", "20261123T200000Z-aaaaaa"] == [line.split()[0] for line in lines]
    assert "not" in lines[0]
    assert "VALID" in lines[1]
    assert "aws" in lines[1]


def test_card_reads_what_was_scored(folder):
    """With the standard library alone, for the router."""
    card = read_card(folder.path)
    assert ("VALID", True, "response") == (card.level, card.mock, card.basis)
    assert "aws" == card.tags[0].leader.name
    aws = card.standing("aws")
    assert aws.score_lo <= aws.score <= aws.score_hi
    assert 0.25 == pytest.approx(aws.value("ttft_p50"), rel=0.1)
    assert aws.value("no_such_metric") is None
    assert all(a.score >= b.score for a, b in pairwise(card.standings))


def test_card_needs_no_data_frames():
    """Nor the packages behind them: the router stays light."""
    code = "import sys, scoring.card; print([m for m in ('pandas', 'numpy', 'rich', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d | {"schema_version": 2}, "schema 2 is newer"),
        (lambda d: {k: v for k, v in d.items() if k != "tags"}, "not a scorecard"),
        (lambda d: d | {"run": None}, "not a scorecard"),
    ],
)
def test_card_that_is_newer_or_broken_is_refused(folder, tmp_path, change, says):
    """In one line that names the file."""
    file = tmp_path / "summary.json"
    file.write_text(json.dumps(change(json.loads(folder.summary.read_text()))))
    with pytest.raises(RunError, match=says) as caught:
        read_card(file)
    assert str(file) in str(caught.value)


def test_unscored_run_says_how_to_score_it(tmp_path):
    """The remedy is a command."""
    run = Run(tmp_path)
    with pytest.raises(RunError, match=r"score the run first: python -m scoring"):
        read_card(run.path)

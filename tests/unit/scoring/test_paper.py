"""The paper kit: its files can be checked, repeated to the byte and typeset, and never pass for more than they are."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace

import jsonschema
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.sample import COLUMNS
from scoring.__main__ import main
from scoring.paper import style
from scoring.paper.contents import FIGURES, TABLES
from scoring.paper.methods import methods, to_markdown, to_tex
from scoring.paper.tables import latency, pairs, scorecard
from scoring.paper.tex import escape
from scoring.paper.tradeoff import front
from scoring.summary import SCHEMA, SUMMARY_VERSION, to_text
from tests.unit.scoring.synthetic import AWS, AZURE, GCP, THREE, Experiment, failed, worker

REGIONS = Experiment(regions=("eu", "us"), window_s=40)


def command(*arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-m", "scoring", *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=100, env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode in (0, 3), done.stderr
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run of two regions, with its kit."""
    run = REGIONS.write(tmp_path_factory.mktemp("kit") / "run")
    command(run.path, "--paper")
    return run.path


def kit(experiment, path, *options):
    """A kit made in this process."""
    assert main([str(experiment.write(path).path), "--paper", *options]) in (0, 3)
    return path


def files(path):
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


# ---- files


def test_a_kit_is_the_same_bytes_in_another_process_on_another_day(folder, tmp_path):
    """Elsewhere in the world, too; the ZIP among them."""
    elsewhere = {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "SOURCE_DATE_EPOCH": "1000000000"}
    command(folder, "--paper", "--out", tmp_path, **elsewhere)
    expected = {name: data for name, data in files(folder).items() if name != "samples.csv"}
    assert expected == files(tmp_path)


def test_a_kit_holds_what_its_contents_promise(folder):
    """Every table and figure, each figure in both formats."""
    names = set(files(folder))
    tables = {"tables/verdict.tex", *(f"tables/mock-chat-{name}.tex" for name in TABLES)}
    figures = {f"figures/mock-chat-{name}.{kind}" for name in FIGURES for kind in style.FORMATS}
    assert tables | figures == {name for name in names if name.startswith(("tables/", "figures/"))}


def test_checksums_cover_the_kit_and_hold(folder):
    """All but the run's own rows, which the Parquet file repeats, themselves, and the archive."""
    listed = dict(line.split("  ")[::-1] for line in (folder / "checksums.txt").read_text().splitlines())
    found = {name: hashlib.sha256(data).hexdigest() for name, data in files(folder).items()}
    assert {n: h for n, h in found.items() if n not in ("samples.csv", "checksums.txt", "paper.zip")} == listed


def test_the_archive_holds_the_kit(folder):
    """Byte for byte, under one folder."""
    with zipfile.ZipFile(folder / "paper.zip") as archive:
        packed = {name.removeprefix("paper/"): archive.read(name) for name in archive.namelist()}
    expected = {name: data for name, data in files(folder).items() if name not in ("samples.csv", "paper.zip")}
    assert expected == packed


def test_parquet_holds_the_rows_of_the_samples(folder):
    """Every column, whole numbers as such, empty cells as nulls."""
    written = pd.read_csv(folder / "samples.csv", keep_default_na=False, dtype=str)
    read = pd.read_parquet(folder / "samples.parquet")
    assert list(COLUMNS) == list(read.columns)
    assert list(written["request_id"]) == list(read["request_id"])
    assert list(pd.to_numeric(written["ttft_s"])) == pytest.approx(list(read["ttft_s"]), nan_ok=True)
    assert int((written["tcp_s"] == "").sum()) == int(read["tcp_s"].isna().sum())


def test_a_bad_cell_that_no_score_needs_is_refused_in_one_line(tmp_path, capsys):
    """Scoring passes it by; the Parquet file cannot."""
    run = Experiment((AWS,), edit=lambda sample: replace(sample, status=999)).write(tmp_path)
    run.samples.write_text(run.samples.read_text().replace(",999,", ",none,"))
    assert 0 == main([str(run.path)])
    assert 2 == main([str(run.path), "--paper"])
    (line,) = capsys.readouterr().err.splitlines()
    assert "samples.csv" in line
    assert "'none'" in line


def test_a_kit_names_no_machine_path(folder):
    """It is made to be published."""
    assert [] == [name for name, data in files(folder).items() if str(folder.parent).encode() in data]


def test_scoring_again_renews_a_kit_but_makes_none_unasked(tmp_path):
    """Tables never contradict the summary beside them, and figures of a tag that is gone go, too."""
    run = Experiment(THREE[:2]).write(tmp_path)
    command(run.path)
    assert not (run.path / "checksums.txt").exists()
    command(run.path, "--paper")
    stale = run.path / "figures" / "gone-score.pdf"
    stale.write_bytes(b"")
    before = (run.path / "tables" / "mock-chat-scorecard.tex").read_text()
    command(run.path, "--weights", "cost=1")
    assert before != (run.path / "tables" / "mock-chat-scorecard.tex").read_text()
    assert not stale.exists()


# ---- the schema


@pytest.fixture
def schema():
    known = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(known)
    return jsonschema.Draft202012Validator(known)


SHAPES = {
    "plain": Experiment(THREE),
    "closed": Experiment(THREE, closed=True),
    "short": Experiment(THREE, window_s=5),
    "unpriced": Experiment((AWS, replace(GCP, prices=None))),
    "alone": Experiment((AWS,)),
    "all fail": Experiment((AWS, replace(GCP, error_rate=1.0))),
    "nobody succeeds": Experiment((replace(AWS, error_rate=1.0),)),
    "timeouts": Experiment((AWS, replace(GCP, error_rate=0.2, error="timeout_total"))),
    "two tags": Experiment((AWS, replace(GCP, capability="Other: 50 %"), replace(AZURE, capability="other 50"))),
    "invalid": Experiment(THREE, manifest={"workers": [worker(loop_lag_p99_s=0.5)]}),
    "one request": Experiment(THREE, rate_rps=0.05, window_s=30),
    "unpaired": Experiment(THREE, pairing="none"),
    "real": Experiment(tuple(replace(law, type="http") for law in THREE)),
    "incomplete": Experiment(THREE, manifest={"complete": False, "ended": "interrupted"}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_any_summary_keeps_the_schema_and_any_run_has_a_kit(shape, schema, tmp_path):
    """With intervals and without, failed, unpriced, alone: a kit is made, and summary.json is what it says."""
    made = kit(SHAPES[shape], tmp_path)
    schema.validate(json.loads((made / "summary.json").read_text(encoding="utf-8")))
    assert (made / "paper.zip").is_file()


def test_the_schema_is_of_this_version_and_misses_nothing(schema, plain):
    """A field taken away, a field added and another version are all refused."""
    summary = json.loads(to_text(plain))
    assert {"const": SUMMARY_VERSION} == schema.schema["properties"]["schema_version"]
    assert schema.is_valid(summary)
    assert not schema.is_valid(summary | {"schema_version": SUMMARY_VERSION + 1})
    assert not schema.is_valid(summary | {"news": 1})
    del summary["tags"][0]["providers"][0]["score_lo"]
    assert not schema.is_valid(summary)


# ---- stamps


@pytest.fixture
def readable(monkeypatch):
    """Figures whose words stay words."""
    monkeypatch.setitem(style._RC, "svg.fonttype", "none")


@pytest.mark.parametrize(
    ("experiment", "options", "expected"),
    [
        (REGIONS, (), {"MOCK DATA"}),
        (SHAPES["invalid"], ("--accept-invalid",), {"MOCK DATA", "INVALID, ACCEPTED"}),
        (SHAPES["real"], (), set()),
    ],
    ids=["mock", "accepted", "real"],
)
@pytest.mark.usefixtures("readable")
def test_every_table_and_figure_says_what_it_must_not_pass_for(tmp_path, experiment, options, expected):
    """Inside the drawing and inside the tabular, where no caption can lose it; the methods begin with it."""
    made = kit(experiment, tmp_path, *options)
    stamped = [*made.glob("tables/*.tex"), *made.glob("figures/*.svg"), made / "methods.md", made / "contents.tex"]
    for file in stamped:
        text = file.read_text(encoding="utf-8")
        assert expected == {mark for mark in ("MOCK DATA", "INVALID, ACCEPTED") if mark in text}, file.name


# ---- tables


def test_a_scorecard_prints_what_the_summary_holds(plain):
    """Score, interval and success of every provider, in the order of the ranking."""
    tag = plain["tags"][0]
    rows = [row for row in scorecard(tag).rows if len(row) > 1]
    assert [p["name"] for p in tag["providers"]] == [row[1] for row in rows[::2]]
    first = tag["providers"][0]
    tied = any(set(first["tie"]) & set(other["tie"]) for other in tag["providers"][1:])
    assert (f"{first['score']:.1f}" if tied else rf"\textbf{{{first['score']:.1f}}}") == rows[0][2]
    assert f"[{first['score_lo']:.1f}, {first['score_hi']:.1f}]" in rows[1][2]


def test_nobody_who_is_tied_is_printed_bold(score):
    """Two alike providers: neither score nor latency stands out."""
    twins = Experiment((replace(AWS, key="x"), replace(AWS, name="twin", key="y")))
    assert "textbf" not in "".join(cell for row in scorecard(score(twins)["tags"][0]).rows for cell in row)


def test_lower_bounds_and_unknown_figures_are_printed_as_such(score):
    """A percentile on timeouts carries its sign, one without requests is n/a."""
    slow = Experiment((AWS, replace(GCP, error_rate=0.2, error="timeout_total")))
    text = str(latency(score(slow)["tags"][0]).rows)
    assert "$\\\\ge$" in text
    short = latency(score(Experiment(THREE, rate_rps=2))["tags"][0])
    assert {"n/a"} == {row[5] for row in short.rows if len(row) > 1}


def test_without_intervals_no_difference_is_claimed(score):
    """The table says so in words."""
    (row,) = pairs(score(Experiment(THREE, window_s=5))["tags"][0]).rows
    assert "no interval" in row[0]


@given(st.text())
def test_any_text_is_harmless_in_latex(text):
    """No special character of LaTeX is left, and nothing but what pdfLaTeX prints."""
    plain = re.sub(r"\\(textbackslash|textasciitilde|textasciicircum|ldots)\{\}|\\[{}$&#_%]", "", escape(text))
    plain = re.sub(r"\$(<|>|\||\\ge|\\times|\\tau|\\cdot)\$", "", plain)
    assert not set(plain) & set("\\{}$&#_%~^\n")
    assert all(ord(character) < 0x180 for character in plain)


def test_the_front_holds_those_whom_nobody_beats_in_both():
    """Cheapest first, each next one faster."""

    def at(name, cost, ttft):
        return {"name": name, "metrics": {"cost_per_1k_tokens": {"value": cost}, "ttft_p95": {"value": ttft}}}

    placed = [at("beaten", 3, 3), at("fast", 4, 1), at("cheap", 1, 4), at("middle", 2, 2), at("even", 2, 2)]
    assert ["cheap", "middle", "fast"] == [p["name"] for p in front(placed, "ttft_p95")]


# ---- methods


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, "poisson` arrivals of 20 requests per second"),
        ({"closed": True}, "Load was closed: 4 users"),
        ({"pairing": "none"}, "Each provider draws its own windows"),
        ({"window_s": 5}, "There are no intervals: 5 windows"),
        ({"regions": ("eu", "us")}, "2 worker(s) in `eu`, `us`"),
        ({"laws": (AWS, replace(GCP, prices=None))}, "no price known"),
    ],
)
def test_methods_follow_from_the_configuration(score, change, told):
    """What was not done is not told."""
    experiment = replace(Experiment(THREE), **change)
    manifest = {"providers": [law.declared() for law in experiment.laws],
                "workers": [worker(region) for region in experiment.regions]}  # fmt: skip
    text = to_markdown(methods(score(experiment), manifest))
    assert told in text
    assert change == {} or told not in to_markdown(methods(score(Experiment(THREE)), manifest | {"providers": [],
                                                   "workers": []}))  # fmt: skip


def test_methods_cite_what_the_references_hold(folder):
    """All of it, and nothing else."""
    cited = set(re.findall(r"@([\w-]+)", (folder / "methods.md").read_text(encoding="utf-8")))
    known = set(re.findall(r"^@\w+\{([\w-]+),", (folder / "references.bib").read_text(encoding="utf-8"), re.MULTILINE))
    assert known == cited


def test_both_forms_of_the_methods_cite_alike(folder):
    """Markdown for pandoc, LaTeX for an article."""
    text = (folder / "methods.tex").read_text(encoding="utf-8")
    cited = {key for keys in re.findall(r"\\cite\{([^}]+)\}", text) for key in keys.split(",")}
    assert set(re.findall(r"@([\w-]+)", (folder / "methods.md").read_text(encoding="utf-8"))) == cited


def test_words_of_others_are_harmless_in_methods():
    """Names, commands and sources may hold anything."""
    assert r"\texttt{50\%\_\{x\}}" in to_tex([("Title", "called `50%_{x}`")])


# ---- typesetting


@pytest.mark.skipif(not (shutil.which("pdflatex") and shutil.which("bibtex")), reason="no TeX: pdflatex and bibtex")
@pytest.mark.parametrize("nasty", [False, True])
def test_a_kit_compiles_into_a_paper(folder, tmp_path, nasty):
    """As the README says; whatever providers and commands are called."""
    source = folder
    if nasty:
        laws = (replace(AWS, name="a_b%c&d#e", model="{x}~^\\input|<m> naïve 模型", capability="50 % _off_ $"), GCP)
        source = kit(Experiment(laws, edit=lambda s: failed(s, "rate_limited") if s.slot == 1 else s), tmp_path / "run")
    paper = shutil.copytree(source, tmp_path / "paper")
    for step in ("pdflatex", "bibtex", "pdflatex", "pdflatex"):
        options = ["-halt-on-error", "-interaction=nonstopmode"] if step == "pdflatex" else []
        done = subprocess.run([step, *options, "paper"], cwd=paper, capture_output=True, check=False, timeout=60)
        assert 0 == done.returncode, done.stdout.decode(errors="replace")[-2000:]
    assert b"%PDF" == (paper / "paper.pdf").read_bytes()[:4]
    log = (paper / "paper.log").read_text(encoding="utf-8", errors="replace")
    assert [] == re.findall(r"^LaTeX Warning: .*undefined", log, re.MULTILINE)
    drawn = set(re.findall(r"figures/([\w-]+)\.pdf", (paper / "contents.tex").read_text(encoding="utf-8")))
    assert drawn == {file.stem for file in paper.glob("figures/*.pdf")}

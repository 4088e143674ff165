"""Files that are not what they claim are refused in one line; what a crash leaves is read as far as it goes."""

from __future__ import annotations

import json
import re

import pytest

from providers.errors import RunError
from scoring.analysis import analyse
from scoring.errors import NothingMeasuredError
from scoring.frame import read_frame
from scoring.profile import load_profile
from tests.unit.scoring.synthetic import AWS, Experiment

SHORT = Experiment(laws=(AWS,), window_s=5)


@pytest.fixture
def run(tmp_path):
    return SHORT.write(tmp_path / "run")


def rewrite(run, change):
    run.samples.write_text(change(run.samples.read_text()))
    return run


def refusal(run):
    with pytest.raises(RunError) as caught:
        read_frame(run)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_whole_file_has_no_problems(run):
    """Every row is there, with its region named."""
    frame = read_frame(run)
    assert (len(list(SHORT.samples())), ()) == (len(frame.samples), frame.problems)
    assert {"local"} == set(frame.samples["region"])


def test_cut_last_line_is_left_out_with_a_warning(run):
    """A crash in the middle of a row loses that row only."""
    whole = len(read_frame(run).samples)
    frame = read_frame(rewrite(run, lambda text: text[:-20]))
    assert whole - 1 == len(frame.samples)
    assert ("the last line was cut off in writing; left out",) == frame.problems


def test_torn_row_is_left_out_with_a_warning(run):
    """A row with too few cells is named by its number."""
    frame = read_frame(rewrite(run, lambda text: re.sub(r"(aws--3,[^\n]*?),kernel\n", r"\1\n", text)))
    assert 1 == len(frame.problems)
    assert "cells instead of" in frame.problems[0]


def test_repeated_rows_count_once(run):
    """A block shipped twice is one block."""
    whole = len(read_frame(run).samples)
    frame = read_frame(rewrite(run, lambda text: text + "".join(text.splitlines(keepends=True)[-3:])))
    assert whole == len(frame.samples)
    assert ("3 rows repeat a request_id; the first of each was kept",) == frame.problems


def test_quoted_commas_and_line_ends_in_a_cell_are_read(run):
    """Details come from providers and hold anything."""
    whole = len(read_frame(run).samples)
    frame = read_frame(rewrite(run, lambda text: text.replace(",length,,", ',length,"no, ""never""",', 5)))
    assert (whole, ()) == (len(frame.samples), frame.problems)


def test_nan_and_infinity_are_unknown(run):
    """Whatever wrote them, they are no latencies."""
    text = run.samples.read_text().splitlines()
    columns = text[0].split(",")
    for line, value in ((1, "nan"), (2, "inf"), (3, "-inf")):
        cells = text[line].split(",")
        cells[columns.index("ttft_s")] = value
        text[line] = ",".join(cells)
    frame = read_frame(rewrite(run, lambda _: "\n".join(text) + "\n"))
    assert 3 == frame.samples["ttft_s"].isna().sum()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.replace("request_id,", "", 1), "column 'request_id' is missing"),
        (lambda text: text.replace("stamp\n", "stamp,quantum_s\n", 1), "column 'quantum_s' is unknown"),
        (lambda text: text.replace(",0.001000,", ",soon,", 1), "soon"),
        (lambda text: text.replace(",length,", ",length,", 1).replace(",200,,", ",200,gremlins,", 1), "'gremlins'"),
        (lambda _: "", "empty; expected a header line"),
    ],
)  # fmt: skip
def test_file_that_is_not_ours_is_refused_in_one_line(run, change, says):
    """The line names the file and what stood there."""
    message = refusal(rewrite(run, change))
    assert says in message
    assert str(run.samples) in message


def test_missing_samples_are_refused(run):
    """A run without its samples cannot be scored."""
    run.samples.unlink()
    assert "samples.csv: no such file" in refusal(run)


def test_newer_manifest_is_refused(run):
    """We do not guess what tomorrow's manifest means."""
    run.manifest.write_text(json.dumps(json.loads(run.manifest.read_text()) | {"schema_version": 99}))
    assert "schema 99 is newer" in refusal(run)


@pytest.mark.parametrize("keep", [1, 20])
def test_run_that_never_reached_its_window_measured_nothing(tmp_path, keep):
    """A header alone, or warm-up rows alone, are no measurement."""
    run = SHORT.write(tmp_path / "short")
    rewrite(run, lambda text: "".join(text.splitlines(keepends=True)[:keep]))
    with pytest.raises(NothingMeasuredError, match="no request was scheduled in the measured window"):
        analyse(read_frame(run), load_profile())


def test_manifest_of_a_crashed_run_is_enough(run):
    """No workers, no counts, no phases: what was not reached is not needed."""
    manifest = json.loads(run.manifest.read_text())
    for key in ("workers", "counts", "matrix", "phases", "warnings", "versions", "host"):
        del manifest[key]
    run.manifest.write_text(json.dumps(manifest | {"complete": False, "ended": "crashed"}))
    analysis = analyse(read_frame(run), load_profile())
    assert "incomplete" in {reason.code for reason in analysis.reasons}

"""Samples survive the CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import RunError
from providers.sample import COLUMNS, PHASES, Sample, from_row, kind_of, to_line, to_row

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x00"), max_size=20)
NUMBERS = st.floats(0, 2e9, allow_nan=False).map(lambda x: float(f"{x:.6f}"))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "str": TEXT,
    "int": st.integers(-1, 10**9),
    "float": NUMBERS,
    "bool": st.booleans(),
}


def value_of(field):
    if field.name == "phase":
        return st.sampled_from(PHASES)
    values = VALUES[kind_of(field.name)]
    return st.none() | values if str(field.type).endswith("| None") else values


SAMPLES = st.builds(Sample, **{field.name: value_of(field) for field in fields(Sample)})


@given(SAMPLES)
def test_a_sample_survives_the_csv(sample):
    """Written and read again, at six decimals, every column is what it was; unknown is not empty."""
    text = io.StringIO()
    csv.writer(text).writerow(to_row(sample))
    (row,) = csv.reader(io.StringIO(text.getvalue()))
    assert sample == from_row(row)


@given(st.sampled_from(["=", "+", "-", "@", "\t", "\r", "'"]), st.text(max_size=5))
def test_a_providers_words_are_no_formula(first, rest):
    """Excel and LibreOffice run a cell that begins so; what is read back is what was said."""
    said = Sample(request_id="a", provider="p", phase="measure", scheduled_at=1, started_at=2, detail=first + rest,
                  served_model=first + rest, served_region=first + rest, provider_request_id=first + rest)  # fmt: skip
    row = to_row(said)
    assert {f"'{first}{rest}"} == {row[COLUMNS.index(name)] for name in ("detail", "served_model", "served_region")}
    assert said == from_row(row)


@given(SAMPLES)
def test_a_line_is_what_a_csv_writer_would_write(sample):
    """With commas, quotes and line ends in its cells, or without: written at once, it is the same row."""
    assert [to_row(sample)] == list(csv.reader(io.StringIO(to_line(sample), newline="")))


def test_money_has_nine_decimals():
    """A request may cost a hundred-thousandth of a dollar; unknown stays empty."""
    row = to_row(Sample(request_id="a", provider="p", phase="measure", scheduled_at=0.0, started_at=0.0, cost_usd=1e-5))
    assert ("0.000010000", "") == (row[COLUMNS.index("cost_usd")], row[COLUMNS.index("provider_cost_usd")])


def test_a_second_trip_changes_nothing():
    """Six decimals are stable: what was read is written alike."""
    row = to_row(Sample(request_id="a", provider="p", phase="measure", scheduled_at=1.23456789, started_at=2.0))
    assert row == to_row(from_row(row))


def test_a_row_of_another_width_is_refused():
    """A cut line is told by its count of cells."""
    with pytest.raises(RunError, match=f"1 cells; expected {len(COLUMNS)}"):
        from_row(["a"])


def test_a_cell_that_does_not_fit_names_its_column():
    """Column, value and expectation stand in the line."""
    row = to_row(Sample(request_id="a", provider="p", phase="measure", scheduled_at=1.0, started_at=2.0))
    row[COLUMNS.index("chunks")] = "many"
    with pytest.raises(RunError, match="sample column 'chunks': got 'many'; expected int"):
        from_row(row)

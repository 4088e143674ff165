"""What ``make test-long`` says of its repetitions."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "held.awk"
HELD = "PASSED tests/a.py::x[two  words]\n" * 2


def _count(lines: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        ["awk", "-v", "n=2", "-f", str(PROGRAM)], input=lines, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout.splitlines()


def test_a_test_that_held_every_time_passes():
    """Its name, blanks included, and its count."""
    said = ["tests/a.py::x[two  words]: held 2 of 2", "1 of 1 tests held 2 of 2 times"]
    assert (0, said) == _count(HELD)


@pytest.mark.parametrize(
    ("lines", "held"),
    [
        ("PASSED tests/a.py::y\nFAILED tests/a.py::y - assert 5 == 2\n", 1),
        ("ERROR tests/a.py::y - no fixture\n", 0),
        ("PASSED tests/a.py::y\nPASSED tests/a.py::y\nERROR tests/a.py::y - in its end\n", 1),
        ("PASSED tests/a.py::y\n", 1),
    ],
)
def test_one_that_failed_broke_or_never_ran_fails_all(lines, held):
    """Once is enough, and the others' counts stand beside it."""
    code, said = _count(HELD + lines)
    assert 1 == code
    assert f"tests/a.py::y: held {held} of 2" in said
    assert "1 of 2 tests held 2 of 2 times" in said


def test_nothing_that_ran_is_no_success():
    """A suite that crashed before its first test."""
    assert 1 == _count("")[0]

"""The suites themselves: nothing goes unchecked where every tool is promised."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = """
import pytest
pytest.importorskip("{module}")

def test_passes():
    assert 1 == 1

@pytest.mark.skip(reason="no such tool")
def test_is_marked(): ...

def test_finds_no_tool():
    pytest.skip("no such tool")

@pytest.mark.xfail
def test_is_known_to_fail():
    assert 1 == 2
"""


def run_pytest(folder, module, promised):
    (folder / "conftest.py").write_bytes(Path(__file__).with_name("conftest.py").read_bytes())
    (folder / "test_it.py").write_text(MODULE.format(module=module))
    (folder / "pytest.ini").write_text("[pytest]\n")  # else the project's own, wherever the folder stands below it
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:dash",
        "--rootdir",
        ".",
        "test_it.py",
    ]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "NEPHOSCOPE_ALL": promised}, capture_output=True, text=True, check=False
    )
    return done.stdout


@pytest.mark.parametrize(
    ("module", "promised", "outcome"),
    [
        ("json", "", "1 passed, 2 skipped, 1 xfailed"),
        ("json", "1", "1 failed, 1 passed, 1 xfailed, 1 error"),
        ("no_such_module", "", "1 skipped"),
        ("no_such_module", "1", "1 error"),
    ],
)
def test_a_skip_is_a_failure_where_every_tool_is_promised(tmp_path, module, promised, outcome):
    """By mark, by call or by a module that is not there; an expected failure stays what it is."""
    assert outcome in run_pytest(tmp_path, module, promised)

"""What all suites share. It never imports Locust, which would patch the process of the suites that must stay plain."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(Path(__file__).parents[1] / ".cache" / "hypothesis"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    return _no_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    return _no_skip((yield))


def _no_skip(report):
    """With NEPHOSCOPE_ALL every tool is promised to be there: a skip means that something went unchecked."""
    if os.environ.get("NEPHOSCOPE_ALL") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped although NEPHOSCOPE_ALL is set: {report.longrepr[2]}"
    return report

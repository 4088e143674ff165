"""Other people's servers as fixtures, and the matrix page that a complete run leaves behind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from providers.simulator.child import simulator
from tests.conformance.aimock import aimock
from tests.conformance.matrix import CELLS, PAGE, Cell, page

CACHE = Path(__file__).parents[2] / ".cache"
MOCKS = """
version: 1
defaults: {type: mock, model: mock-8b}
providers:
  - {name: whole, mock: {ttft_s: 0.02, gap_s: 0.001, reasoning_tokens: 2, cached_tokens: 2, cache_write_tokens: 1}}
  - {name: ending, mock: {ttft_s: 0, gap_s: 0, output_tokens: 3}}
  - {name: broken, mock: {ttft_s: 0, error_rate: 1}}
  - {name: limited, mock: {ttft_s: 0, gap_s: 0, quota_rps: 0.01}}
  - {name: interrupted, mock: {ttft_s: 0, gap_s: 0, stream_error_rate: 1}}
  - {name: malforming, mock: {ttft_s: 0, gap_s: 0, malformed_rate: 1}}
  - {name: truncating, mock: {ttft_s: 0, gap_s: 0, truncate_rate: 1}}
"""
_outcomes: dict[Cell, str] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A cell's outcome is that of its call, or of the setup it did not survive."""
    cell = dict(report.user_properties).get("cell")
    if cell and (report.when == "call" or report.outcome != "passed"):
        _outcomes[Cell(*cell.split(" | "))] = report.outcome


def pytest_sessionfinish() -> None:
    """A run of some cells leaves the page alone, and so does one that skipped any for want of a tool."""
    if set(CELLS) == set(_outcomes) and "skipped" not in _outcomes.values():
        PAGE.write_text(page(_outcomes), encoding="utf-8")


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    """Starts each server when the first cell asks for it; they end with the session."""
    started: dict[str, object] = {}
    with contextlib.ExitStack() as stack:

        def get(name: str):
            if name not in started:
                folder = tmp_path_factory.mktemp(name.replace(" ", "-"))
                started[name] = stack.enter_context(_STARTS[name](folder))
            return started[name]

        yield get


@contextlib.contextmanager
def _simulator(folder: Path) -> Iterator[str]:
    file = folder / "providers.yaml"
    file.write_text(MOCKS)
    with simulator(file) as base_url:
        yield base_url


def _llama(folder: Path) -> contextlib.AbstractContextManager[object]:
    pytest.importorskip("xllamacpp", reason="llama.cpp needs the wheel xllamacpp")
    from tests.conformance.llama import llama  # noqa: PLC0415 - where the wheel is missing the rest still runs

    return llama(folder / "random.gguf")


_STARTS = {
    "aimock": lambda folder: aimock(CACHE / "aimock", folder),
    "llama.cpp": _llama,
    "official SDK": _simulator,
}

"""The paper kit of a scored run: tables, figures, methods and references, for an article. It computes no score."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from providers.run import Run
from scoring.analysis import Analysis
from scoring.paper.archive import CHECKSUMS


def has_kit(folder: Path) -> bool:
    return (folder / CHECKSUMS).is_file()


def write_kit(analysis: Analysis, summary: Mapping[str, Any], run: Run, out: Path) -> None:
    """Beside the results.csv and summary.json that stand in ``out``."""
    from scoring.paper.kit import write_files  # noqa: PLC0415 - matplotlib takes a second to load, and only a kit draws

    write_files(analysis, summary, run, out)

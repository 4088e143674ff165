"""Errors of scoring beside those of ``providers.errors``."""

from __future__ import annotations

from providers.errors import RunError


class NothingMeasuredError(RunError):
    """The run has no request in its measured window (exit 4)."""

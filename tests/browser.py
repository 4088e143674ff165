"""Chromium as the suites start it: the system's own, with a home that is not the person's."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking")


@contextlib.contextmanager
def chromium(home: Path) -> Iterator[Browser]:
    """Skips where there is none. The browser writes crash reports and settings into ``home``."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        env = {**os.environ, "HOME": str(home)}
        started = playwright.chromium.launch(executable_path=program, args=list(_FLAGS), env=env)
        yield started
        started.close()

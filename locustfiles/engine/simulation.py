"""A Simulation is the mock providers of a run, served by a process of their own on a free port of this machine.

The child reads end-of-file on its standard input when we are gone, however we went, and ends with us.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import gevent

from locustfiles.engine.child import start_module
from providers.errors import RunError

_START_LIMIT_S = 20
_STOP_LIMIT_S = 5


class Simulation:
    def __init__(self, providers_file: Path, truth: Path) -> None:
        self._child = start_module(
            "providers", "simulate", str(providers_file), "--port", "0", "--truth", str(truth), "--until-eof",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # A session of its own: the terminal's Ctrl-C must reach the drain, not the servers it waits for.
            start_new_session=True,
        )  # fmt: skip
        self.base_url = self._await_address()

    def url(self, provider: str) -> str:
        return f"{self.base_url}/{provider}/v1"

    def stop(self) -> None:
        """Close its input and wait: the truth log is complete when this returns."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        try:
            self._child.wait(timeout=_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _await_address(self) -> str:
        assert self._child.stdout is not None
        line = b""
        with gevent.Timeout(_START_LIMIT_S, False):
            line = self._child.stdout.readline()
        try:
            return str(json.loads(line)["base_url"])
        except (ValueError, KeyError):
            self._child.kill()
            self._child.wait()
            raise RunError("the simulator did not start; its own words stand above") from None

"""The harness with a busy loop in its process: half a second of work, a moment for everybody else, and again."""

from __future__ import annotations

import os
import time

import gevent

from locustfiles.engine import hub
from locustfiles.engine.harness import install

globals().update(install(__name__))
if os.environ.get("BLIND"):  # as on a system whose kernel gives no receive times
    hub._stamping_socket = lambda: None


def _spin() -> None:
    while True:
        until = time.monotonic() + float(os.environ.get("SPIN_S", "0.5"))
        while time.monotonic() < until:
            pass
        gevent.sleep(0.02)


gevent.spawn_later(float(os.environ.get("SPIN_FROM_S", "3")), _spin)

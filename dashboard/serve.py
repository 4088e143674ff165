"""Serving: the app behind gunicorn, one process with threads, so that a slow reader holds nobody up."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from gunicorn.app.base import BaseApplication

from providers.errors import ConfigError

THREADS = 8
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class _Service(BaseApplication):
    """Gunicorn's own pattern for a program that is already running."""

    def __init__(self, wsgi: Callable[..., Any], listener: socket.socket) -> None:
        self.served, self.listener = wsgi, listener
        super().__init__()

    def load_config(self) -> None:
        self.cfg.set("bind", f"fd://{self.listener.fileno()}")
        self.cfg.set("threads", THREADS)
        self.cfg.set("loglevel", "warning")
        self.cfg.set("control_socket_disable", True)

    def load(self) -> Callable[..., Any]:
        return self.served


def listen(host: str, port: int) -> socket.socket:
    """Taken before anything else is done: a port that is not to be had is one line."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        said = str(getattr(error, "strerror", None) or error).partition(" (")[0]
        raise ConfigError(f"--host {host} --port {port}: {said}; choose another") from None


def serve(wsgi: Callable[..., Any], listener: socket.socket) -> None:
    """Until Ctrl-C."""
    _Service(wsgi, listener).run()

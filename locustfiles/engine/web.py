"""The web UI, kept to this machine: it starts load that costs money, and Locust leaves it open to everyone."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from flask import abort, jsonify, request

from providers.errors import ConfigError

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def check_address(options: Any) -> None:
    """ConfigError for an address that anyone could reach unasked, or that is taken."""
    host, port = options.web_host, options.web_port
    if host not in LOOPBACK and not (options.web_login or options.insecure_web):
        raise ConfigError(
            f"--web-host {host}: anyone who reaches it could start load; add --web-login or --insecure-web"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"--web-port {port}: cannot listen on {host} ({error.strerror}); name another port"
            ) from None


def refuse_impossible_starts(web_ui: Any, why_not: Callable[[int], str]) -> None:
    """Locust answers a start before it is tried: ask first, so that the person at the form is told."""

    @web_ui.app.before_request  # type: ignore[untyped-decorator]
    def possible() -> Any:
        if request.method != "POST" or not request.path.endswith("/swarm"):
            return None
        reason = why_not(request.form.get("user_count", 1, type=int))
        return jsonify({"success": False, "message": reason, "host": None}) if reason else None


def refuse_foreign_posts(web_ui: Any) -> None:
    """A page from elsewhere must not start a run in the browser of whoever has the UI open."""

    @web_ui.app.before_request  # type: ignore[untyped-decorator]
    def same_origin() -> None:
        origin = request.headers.get("Origin")
        if request.method == "POST" and origin and urlsplit(origin).netloc != request.host:
            abort(403)

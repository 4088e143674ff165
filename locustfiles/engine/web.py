"""The web UI, kept to this machine: it starts load that costs money, and Locust leaves it open to everyone."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Response, abort, jsonify, request

from providers.errors import ConfigError

Note = Callable[[str, dict[str, Any], str], None]  # what (swarm, user, reset), what was asked, why it was refused
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


def refuse_impossible_starts(web_ui: Any, why_not: Callable[[Mapping[str, str]], str], note: Note) -> None:
    """Locust answers a start before it is tried: ask first, so that the person at the form is told."""

    @web_ui.app.before_request  # type: ignore[untyped-decorator]
    def possible() -> Any:
        if request.method != "POST" or not request.path.endswith("/swarm"):
            return None
        reason = why_not(request.form)
        note("swarm", _asked(), reason)
        return jsonify({"success": False, "message": reason, "host": None}) if reason else None


def note_edits(web_ui: Any, note: Note) -> None:
    """Tell what else a person changed in the browser; stopping is told by how the run ended."""

    @web_ui.app.after_request  # type: ignore[untyped-decorator]
    def edited(response: Response) -> Response:
        what = request.path.rpartition("/")[2]
        if request.method == "POST" and what in ("user", "reset") and response.status_code < 400:
            note(what, _asked(), "")
        return response


def _asked() -> dict[str, Any]:
    """The fields of a form, or the object that the class picker sends."""
    if request.form:
        return {key: values if len(values) > 1 else values[0] for key, values in request.form.lists()}
    sent = request.get_json(silent=True, force=True) if request.get_data() else None
    return sent if isinstance(sent, dict) else {}


def refuse_foreign_posts(web_ui: Any) -> None:
    """A page from elsewhere must not start a run in the browser of whoever has the UI open."""

    @web_ui.app.before_request  # type: ignore[untyped-decorator]
    def same_origin() -> None:
        origin = request.headers.get("Origin")
        if request.method == "POST" and origin and urlsplit(origin).netloc != request.host:
            abort(403)

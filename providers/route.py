"""A Route is the way to an endpoint: which host is dialled, and through which proxy.

``HTTPS_PROXY`` and ``NO_PROXY`` are honoured as everywhere (either case of letters); loopback is never proxied.
It does not dial: whoever does brings a socket of his own world.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

_ANSWER_LIMIT_BYTES = 16384


@dataclass(frozen=True, slots=True)
class Route:
    """``dial`` is where the TCP connection goes; ``connect`` is what a proxy is asked first, if there is one."""

    host: str
    port: int
    encrypted: bool
    dial: tuple[str, int]
    connect: bytes = b""


def route_to(url: str) -> Route:
    parts = urlsplit(url)
    host, encrypted = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if encrypted else 80)
    proxy = getproxies().get("https", "") if encrypted else ""
    if not proxy or is_loopback(host) or proxy_bypass(host):
        return Route(host, port, encrypted, (host, port))
    via = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return Route(host, port, encrypted, (via.hostname or "", via.port or 80), _connect_request(host, port, via))


def _connect_request(host: str, port: int, via: Any) -> bytes:
    lines = [f"CONNECT {host}:{port} HTTP/1.1", f"host: {host}:{port}"]
    if via.username:
        account = f"{unquote(via.username)}:{unquote(via.password or '')}"
        lines.append(f"proxy-authorization: Basic {base64.b64encode(account.encode()).decode()}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def pass_proxy(sock: Any, request: bytes) -> None:
    """Ask the proxy for a tunnel; OSError with its own words when it gives none."""
    sock.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer and len(answer) < _ANSWER_LIMIT_BYTES:
        data = sock.recv(1)  # not a byte more than the answer: what follows belongs to TLS
        if not data:
            break
        answer += data
    status = answer.partition(b"\r\n")[0].decode("latin-1")
    if status.split(" ")[1:2] != ["200"]:
        raise OSError(f"the proxy refused the tunnel: {status or 'no answer'}")


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")

"""What stands on the wire: a dialect's request with host, length, identity and authentication around it.

The load process, the trial and the dry run share it, so that what is shown is what is sent. It opens no socket.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from providers.dialects.base import HttpRequest


def target(request: HttpRequest) -> str:
    """The request line's second word: path and query."""
    parts = urlsplit(request.url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def headers(request: HttpRequest, proof: Mapping[str, str], request_id: str) -> dict[str, str]:
    """Every header in its order; ``proof`` is what the credential says."""
    return {
        "host": urlsplit(request.url).netloc,
        "user-agent": "nephoscope/0.1",
        "accept-encoding": "identity",  # compression would hold a stream's events back
        "x-request-id": request_id,
        **request.headers,
        **proof,
        "content-length": str(len(request.body)),
    }


def rendered(request: HttpRequest, proof: Mapping[str, str], request_id: str) -> bytes:
    """The bytes of a request, secrets revealed: these go to the socket and nowhere else."""
    fields = headers(request, proof, request_id).items()
    lines = [f"{request.method} {target(request)} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + request.body

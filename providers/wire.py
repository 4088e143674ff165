"""What stands on the wire: a dialect's request with host, length, identity and authentication around it.

The load process, the trial and the dry run share it, so that what is shown is what is sent. It opens no socket.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
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


def decoded(headers: Mapping[str, str], reads: Sequence[bytes]) -> list[bytes]:
    """The body as it came, read by read; ValueError when it is encoded in a way that cannot be undone.

    Some servers compress although identity was asked: each read gives what it let the inflater say.
    """
    encoding = headers.get("content-encoding", "identity").lower()
    if encoding == "identity":
        return list(reads)
    if encoding not in ("gzip", "deflate"):
        raise ValueError(f"content-encoding {encoding} although identity was asked")
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or zlib, told apart by the header
    try:
        return [inflate.decompress(data) for data in reads]
    except zlib.error as error:
        raise ValueError(f"content-encoding {encoding} is broken: {error}") from None

"""AWS Signature Version 4 as a server checks it: written from AWS's description, on the bytes that arrived.

It shares no code with botocore, which signs.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from urllib.parse import quote

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request,"
    r" ?SignedHeaders=(?P<signed>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})$"
)


def parsed(wire: bytes) -> tuple[str, str, dict[str, str], bytes]:
    """(method, target, headers in lower case, body) of a request."""
    head, _, body = wire.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    method, target, _ = line.split(" ")
    return method, target, {n.lower(): v.strip() for n, _, v in (f.partition(":") for f in fields)}, body


def valid(wire: bytes, secret_key: str) -> bool:
    """True when the signature is that of these very bytes."""
    method, target, headers, body = parsed(wire)
    claim = AUTHORIZATION.match(headers["authorization"])
    assert claim is not None, headers["authorization"]
    signed = claim["signed"].split(";")
    assert "host" in signed
    path, _, query = target.partition("?")
    canonical = "\n".join([
        method,
        quote(path, safe="/~"),  # encoded once more than it was sent: the rule of every service but S3
        "&".join(sorted(query.split("&"))) if query else "",
        *(f"{name}:{' '.join(headers[name].split())}" for name in signed),
        "",
        claim["signed"],
        hashlib.sha256(body).hexdigest(),
    ])  # fmt: skip
    scope = f"{claim['day']}/{claim['region']}/{claim['service']}/aws4_request"
    to_sign = "\n".join([
        "AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest(),
    ])  # fmt: skip
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = _mac(key, part)
    return hmac.compare_digest(_mac(key, to_sign).hex(), claim["signature"])


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()

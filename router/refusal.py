"""A Refusal is an answer of the router itself, in the shape of OpenAI's errors."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from starlette.types import Send


class Refusal(Exception):  # noqa: N818 - an answer to a client, not an error of ours
    """``kind`` is both type and code of the error; ``wait_s`` becomes Retry-After."""

    def __init__(self, status: int, message: str, kind: str = "invalid_request_error", wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.status, self.message, self.kind, self.wait_s = status, message, kind, wait_s

    def body(self) -> bytes:
        error = {"message": self.message, "type": self.kind, "param": None, "code": self.kind}
        return orjson.dumps({"error": error})

    async def send(self, send: Send, headers: Sequence[tuple[bytes, bytes]]) -> None:
        head = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), *headers]
        if self.wait_s > 0:
            head.append((b"retry-after", b"%d" % max(1, round(self.wait_s))))
        if self.status in (408, 413):
            head.append((b"connection", b"close"))  # the rest of the body is never read
        await send({"type": "http.response.start", "status": self.status, "headers": head})
        await send({"type": "http.response.body", "body": self.body()})


class UpstreamError(Refusal):
    """A provider failed, ``reason`` in a word: what the caller gets when nobody else answers."""

    def __init__(self, reason: str, status: int = 502, wait_s: float = 0.0) -> None:
        kind = "rate_limited" if status == 429 else "upstream_error"
        super().__init__(status, f"no provider answered; the last: {reason}", kind, wait_s)
        self.reason = reason


def broken(message: str) -> bytes:
    """The event that tells a client its stream broke: what follows is the end, and never ``[DONE]``."""
    return b"data: " + Refusal(502, message, "upstream_stream_error").body() + b"\n\n"

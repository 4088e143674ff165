"""A Refusal is why a request gets no answer; ``frames`` render it in the words of the format that was asked."""

from __future__ import annotations

import orjson
from starlette.types import Send

Headers = list[tuple[bytes, bytes]]


class Refusal(Exception):  # noqa: N818 - an answer to a client, not an error of ours
    """``code`` is OpenAI's word; ``retry_s`` is when to come back; ``closes`` ends the connection."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str = "invalid_request_error",
        *,
        retry_s: float | None = None,
        closes: bool = False,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code
        self.retry_s, self.closes = retry_s, closes


async def send_json(send: Send, status: int, document: object, headers: Headers) -> None:
    body = orjson.dumps(document)
    head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})

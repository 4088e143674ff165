"""A Refusal is an HTTP error answer in OpenAI's shape."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from starlette.types import Send

Headers = list[tuple[bytes, bytes]]


class Refusal(Exception):  # noqa: N818 - an answer to a client, not an error of ours
    """``headers`` go out beside the ones every answer has."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str = "invalid_request_error",
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.headers = status, message, code, headers

    async def send(self, send: Send, headers: Headers) -> None:
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        error = {"message": self.message, "type": kind, "param": None, "code": self.code}
        await send_json(send, self.status, {"error": error}, [*headers, *self.headers])


async def send_json(send: Send, status: int, document: object, headers: Headers) -> None:
    body = orjson.dumps(document)
    head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})

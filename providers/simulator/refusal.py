"""A Refusal is an HTTP error answer in OpenAI's shape."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.types import Send

Headers = list[tuple[bytes, bytes]]


class Refusal(Exception):  # noqa: N818 - an answer, not an error of ours
    def __init__(self, status: int, message: str, code: str = "invalid_request_error", headers: Headers = []) -> None:  # noqa: B006 - never changed
        super().__init__(message)
        self.status, self.message, self.code, self.headers = status, message, code, headers

    def document(self) -> dict[str, Any]:
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {"error": {"message": self.message, "type": kind, "param": None, "code": self.code}}


async def send_json(send: Send, status: int, document: Any, headers: Headers) -> None:
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})

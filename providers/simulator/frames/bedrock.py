"""What the two formats of Amazon Bedrock share: how requests are refused, and the headers of every answer."""

from __future__ import annotations

import math

from providers.simulator.quota import Quota
from providers.simulator.refusal import Headers, Refusal

PADDING = "abcdefghijklmnopqr"  # AWS pads its events, so that their length does not tell the text's
_STATUS = {401: 403, 405: 400, 413: 400}
_EXCEPTION = {
    400: "ValidationException", 403: "AccessDeniedException", 404: "ResourceNotFoundException",
    429: "ThrottlingException", 500: "InternalServerException", 503: "ServiceUnavailableException",
}  # fmt: skip


class Bedrock:
    """The common half of a Format."""

    def refused(self, refusal: Refusal, request_id: str) -> tuple[int, Headers, object]:  # noqa: ARG002
        status = _STATUS.get(refusal.status, refusal.status)
        name = _EXCEPTION.get(status, "ValidationException")
        headers = [(b"x-amzn-errortype", f"{name}:http://internal.amazon.com/coral/".encode())]
        if refusal.retry_s is not None:
            headers.append((b"retry-after", b"%d" % math.ceil(refusal.retry_s)))
        return status, headers, {"message": refusal.message}

    def headers(self, request_id: str, quota: Quota | None) -> Headers:  # noqa: ARG002 - Bedrock does not tell it
        return [(b"x-amzn-requestid", request_id.encode("latin-1"))]

"""What OpenAI's three formats share: how requests are refused, and the headers of every answer."""

from __future__ import annotations

import math

from providers.simulator.quota import Quota
from providers.simulator.refusal import Headers, Refusal


class OpenAI:
    """The common half of a Format."""

    def refused(self, refusal: Refusal, request_id: str) -> tuple[int, Headers, object]:  # noqa: ARG002
        kind = "server_error" if refusal.status >= 500 else "invalid_request_error"
        error = {"message": refusal.message, "type": kind, "param": None, "code": refusal.code}
        headers: Headers = []
        if refusal.retry_s is not None:
            headers = [
                (b"retry-after", b"%d" % math.ceil(refusal.retry_s)),
                (b"retry-after-ms", b"%d" % math.ceil(refusal.retry_s * 1000)),
            ]
        return refusal.status, headers, {"error": error}

    def headers(self, request_id: str, quota: Quota | None) -> Headers:  # noqa: ARG002
        """The request's id is ours already: OpenAI, too, calls it x-request-id."""
        if quota is None:
            return []
        return [
            (b"x-ratelimit-limit-requests", b"%d" % quota.limit),
            (b"x-ratelimit-remaining-requests", b"%d" % quota.remaining),
            (b"x-ratelimit-reset-requests", b"%dms" % math.ceil(quota.reset_s * 1000)),
        ]


def server_error(message: str) -> dict[str, object]:
    return {"error": {"message": message, "type": "server_error", "param": None, "code": None}}

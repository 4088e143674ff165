"""What an HTTP status and a provider's words mean in our closed list of error kinds; shared by all dialects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import orjson

from providers.dialects.base import Failure
from providers.sample import ErrorKind

_BY_STATUS: dict[int, ErrorKind] = {
    401: "auth",
    403: "auth",
    408: "timeout_total",
    413: "context_length",
    424: "server",
    429: "rate_limited",
    498: "overloaded",
    503: "overloaded",
    504: "timeout_total",
    529: "overloaded",
}  # fmt: skip - 424: Bedrock's model failed; 498: Groq's flex tier is full; 529: Anthropic is overloaded
_BY_WORDS: tuple[tuple[re.Pattern[str], ErrorKind], ...] = (
    (
        re.compile(
            r"context.?(length|window|size)|maximum context|too many (input )?tokens|(prompt|input) is too long"
            r"|input token count .* exceeds|max_new_tokens.* must be <=",
            re.IGNORECASE,
        ),
        "context_length",
    ),
    (re.compile(r"content.?filter|content.?policy|content management policy|safety", re.IGNORECASE), "content_filter"),
    (re.compile(r"rate.?limit|throttl|resource.?exhausted|insufficient_quota", re.IGNORECASE), "rate_limited"),
    (
        re.compile(r"overloaded|service.?unavailable|no capacity|at capacity|maximum pending", re.IGNORECASE),
        "overloaded",
    ),
    (
        re.compile(r"invalid.?api.?key|api.?key.?(not.?valid|invalid)|authentication|unauthorized", re.IGNORECASE),
        "auth",
    ),
)
# Codes as providers name them, in lower case, without punctuation and without "error" or "exception" at their end.
_BY_CODE: dict[str, ErrorKind] = {
    "accessdenied": "auth", "expiredtoken": "auth", "invalidsignature": "auth", "permission": "auth",
    "permissiondenied": "auth", "unauthenticated": "auth", "unrecognizedclient": "auth",
    "badrequest": "bad_request", "invalidargument": "bad_request", "invalidrequest": "bad_request",
    "notfound": "bad_request", "resourcenotfound": "bad_request", "validation": "bad_request",
    "modelnotready": "overloaded", "unavailable": "overloaded",
    "servicequotaexceeded": "rate_limited", "toomanyrequests": "rate_limited",
    "requesttoolarge": "context_length",
    "deadlineexceeded": "timeout_total", "modeltimeout": "timeout_total", "timeout": "timeout_total",
}  # fmt: skip


def kind_of_status(status: int) -> ErrorKind:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 300 <= status < 400:
        return "protocol"  # redirects are never followed: the headers would travel along
    return "bad_request" if 400 <= status < 500 else "server"


def kind_of_words(code: str, message: str, status: int) -> ErrorKind | None:
    """What the words say beyond the status; 401, 403 and 429 already say all."""
    if status in (401, 403, 429):
        return None
    text = f"{code} {message}"
    return next((kind for pattern, kind in _BY_WORDS if pattern.search(text)), None)


def kind_of_code(code: str) -> ErrorKind | None:
    bare = re.sub(r"[^a-z]", "", code.lower())
    return _BY_CODE.get(re.sub(r"(error|exception)$", "", bare))


def failure_of(status: int, headers: Mapping[str, str], body: bytes, code: str = "") -> Failure:
    """An HTTP error answer: the words' kind, else the code's (a 5xx needs none), else the status's."""
    message, told = error_words(body)
    code = code or told
    kind = kind_of_words(code, message, status)
    if kind is None and 400 <= status < 500 and status not in _BY_STATUS:
        kind = kind_of_code(code)
    return Failure(kind or kind_of_status(status), message or code or f"HTTP {status}", retry_after_s(headers))


def failure_inside(code: object, message: str) -> Failure:
    """An error event after HTTP 200, where only words and a code are left; a number is taken for a status."""
    told = "" if code is None else str(code)
    status = int(told) if re.fullmatch(r"[3-5]\d\d", told) else None
    kind = kind_of_words(told, message, status or 500)
    kind = kind or (kind_of_code(told) or "server" if status is None else kind_of_status(status))
    return Failure(kind, message or told or "error inside the stream")


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds from ``retry-after-ms`` (Azure, OpenAI) or ``retry-after`` (a number or a date); None when absent."""
    try:
        if value := headers.get("retry-after-ms"):
            return float(value) / 1000
        if not (value := headers.get("retry-after")):
            return None
        if value.strip().replace(".", "", 1).isdigit():
            return float(value)
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def error_words(body: bytes) -> tuple[str, str]:
    """(message, code) of an error body as most providers shape it; plain text becomes the message.

    The code is a word where there is one: Google's ``status`` and AWS's ``__type`` say more than a number repeated.
    """
    try:
        document = orjson.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace").strip(), ""
    if isinstance(document, list) and document:
        document = document[0]
    error = (document.get("error") or document) if isinstance(document, dict) else document
    if not isinstance(error, dict):
        return str(error), ""
    message = error.get("message") or error.get("Message") or error.get("detail") or ""
    status = error.get("status")
    code = (status if isinstance(status, str) else "") or error.get("code") or error.get("type") or error.get("__type")
    return str(message), str(code or "")

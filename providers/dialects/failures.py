"""What an HTTP status and a provider's words mean in our closed list of error kinds; shared by all dialects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import orjson

from providers.sample import ErrorKind

_BY_STATUS: dict[int, ErrorKind] = {
    401: "auth", 403: "auth", 408: "timeout_total", 413: "context_length", 429: "rate_limited",
    503: "overloaded", 504: "timeout_total", 529: "overloaded",
}  # fmt: skip
_BY_WORDS: tuple[tuple[re.Pattern[str], ErrorKind], ...] = (
    (
        re.compile(r"context.?length|maximum context|too many tokens|prompt is too long", re.IGNORECASE),
        "context_length",
    ),
    (re.compile(r"content.?filter|content.?policy|safety", re.IGNORECASE), "content_filter"),
    (re.compile(r"rate.?limit|throttl|resource.?exhausted|insufficient_quota", re.IGNORECASE), "rate_limited"),
    (re.compile(r"overloaded|service.?unavailable|no capacity", re.IGNORECASE), "overloaded"),
    (re.compile(r"invalid.?api.?key|authentication|unauthorized", re.IGNORECASE), "auth"),
)


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
    """(message, code) of an error body as most providers shape it; plain text becomes the message."""
    try:
        document = orjson.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace").strip(), ""
    if isinstance(document, list) and document:
        document = document[0]
    error = document.get("error", document) if isinstance(document, dict) else document
    if not isinstance(error, dict):
        return str(error), ""
    return str(error.get("message") or error.get("detail") or ""), str(error.get("code") or error.get("type") or "")

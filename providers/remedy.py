"""What a failure means for a person: a provider's words made readable, and what to do next.

It never changes the kind of a failure, and repeats no address that might carry a key.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from html import unescape
from urllib.parse import urlsplit

from providers.dialects.base import Failure
from providers.spec import TOKEN_KINDS, Provider

_SKEWED = re.compile(r"signature expired|not yet current|too.?skewed|request expired", re.IGNORECASE)
_HTML = re.compile(r"\s*(<!doctype html|<html|<head|<body)", re.IGNORECASE)
_TITLE = re.compile(r"<(title|h1)[^>]*>(.*?)</\1", re.IGNORECASE | re.DOTALL)
_SOUND_S = 30.0  # a Date header has whole seconds, and the answer took its time


def words_of(failure: Failure, status: int | None, headers: Mapping[str, str]) -> str:
    """The failure's message, with what its answer says beyond it."""
    message = failure.message
    if status is not None and 300 <= status < 400:
        host = urlsplit(headers.get("location", "")).hostname or "another path"
        return f"HTTP {status}: redirected to {host}, and redirects are not followed"
    if _HTML.match(message):
        title = _TITLE.search(message)
        shown = " ".join(unescape(re.sub(r"<[^>]*>", " ", title[2])).split()) if title else "no title"
        return f"HTTP {status}: a web page in place of an answer: {shown}"
    if failure.kind == "auth" and _SKEWED.search(message):
        return f"{_skew(headers)}; {message}"
    return message


def _skew(headers: Mapping[str, str]) -> str:
    """What the server's Date header says of our clock."""
    try:
        ahead_s = time.time() - parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        ahead_s = 0.0
    if abs(ahead_s) < _SOUND_S:
        return "clock skew: set this machine's clock"
    return f"clock skew: this machine is {abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} the server"


_STEPS: dict[str, str] = {
    "bad_request": "check model '{p.model}', region '{p.region}' and path against the provider's own list",
    "rate_limited": "wait, or ask for more quota; under load a lower --rate",
    "overloaded": "wait, or ask for capacity; under load a lower --rate",
    "timeout_connect": "see that {host} can be reached from here, or raise limits.connect_timeout_s",
    "connection": "see that {host} can be reached from here: name, port, HTTPS_PROXY, certificate",
    "timeout_first_token": "ask again, or raise limits.first_token_timeout_s",
    "timeout_idle": "ask again, or raise limits.idle_timeout_s",
    "timeout_total": "ask again, or raise limits.total_timeout_s",
    "protocol": "see that base_url speaks the dialect {p.dialect_name}",
    "truncated": "ask again; if it stays, see that base_url speaks the dialect {p.dialect_name}",
    "context_length": "choose a workload with shorter prompts",
}


# Words for a setting that does not suit the model or the server, and the key that changes it.
_SETTINGS: dict[str, str] = {
    "hidden reasoning": "raise request.max_tokens, or ask for less reasoning in request.extra_body",
    "max_completion_tokens": "set request.max_tokens_field to the name that its message wants",
    "stream_options": "set request.extra_body to {stream_options: null}",
    "temperature": "set request.temperature to null: this model takes none but its own",
}


def next_step(provider: Provider, failure: Failure) -> str:
    """What to do about a failure, as an imperative."""
    if failure.kind == "auth":
        return _mend_auth(provider, failure.message)
    words = next((words for words in _SETTINGS if words in failure.message), "")
    if words and failure.kind in ("bad_request", "protocol"):
        return _SETTINGS[words]
    step = _STEPS.get(failure.kind, "ask again; if it stays, ask the provider")
    return step.format(p=provider, host=urlsplit(provider.base_url).netloc)


def _mend_auth(provider: Provider, message: str) -> str:
    if _SKEWED.search(message):
        return "set this machine's clock (ntp)"
    auth = provider.auth
    if auth.kind in TOKEN_KINDS and auth.token is not None:
        names = re.findall(r"\$\{(?:file:)?([^}]+)\}", auth.token.shown)
        return f"set {' and '.join(names) or 'auth.token'} to a key that is valid for this endpoint"
    if auth.kind == "none":
        return "add auth: this endpoint wants to know who asks"
    return f"see that this identity may use model '{provider.model}' in region '{auth.region or provider.region}'"

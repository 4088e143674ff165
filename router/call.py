"""A Call is one caller's request, read and checked: what the choice needs of it, and what is passed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from providers.dialects.posting import merged
from providers.spec import Provider
from router.policy import TYPICAL_OUTPUT_TOKENS, Ask
from router.record import CHARS_PER_TOKEN
from router.refusal import Refusal

_ASSUMED_TOKENS = 4096  # of a request that sets no ceiling, where the router has none either
_PASSED_ON = (b"accept", b"traceparent", b"x-request-id")
_CEILINGS = ("max_completion_tokens", "max_tokens")
_SHAPES = {"model": str, "stream": bool, "stream_options": dict, "n": int, **dict.fromkeys(_CEILINGS, int)}


@dataclass(slots=True)
class Call:
    """``most_tokens`` is the router's ceiling, ``asked_tokens`` the caller's; ``headers`` never hold a caller's key."""

    raw: bytes
    body: dict[str, Any]
    ask: Ask
    headers: dict[str, str]
    strategy: str  # what the caller asked for; empty: the router's own
    deadline_s: float | None
    asked_tokens: int | None
    most_tokens: int | None

    @property
    def model(self) -> str:
        return self.body.get("model") or "auto"

    @property
    def wants_usage(self) -> bool:
        return bool((self.body.get("stream_options") or {}).get("include_usage"))

    @property
    def worst_output_tokens(self) -> int:
        """What the caller may be billed for at most; without any ceiling, an assumption."""
        return self.asked_tokens or self.most_tokens or _ASSUMED_TOKENS

    def bytes_for(self, provider: Provider) -> bytes:
        """The caller's own bytes, unless model name, ceiling, usage report or ``extra_body`` change them."""
        changes: dict[str, Any] = {}
        if provider.model and provider.model != self.body.get("model"):
            changes["model"] = provider.model
        if self.most_tokens and self.asked_tokens is None:
            changes[provider.request.max_tokens_field] = self.most_tokens
        if self.ask.stream and not self.wants_usage:
            changes["stream_options"] = {**(self.body.get("stream_options") or {}), "include_usage": True}
        extra = provider.request.extra_body
        return orjson.dumps(merged(self.body | changes, extra)) if changes or extra else self.raw


def read_call(raw: bytes, headers: Mapping[bytes, bytes], most_tokens: int | None, body_keys: frozenset[str]) -> Call:
    """Refusal for what no provider should be asked."""
    if headers.get(b"content-type", b"").split(b";")[0].strip().lower() != b"application/json":
        raise Refusal(415, "send content-type: application/json")
    body = _body(raw, body_keys)
    asked = max((body[key] for key in _CEILINGS if body.get(key) is not None), default=None)
    if most_tokens and asked is not None and asked > most_tokens:
        raise Refusal(400, f"'max_tokens' can be {most_tokens} at most")
    ask = Ask(
        bool(body.get("stream")),
        len(raw) // CHARS_PER_TOKEN,
        min(TYPICAL_OUTPUT_TOKENS, asked or most_tokens or TYPICAL_OUTPUT_TOKENS),
        headers.get(b"x-router-explore", b"") != b"off",
    )
    passed = {name.decode(): value for name in _PASSED_ON if (value := _text(headers, name))}
    return Call(raw, body, ask, passed, _text(headers, b"x-router-strategy"), _deadline_s(headers), asked, most_tokens)


def _body(raw: bytes, body_keys: frozenset[str]) -> dict[str, Any]:
    try:
        body = orjson.loads(raw)
        orjson.dumps(body)  # what is nested too deep to be written again
    except (ValueError, TypeError):
        raise Refusal(400, "the body is no JSON, or nested too deep") from None
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list) or not body["messages"]:
        raise Refusal(400, "the body needs 'messages', a list with at least one")
    for key, shape in _SHAPES.items():
        if (value := body.get(key)) is not None and (type(value) is not shape or (shape is int and value == 0)):
            raise Refusal(400, f"'{key}' has the wrong type, or is 0")
    if asked_below_one := [key for key in _CEILINGS if (body.get(key) or 1) < 1]:
        raise Refusal(400, f"'{asked_below_one[0]}' is below 1")
    if body.get("n") not in (None, 1):
        raise Refusal(400, "'n' can only be 1: every further answer is paid for")
    if body_keys and (strange := body.keys() - body_keys):
        raise Refusal(400, f"keys not allowed here: {', '.join(sorted(strange))[:200]}")
    return body


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str:
    """What could break out of a header line is not passed on."""
    text = headers.get(name, b"").decode("latin-1")
    return text if text.isascii() and text.isprintable() else ""


def _deadline_s(headers: Mapping[bytes, bytes]) -> float | None:
    text = headers.get(b"x-router-deadline-s")
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise Refusal(400, "x-router-deadline-s is a number of seconds above 0")
    return value

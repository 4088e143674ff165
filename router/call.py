"""A Call is one caller's request, read and checked: what the choice needs, and the bytes a provider would be sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from providers.spec import Provider
from router.policy import TYPICAL_OUTPUT_TOKENS, Ask

_CHARS_PER_TOKEN = 4  # an estimate, used for the choice and where a provider reports no usage
_ASSUMED_TOKENS = 4096  # of a request that sets no ceiling, where the router has none either
_PASSED_ON = (b"accept", b"content-type", b"traceparent", b"x-request-id")


class Refusal(Exception):  # noqa: N818 - it is an answer, not an error of ours
    """An answer of the router itself, in the shape of OpenAI's errors."""

    def __init__(self, status: int, message: str, kind: str = "invalid_request_error", wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.status, self.message, self.kind, self.wait_s = status, message, kind, wait_s

    def body(self) -> bytes:
        error = {"message": self.message, "type": self.kind, "param": None, "code": self.kind}
        return orjson.dumps({"error": error})


@dataclass(slots=True)
class Call:
    raw: bytes
    body: dict[str, Any]
    ask: Ask
    headers: dict[str, str]  # the caller's that are passed on: never its key
    strategy: str  # what the caller asked for; empty: the router's own
    deadline_s: float | None
    wants_usage: bool

    @property
    def model(self) -> str:
        return str(self.body.get("model") or "auto")

    def worst_output_tokens(self, most_tokens: int | None) -> int:
        """What the caller may be billed for at most; without any ceiling, an assumption."""
        return asked_tokens(self.body) or most_tokens or _ASSUMED_TOKENS

    def bytes_for(self, provider: Provider, most_tokens: int | None) -> bytes:
        """The caller's own bytes, unless the model's name, the ceiling or the usage report must stand in them."""
        changes: dict[str, Any] = {}
        if provider.model and provider.model != self.body.get("model"):
            changes["model"] = provider.model
        if most_tokens and asked_tokens(self.body) is None:
            changes[provider.request.max_tokens_field] = most_tokens
        if self.ask.stream and not self.wants_usage and "stream_options" not in provider.request.extra_body:
            changes["stream_options"] = {**(self.body.get("stream_options") or {}), "include_usage": True}
        return orjson.dumps({**self.body, **changes}) if changes else self.raw


def read_call(raw: bytes, headers: Mapping[bytes, bytes], most_tokens: int | None) -> Call:
    """Refusal for what no provider should be asked."""
    if headers.get(b"content-type", b"").split(b";")[0].strip().lower() != b"application/json":
        raise Refusal(415, "send content-type: application/json")
    try:
        body = orjson.loads(raw)
    except ValueError:
        raise Refusal(400, "the body is no JSON") from None
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list) or not body["messages"]:
        raise Refusal(400, "the body needs 'messages', a list with at least one")
    if not isinstance(body.get("model", ""), str) or not isinstance(body.get("stream") or False, bool):
        raise Refusal(400, "'model' is a name, 'stream' true or false")
    if body.get("n") not in (None, 1):
        raise Refusal(400, "'n' can only be 1: every further answer is paid for")
    if not isinstance(body.get("stream_options") or {}, dict):
        raise Refusal(400, "'stream_options' is a mapping")
    asked = asked_tokens(body)
    if most_tokens and asked is not None and asked > most_tokens:
        raise Refusal(400, f"'max_tokens' can be {most_tokens} at most")
    ask = Ask(
        stream=bool(body.get("stream")),
        input_tokens=len(raw) // _CHARS_PER_TOKEN,
        output_tokens=min(TYPICAL_OUTPUT_TOKENS, asked or most_tokens or TYPICAL_OUTPUT_TOKENS),
        explore=headers.get(b"x-router-explore", b"") != b"off",
    )
    return Call(
        raw, body, ask,
        {name.decode(): headers[name].decode("latin-1") for name in _PASSED_ON if name in headers},
        headers.get(b"x-router-strategy", b"").decode("latin-1"),
        _seconds(headers.get(b"x-router-deadline-s", b"")),
        bool((body.get("stream_options") or {}).get("include_usage")),
    )  # fmt: skip


def asked_tokens(body: Mapping[str, Any]) -> int | None:
    """The output tokens a body asks for at most; None where it does not say."""
    for key in ("max_completion_tokens", "max_tokens"):
        value = body.get(key)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise Refusal(400, f"'{key}' is a whole number above 0")
        return value
    return None


def estimated_tokens(chars: int) -> int:
    return -(-chars // _CHARS_PER_TOKEN)


def _seconds(text: bytes) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise Refusal(400, "x-router-deadline-s is a number of seconds above 0")
    return value

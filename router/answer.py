"""An Answer is one provider's reply on its way to the client: held back until it is real, then passed on as it came.

Before the first real output it may fail and another provider answer instead; after it a failure is raised too, and the
relay then ends the stream in an error event. It does not choose and does not retry.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import aiohttp
from starlette.types import Send

from providers.dialects.base import Prompt
from providers.dialects.failures import retry_after_s
from providers.spec import Provider
from router.call import Call
from router.policy import Target
from router.stream import CHAT, RawEvents, Seen, look, read

if TYPE_CHECKING:
    from router.relay import Record

HELD_BYTES = 16_384
ANSWER_BYTES = 16 << 20
_ERROR_BYTES = 65_536
_KEY_REFUSED_S = 60.0
_KEY_REFUSED = (401, 403)
_ANOTHERS_TURN = frozenset((*range(300, 400), 408, 429, *range(500, 600)))  # a redirect is never followed
_PASSED_BACK = ("content-type", "retry-after", "x-request-id")


class UpstreamError(Exception):
    """A provider failed: ``reason`` in a word, and the status a caller gets when nobody else answers."""

    def __init__(self, reason: str, status: int = 502, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.status, self.wait_s = reason, status, wait_s
        self.kind = "rate_limited" if status == 429 else "upstream_error"

    @classmethod
    def of(cls, error: BaseException) -> Self:
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return cls("timeout_connect", 504)
        return cls("timeout", 504) if isinstance(error, TimeoutError) else cls("connection")


@dataclass(slots=True)
class Upstream:
    """A provider, and what is known of it."""

    provider: Provider
    target: Target
    url: str = ""

    def __post_init__(self) -> None:
        self.url = CHAT.build(Prompt("", ()), self.provider).url

    def headers(self, call: Call) -> dict[str, str]:
        own = {"accept-encoding": "identity", **self.provider.request.extra_headers, **self.provider.auth.headers()}
        return call.headers | own


@dataclass(slots=True)
class Answer:
    upstream: Upstream
    call: Call
    send: Send
    record: Record
    explanation: list[tuple[bytes, bytes]]
    until_s: float
    sent_s: float

    async def pass_on(self, session: aiohttp.ClientSession, clock: asyncio.Timeout, most_tokens: int | None) -> None:
        """Return when the answer is whole; ``clock`` says first token, then idle, and is moved on as bytes come."""
        provider = self.upstream.provider
        response = await session.post(
            self.upstream.url,
            data=self.call.bytes_for(provider, most_tokens),
            headers=self.upstream.headers(self.call),
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=provider.limits.connect_timeout_s),
        )
        try:
            if response.status != 200:
                await self._refused(response)
            elif self.call.ask.stream and "json" not in response.headers.get("content-type", ""):
                await self._stream(response, clock)
            else:
                self._give(clock, self.until_s - time.monotonic())
                await self._whole(response)
        finally:
            response.close()  # what was read to its end is in the pool again; anything else must not go on

    async def _refused(self, response: aiohttp.ClientResponse) -> None:
        """The caller's own mistake is passed back; whatever is the provider's or ours is a failure."""
        status = response.status
        if status in _KEY_REFUSED:
            raise UpstreamError("auth", 502, _KEY_REFUSED_S)
        if status in _ANOTHERS_TURN:
            wait_s = retry_after_s({name.lower(): value for name, value in response.headers.items()})
            raise UpstreamError(f"http_{status}", 429 if status == 429 else 502, wait_s)
        body = await response.content.read(_ERROR_BYTES)
        for secret in self.upstream.provider.secrets:
            body = body.replace(secret.reveal().encode(), b"***")
        self.record.outcome = f"http_{status}"
        await self._pass_whole(response, body)

    async def _whole(self, response: aiohttp.ClientResponse) -> None:
        body = bytearray()
        async for data in response.content.iter_any():
            body += data
            if len(body) > ANSWER_BYTES:
                raise UpstreamError("too_large")
        seen = Seen()
        read(bytes(body), seen)
        if seen.failure or not seen.ended:
            raise UpstreamError(seen.failure or "empty")
        self._note(seen)
        self.record.outcome = "ok"
        now_s = time.monotonic()
        self.upstream.target.succeeded(now_s, stream=False, wait_s=now_s - self.sent_s)
        await self._pass_whole(response, bytes(body))

    async def _pass_whole(self, response: aiohttp.ClientResponse, body: bytes) -> None:
        await self._start(response, (b"content-length", b"%d" % len(body)))
        await self.send({"type": "http.response.body", "body": body})

    async def _stream(self, response: aiohttp.ClientResponse, clock: asyncio.Timeout) -> None:
        events, held, sum_, record = RawEvents(), b"", Seen(), self.record
        idle_s = self.upstream.provider.limits.idle_timeout_s
        async for data in response.content.iter_any():
            held += self._sorted(events.feed(data), sum_)
            if not record.committed and (sum_.chars or sum_.ended or len(held) > HELD_BYTES):
                record.first_s = time.monotonic() - self.sent_s
                await self._start(response, (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))
            if record.committed:
                if held:
                    await self.send({"type": "http.response.body", "body": held, "more_body": True})
                    held = b""
                self._give(clock, min(idle_s, self.until_s - time.monotonic()))
            if sum_.failure:
                raise UpstreamError(sum_.failure)
        if not sum_.ended or events.rest.strip():
            raise UpstreamError("truncated" if sum_.chars else "empty")
        await self.send({"type": "http.response.body", "body": events.rest})
        self._learn()

    def _sorted(self, raw_events: list[bytes], sum_: Seen) -> bytes:
        """The bytes to pass on, up to the first broken event; what they say is added to ``sum_``."""
        out = []
        for raw in raw_events:
            seen = look(raw)
            self._note(seen)
            sum_.chars, sum_.ended, sum_.failure = sum_.chars + seen.chars, sum_.ended or seen.ended, seen.failure
            if seen.failure:
                break
            if self.call.wants_usage or not seen.only_usage:
                out.append(raw)
        return b"".join(out)

    def _note(self, seen: Seen) -> None:
        self.record.chars += seen.chars
        self.record.usage = seen.usage or self.record.usage

    def _learn(self) -> None:
        record, now_s = self.record, time.monotonic()
        assert record.first_s is not None
        later = record.output_tokens - 1
        per_token = (now_s - self.sent_s - record.first_s) / later if later > 0 else None
        record.outcome = "ok"
        self.upstream.target.succeeded(now_s, stream=True, wait_s=record.first_s, s_per_token=per_token)

    @staticmethod
    def _give(clock: asyncio.Timeout, seconds: float) -> None:
        clock.reschedule(asyncio.get_running_loop().time() + seconds)

    async def _start(self, response: aiohttp.ClientResponse, *more: tuple[bytes, bytes]) -> None:
        self.record.committed, self.record.status = True, response.status
        passed = [
            (name.lower().encode(), value.encode("latin-1"))
            for name, value in response.headers.items()
            if name.lower() in _PASSED_BACK or name.lower().startswith("x-ratelimit-")
        ]
        headers = [*passed, *self.explanation, *more]
        await self.send({"type": "http.response.start", "status": response.status, "headers": headers})

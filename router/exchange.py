"""An Exchange answers one call: it asks a provider, holds the answer back until it is real, and passes it on.

Before the first real output another provider may answer instead; after it a failure ends the stream in an error event.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import aiohttp
from starlette.types import Send

from providers.dialects.failures import retry_after_s
from router.call import Call
from router.reading import Reading
from router.record import Record
from router.refusal import UpstreamError, broken
from router.relay import Relay
from router.upstream import Upstream

ATTEMPTS = 2
BACKOFF_S = 0.05
HELD_BYTES = 16_384
ANSWER_BYTES = 16 << 20
_ERROR_BYTES = 65_536
_KEY_REFUSED_S = 60.0
_NO_LIMIT_S = 0.002  # a clock that rings this early still rings for the deadline


@dataclass(slots=True)
class Exchange:
    relay: Relay
    call: Call
    send: Send
    record: Record
    _deadline_s: float = 0.0
    _sent_s: float = 0.0
    _until_s: float = 0.0
    _upstream: Upstream = field(init=False)

    async def perform(self) -> None:
        """Refusal when nobody could answer, before anything was sent."""
        relay, call, record = self.relay, self.call, self.record
        strategy = record.strategy = relay.strategy_of(call)
        untried = relay.candidates(call, strategy)
        relay.budget.earn(record.begun_s)
        self._deadline_s = record.begun_s + min(relay.limit_s, call.deadline_s or relay.limit_s)
        while True:
            chosen = relay.choose(call, strategy, untried)
            self._upstream = upstream = relay.upstreams[chosen.target.name]
            untried.remove(upstream)
            record.provider, record.choice, record.attempts = chosen.target.name, chosen.text(), record.attempts + 1
            try:
                return await self._attempt()
            except UpstreamError as error:
                relay.metrics.attempts.labels(record.provider, error.reason).inc()
                over = error.reason == "deadline" or record.attempts == ATTEMPTS or not untried
                if over or not relay.budget.spend():
                    raise
            await asyncio.sleep(relay.rng.random() * BACKOFF_S)

    async def _attempt(self) -> None:
        record, target, limits = self.record, self._upstream.target, self._upstream.provider.limits
        sent_s = self._sent_s = time.monotonic()
        record.overhead_s = record.overhead_s or sent_s - record.begun_s
        self._until_s = min(self._deadline_s, sent_s + limits.total_timeout_s)
        stream = self.call.ask.stream
        first_s = limits.first_token_timeout_s if stream else limits.total_timeout_s
        target.sent(sent_s)
        try:
            async with asyncio.timeout(min(first_s, self._until_s - sent_s)) as clock:
                await self._answered(clock)
        except (TimeoutError, aiohttp.ClientError, OSError, UpstreamError) as error:
            failure = self._failure(error)
            if failure.reason != "deadline":
                now_s = time.monotonic()
                target.failed(now_s, sent_s, stream=stream, reason=failure.reason)
                if failure.wait_s:
                    target.breaker.open_for(failure.wait_s, now_s, failure.reason)
            if not record.committed:
                raise failure from None
            record.outcome = failure.reason
            await self.send({"type": "http.response.body", "body": broken(f"{target.name}: {failure.reason}")})
        finally:
            target.returned(sent_s)

    def _failure(self, error: Exception) -> UpstreamError:
        """The caller's or the platform's deadline is no failure of the provider."""
        if isinstance(error, UpstreamError):
            return error
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return UpstreamError("timeout_connect", 504)
        if isinstance(error, TimeoutError):
            mine = time.monotonic() >= self._deadline_s - _NO_LIMIT_S
            return UpstreamError("deadline" if mine else "timeout", 504)
        return UpstreamError("connection")

    async def _answered(self, clock: asyncio.Timeout) -> None:
        """Return when the answer is whole; ``clock`` says first token, then idle, and is moved on as bytes come."""
        assert self.relay.session is not None
        response = await self._upstream.post(self.relay.session, self.call)
        try:
            if response.status != 200:
                await self._refused(response)
            elif self.call.ask.stream:
                await self._stream(response, clock)
            else:
                await self._whole(response)
        finally:
            response.close()  # what was read to its end is in the pool again; anything else must not go on

    async def _refused(self, response: aiohttp.ClientResponse) -> None:
        """The caller's own mistake is passed back; whatever is the provider's or ours is a failure."""
        status = response.status
        if status in (401, 403):
            raise UpstreamError("auth", 502, _KEY_REFUSED_S)
        if status in (408, 429) or not 400 <= status < 500:
            wait_s = retry_after_s({name.lower(): value for name, value in response.headers.items()})
            raise UpstreamError(f"http_{status}", 429 if status == 429 else 502, wait_s or 0.0)
        body = self._upstream.scrubbed(await response.content.read(_ERROR_BYTES))
        self.record.outcome = f"http_{status}"
        await self._pass_whole(response, body)

    async def _whole(self, response: aiohttp.ClientResponse) -> None:
        body = bytearray()
        async for data in response.content.iter_any():
            body += data
            if len(body) > ANSWER_BYTES:
                raise UpstreamError("too_large")
        reading = Reading(keeps_usage=True)
        reading.whole(bytes(body))
        self._note(reading)
        if reading.failure:
            raise UpstreamError(reading.failure)
        self._learn(wait_s=time.monotonic() - self._sent_s)
        await self._pass_whole(response, bytes(body))

    async def _pass_whole(self, response: aiohttp.ClientResponse, body: bytes) -> None:
        await self._start(response, (b"content-length", b"%d" % len(body)))
        await self.send({"type": "http.response.body", "body": body})

    async def _stream(self, response: aiohttp.ClientResponse, clock: asyncio.Timeout) -> None:
        """Hold back until the first output; then every whole event goes on at once."""
        reading, held, record = Reading(keeps_usage=self.call.wants_usage), b"", self.record
        async for data in response.content.iter_any():
            held += reading.feed(data)
            self._note(reading)
            if not record.committed and not reading.failure:
                if not (reading.chars or reading.ended or len(held) > HELD_BYTES):
                    continue
                record.first_s = time.monotonic() - self._sent_s
                await self._start(response, (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))
            if held and record.committed:
                await self.send({"type": "http.response.body", "body": held, "more_body": True})
                held = b""
            if reading.failure:
                raise UpstreamError(reading.failure)
            wait_s = min(self._upstream.provider.limits.idle_timeout_s, self._until_s - time.monotonic())
            clock.reschedule(asyncio.get_running_loop().time() + wait_s)
        rest = held + reading.close()
        self._note(reading)
        if reading.failure:
            raise UpstreamError(reading.failure)
        if not record.committed:
            await self._start(response, (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))
        self._learn(wait_s=record.first_s)
        await self.send({"type": "http.response.body", "body": rest})

    def _note(self, reading: Reading) -> None:
        self.record.chars, self.record.usage = reading.chars, reading.usage or self.record.usage

    def _learn(self, wait_s: float | None) -> None:
        """The answer was whole: that is evidence."""
        record, now_s, stream = self.record, time.monotonic(), self.call.ask.stream
        wait_s = now_s - self._sent_s if wait_s is None else wait_s
        later = record.output_tokens - 1
        rate = (now_s - self._sent_s - wait_s) / later if stream and later > 0 else None
        record.outcome = "ok"
        self._upstream.target.succeeded(now_s, self._sent_s, stream=stream, wait_s=wait_s, s_per_token=rate)

    async def _start(self, response: aiohttp.ClientResponse, *more: tuple[bytes, bytes]) -> None:
        self.record.committed, self.record.status = True, response.status
        headers = [*self._upstream.passed_back(response), *self.record.headers(), *more]
        await self.send({"type": "http.response.start", "status": response.status, "headers": headers})

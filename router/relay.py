"""The Relay sends one call on: it chooses, holds the answer back until it is real, fails over, and never lies.

Before the first real output another provider may answer; after it a broken stream ends in an error event and without
``[DONE]``. Bytes of an answer are passed on as they came. A client that leaves cancels the task, and with it upstream.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from dataclasses import dataclass, field

import aiohttp
from starlette.types import Send

from providers.dialects.base import Prompt, Usage
from providers.dialects.failures import retry_after_s
from providers.spec import Provider
from router.call import Call, Refusal, estimated_tokens
from router.metrics import Metrics
from router.policy import Target, Weights, choose, terms
from router.stream import CHAT, RawEvents, Seen, broken, look, read

ATTEMPTS = 2
BACKOFF_S = 0.05
HELD_BYTES = 16_384
ANSWER_BYTES = 16 << 20
_ERROR_BYTES = 65_536
_KEY_REFUSED_S = 60.0
_SOON_S = 1.0
_RETRY_SHARE, _RETRY_SPAN_S, _RETRY_FLOOR_RPS = 0.2, 10.0, 3.0
_OURS_TO_RETRY = frozenset((408, 429, *range(500, 600)))
_KEY_REFUSED = (401, 403)
_PASSED_BACK = ("content-type", "retry-after", "x-request-id")


class UpstreamError(Exception):
    """A provider failed before anything of its answer had been passed on."""

    def __init__(self, reason: str, status: int = 502, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.status, self.wait_s = reason, status, wait_s


@dataclass(slots=True)
class Upstream:
    provider: Provider
    target: Target
    url: str = ""

    def __post_init__(self) -> None:
        self.url = CHAT.build(Prompt("", ()), self.provider).url

    def headers(self, call: Call) -> dict[str, str]:
        ours = {"accept-encoding": "identity", "content-type": "application/json"}
        return {**call.headers, **ours, **self.provider.request.extra_headers, **self.provider.auth.headers()}


@dataclass(slots=True)
class Record:
    """What became of a call: for the log, the metrics and the bill."""

    provider: str = ""
    attempts: int = 0
    outcome: str = ""
    status: int = 0
    committed: bool = False  # something of an answer has reached the client
    why: dict[str, str] = field(default_factory=dict)
    begun_s: float = 0.0
    overhead_s: float | None = None
    first_s: float | None = None  # to the first output, of the attempt that answered
    chars: int = 0
    usage: Usage | None = None

    @property
    def output_tokens(self) -> int:
        billed = self.usage.output_tokens if self.usage else None
        return estimated_tokens(self.chars) if billed is None else billed


class Relay:
    def __init__(
        self, upstreams: list[Upstream], weights: Weights, metrics: Metrics, *, strategy: str, allow_fixed: bool,
        limit_s: float, most_tokens: int | None,
    ) -> None:  # fmt: skip
        self.upstreams, self.weights, self.metrics = upstreams, weights, metrics
        self.session: aiohttp.ClientSession | None = None
        self._strategy, self._allow_fixed = strategy, allow_fixed
        self._limit_s, self._most_tokens = limit_s, most_tokens
        self._rng = random.Random()
        self._begun: deque[float] = deque()
        self._retried: deque[float] = deque()

    def candidates(self, call: Call) -> list[Upstream]:
        """Those that serve the model, by its own name, its capability, or ``auto``; Refusal when there is none."""
        found = [u for u in self.upstreams if call.model in ("auto", u.provider.model, u.provider.capability)]
        if not found:
            raise Refusal(404, f"no provider serves model '{call.model[:100]}'; GET /v1/models lists them", "not_found")
        kind, _, name = (call.strategy if self._allow_fixed else "").partition(":")
        name = name if kind == "fixed" else self._strategy.partition(":")[2]
        if not name:
            return found
        fixed = [upstream for upstream in found if upstream.provider.name == name]
        if not fixed:
            raise Refusal(404, f"fixed:{name[:100]}: no such provider for this model", "not_found")
        return fixed

    async def perform(self, call: Call, send: Send, record: Record) -> None:
        """Answer the call; Refusal when nobody could, before anything was sent."""
        candidates = self.candidates(call)
        self._begun.append(time.monotonic())
        deadline_s = record.begun_s + min(self._limit_s, call.deadline_s or self._limit_s)
        tried: list[Upstream] = []
        while True:
            upstream = self._choose(call, [u for u in candidates if u not in tried] or candidates, record)
            record.attempts += 1
            tried.append(upstream)
            try:
                return await self._attempt(upstream, call, send, record, deadline_s)
            except UpstreamError as error:
                self.metrics.attempts.labels(record.provider, error.reason).inc()
                if record.attempts >= min(ATTEMPTS, len(candidates)) or not self._may_retry(deadline_s):
                    raise _last_word(record.provider, error) from None
            await asyncio.sleep(self._rng.random() * BACKOFF_S)

    def _choose(self, call: Call, candidates: list[Upstream], record: Record) -> Upstream:
        now_s = time.monotonic()
        targets = [upstream.target for upstream in candidates]
        kind = self._strategy.partition(":")[0]
        target = choose("best" if kind == "fixed" else kind, targets, call.ask, self.weights, now_s, self._rng)
        target = target or _least_bad(targets, now_s)
        chosen = next(upstream for upstream in candidates if upstream.target is target)
        record.provider = target.name
        record.why = {"x-router-provider": target.name, "x-router-strategy": self._strategy}
        return chosen

    def explain(self, upstream: Upstream, call: Call, record: Record) -> list[tuple[bytes, bytes]]:
        """Reply headers that say who answered, after how many attempts, and with which figures."""
        found = terms([u.target for u in self.upstreams], call.ask, self.weights, time.monotonic())
        own = next(term for term in found if term.name == upstream.target.name)
        usd = "unknown" if own.usd is None else f"{own.usd:.3g}"
        shown = f"j={own.j:.3f} seconds={own.seconds:.3f} usd={usd} success={own.success:.4f} crowd={own.crowding:.2f}"
        headers = {**record.why, "x-router-attempts": str(record.attempts), "x-router-choice": shown}
        return [(name.encode(), value.encode()) for name, value in headers.items()]

    def _may_retry(self, deadline_s: float) -> bool:
        """A fifth of the last ten seconds' calls, or three a second: a retry must not become the load."""
        now_s = time.monotonic()
        for times in (self._begun, self._retried):
            while times and times[0] < now_s - _RETRY_SPAN_S:
                times.popleft()
        allowed = max(_RETRY_SHARE * len(self._begun), _RETRY_FLOOR_RPS * _RETRY_SPAN_S)
        if now_s >= deadline_s or len(self._retried) >= allowed:
            return False
        self._retried.append(now_s)
        return True

    async def _attempt(self, upstream: Upstream, call: Call, send: Send, record: Record, deadline_s: float) -> None:
        target, limits = upstream.target, upstream.provider.limits
        sent_s = time.monotonic()
        if record.overhead_s is None:
            record.overhead_s = sent_s - record.begun_s
        target.sent(sent_s)
        first_s = min(limits.first_token_timeout_s, limits.total_timeout_s, deadline_s - sent_s)
        answer = _Answer(self, upstream, call, send, record, min(deadline_s, sent_s + limits.total_timeout_s))
        try:
            async with asyncio.timeout(first_s) as clock:
                await answer.pass_on(clock, sent_s)
        except (TimeoutError, aiohttp.ClientError, OSError, UpstreamError) as error:
            failure = _failure(error)
            target.failed(time.monotonic(), stream=call.ask.stream, reason=failure.reason)
            if failure.wait_s:
                target.breaker.open_for(failure.wait_s, time.monotonic(), failure.reason)
            if not record.committed:
                raise failure from None
            record.outcome = failure.reason
            await send({"type": "http.response.body", "body": broken(f"{target.name}: {failure.reason}")})
        finally:
            target.returned()


class _Answer:
    """One provider's answer on its way to the client."""

    def __init__(
        self, relay: Relay, upstream: Upstream, call: Call, send: Send, record: Record, until_s: float
    ) -> None:
        self._relay, self._upstream, self._call = relay, upstream, call
        self._send, self._record, self._until_s = send, record, until_s

    async def pass_on(self, clock: asyncio.Timeout, sent_s: float) -> None:
        provider, call, relay = self._upstream.provider, self._call, self._relay
        assert relay.session is not None
        response = await relay.session.post(
            self._upstream.url,
            data=call.bytes_for(provider, relay._most_tokens),  # noqa: SLF001 - the other half of this file
            headers=self._upstream.headers(call),
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=provider.limits.connect_timeout_s),
        )
        try:
            if response.status != 200:
                await self._refused(response)
            elif call.ask.stream and "json" not in response.headers.get("content-type", ""):
                await self._stream(response, clock, sent_s)
            else:
                await self._whole(response, clock, sent_s)
        finally:
            response.close()  # what was read to its end is in the pool again; anything else must not go on

    async def _refused(self, response: aiohttp.ClientResponse) -> None:
        """The caller's own mistake is passed back; whatever is the provider's or ours is a failure."""
        status = response.status
        if status in _KEY_REFUSED:
            raise UpstreamError("auth", 502, _KEY_REFUSED_S)
        if status in _OURS_TO_RETRY or status < 400:
            wait_s = retry_after_s({name.lower(): value for name, value in response.headers.items()})
            raise UpstreamError(f"http_{status}", 429 if status == 429 else 502, wait_s)
        body = await response.content.read(_ERROR_BYTES)
        secrets = [secret.reveal().encode() for secret in self._upstream.provider.secrets]
        for secret in filter(None, secrets):
            body = body.replace(secret, b"***")
        self._record.outcome = f"http_{status}"
        await self._whole_body(response, body)

    async def _whole(self, response: aiohttp.ClientResponse, clock: asyncio.Timeout, sent_s: float) -> None:
        limit_s = self._until_s - sent_s
        clock.reschedule(asyncio.get_running_loop().time() + limit_s)
        parts, size = [], 0
        async for data in response.content.iter_any():
            parts.append(data)
            size += len(data)
            if size > ANSWER_BYTES:
                raise UpstreamError("too_large")
        body, seen = b"".join(parts), Seen()
        read(body, seen)
        if seen.failure or not seen.ended:
            raise UpstreamError(seen.failure or "empty")
        self._note(seen)
        self._record.outcome = "ok"
        self._upstream.target.succeeded(time.monotonic(), stream=False, wait_s=time.monotonic() - sent_s)
        await self._whole_body(response, body)

    async def _whole_body(self, response: aiohttp.ClientResponse, body: bytes) -> None:
        await self._start(response, [(b"content-length", b"%d" % len(body))])
        await self._send({"type": "http.response.body", "body": body})

    async def _stream(self, response: aiohttp.ClientResponse, clock: asyncio.Timeout, sent_s: float) -> None:
        events, held, last, record = RawEvents(), b"", Seen(), self._record
        loop, idle_s = asyncio.get_running_loop(), self._upstream.provider.limits.idle_timeout_s
        async for data in response.content.iter_any():
            out, output = self._sort(events.feed(data), last)
            held += out
            if not record.committed and (output or last.ended or len(held) > HELD_BYTES):
                record.first_s = time.monotonic() - sent_s
                await self._start(response, [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")])
            if record.committed and held:
                await self._send({"type": "http.response.body", "body": held, "more_body": True})
                held = b""
            if last.failure:
                raise UpstreamError(last.failure)
            if record.committed:
                left_s = self._until_s - time.monotonic()
                clock.reschedule(loop.time() + min(idle_s, left_s))
        if not last.ended or events.rest.strip():
            raise UpstreamError("truncated" if record.committed or last.chars else "empty")
        await self._send({"type": "http.response.body", "body": events.rest})
        record.outcome = "ok"
        self._learn(sent_s)

    def _sort(self, raw_events: list[bytes], last: Seen) -> tuple[bytes, bool]:
        """(the bytes to pass on, whether there was output); a failure stops at the event before it."""
        out, output = [], False
        for raw in raw_events:
            seen = look(raw)
            self._note(seen)
            last.ended = last.ended or seen.ended
            if seen.failure:
                last.failure = seen.failure
                break
            if seen.only_usage and not self._call.wants_usage:
                continue
            output = output or seen.chars > 0
            out.append(raw)
        return b"".join(out), output

    def _note(self, seen: Seen) -> None:
        self._record.chars += seen.chars
        self._record.usage = seen.usage or self._record.usage

    def _learn(self, sent_s: float) -> None:
        record, now_s = self._record, time.monotonic()
        assert record.first_s is not None
        later = record.output_tokens - 1
        per_token = (now_s - sent_s - record.first_s) / later if later > 0 else None
        target = self._upstream.target
        target.succeeded(now_s, stream=True, wait_s=record.first_s, s_per_token=per_token)

    async def _start(self, response: aiohttp.ClientResponse, more: list[tuple[bytes, bytes]]) -> None:
        self._record.committed, self._record.status = True, response.status
        passed = [
            (name.lower().encode(), value.encode("latin-1"))
            for name, value in response.headers.items()
            if name.lower() in _PASSED_BACK or name.lower().startswith("x-ratelimit-")
        ]
        headers = [*passed, *self._relay.explain(self._upstream, self._call, self._record), *more]
        await self._send({"type": "http.response.start", "status": response.status, "headers": headers})


def _failure(error: BaseException) -> UpstreamError:
    if isinstance(error, UpstreamError):
        return error
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return UpstreamError("timeout_connect", 504)
    if isinstance(error, TimeoutError):
        return UpstreamError("timeout", 504)
    return UpstreamError("connection")


def _last_word(provider: str, error: UpstreamError) -> Refusal:
    kind = "rate_limited" if error.status == 429 else "upstream_error"
    return Refusal(error.status, f"no provider answered; the last, {provider}: {error.reason}", kind, error.wait_s or 0)


def _least_bad(targets: list[Target], now_s: float) -> Target:
    """All are open: the one that is due soonest, if that is soon; else say when to come back."""
    soonest = min(targets, key=lambda target: target.breaker.open_until_s)
    wait_s = soonest.breaker.open_until_s - now_s
    if wait_s <= _SOON_S:
        return soonest
    reason = soonest.breaker.reason
    raise Refusal(503, f"every provider is kept away; {soonest.name} ({reason}) returns first", "no_provider", wait_s)

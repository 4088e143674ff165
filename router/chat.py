"""Chat is the hot route as a raw ASGI application: authorize, read, admit, relay, and log one line without a prompt."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from dataclasses import dataclass, field

from starlette.types import Receive, Scope, Send

from router.call import Call, Refusal, read_call
from router.keys import Account, holder
from router.relay import Record, Relay
from router.settings import Settings
from router.stream import broken

_log = logging.getLogger("nephoscope.router")


@dataclass(slots=True)
class Chat:
    settings: Settings
    relay: Relay
    accounts: list[Account]  # one per key, or one for all where there are none
    everyone: Account
    running: set[asyncio.Task[None]] = field(default_factory=set)
    draining: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        record = Record(begun_s=time.monotonic())
        task, watch = asyncio.current_task(), None
        assert task is not None
        self.running.add(task)
        gone = asyncio.Event()
        try:
            headers = dict(scope["headers"])
            account = self._account(headers)
            call = read_call(await self._body(headers, receive), headers, self.settings.max_tokens)
            watch = asyncio.create_task(_watch(receive, task, gone))
            await self._admitted(account, call, send, record)
        except Refusal as refusal:
            record.outcome, record.status = refusal.kind, refusal.status
            await refuse(send, refusal)
        except asyncio.CancelledError:
            if not gone.is_set():  # we are stopping: what has begun ends in a word
                if record.committed:
                    await send({"type": "http.response.body", "body": broken("the router is stopping")})
                raise
            task.uncancel()
            record.outcome = "client_cancelled"
        finally:
            self.running.discard(task)
            if watch:
                watch.cancel()
            self._count(record)

    async def _admitted(self, account: Account, call: Call, send: Send, record: Record) -> None:
        """Reserve what the call may cost at most with the caller and with the whole; settle whatever happens."""
        candidates = self.relay.candidates(call)
        most_tokens = call.worst_output_tokens(self.settings.max_tokens)
        worst_usd = max(u.provider.price.worst_usd(2 * call.ask.input_tokens, most_tokens) for u in candidates)
        now_s = time.time()
        for holder_, wait_s in ((account, 1.0), (self.everyone, 60.0)):
            if reason := holder_.refusal(worst_usd, now_s):
                if holder_ is self.everyone and account is not self.everyone:
                    account.settle(worst_usd, 0.0)
                raise Refusal(429, reason, "quota", wait_s)
            if account is self.everyone:
                break
        try:
            await self.relay.perform(call, send, record)
        finally:
            usd = self._cost_usd(call, record)
            account.settle(worst_usd, usd)
            if account is not self.everyone:
                self.everyone.settle(worst_usd, usd)

    def _account(self, headers: dict[bytes, bytes]) -> Account:
        if self.draining:
            raise Refusal(503, "the router is stopping", "stopping", 5.0)
        if not self.settings.keys:
            return self.everyone
        index = holder(self.settings.keys, headers.get(b"authorization", b""))
        if index is None:
            raise Refusal(401, "a valid key is needed: authorization: Bearer ...", "invalid_api_key")
        return self.accounts[index]

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """At most ``body_bytes``, whether they were announced or not."""
        limit = self.settings.body_bytes
        announced = headers.get(b"content-length", b"0")
        body = bytearray()
        more = announced.isdigit() and int(announced) <= limit
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refusal(400, "the caller left before its request was read", "client_cancelled")
            body += message.get("body", b"")
            more = bool(message.get("more_body"))
            if len(body) > limit:
                more = False
        if len(body) > limit or (announced.isdigit() and int(announced) > limit):
            raise Refusal(413, f"the body is larger than {limit} bytes", "too_large")
        return bytes(body)

    def _cost_usd(self, call: Call, record: Record) -> float:
        """Billed usage where the provider reported it, else an estimate; nothing where no answer began."""
        if not record.provider or not (record.chars or record.usage):
            return 0.0
        price = next(u.provider.price for u in self.relay.upstreams if u.provider.name == record.provider)
        usage = record.usage
        billed = usage.input_tokens if usage else None
        input_tokens = call.ask.input_tokens if billed is None else billed
        metrics = self.relay.metrics
        metrics.tokens.labels(record.provider, "input").inc(input_tokens)
        metrics.tokens.labels(record.provider, "output").inc(record.output_tokens)
        cached = (usage.cached_tokens or 0) if usage else 0
        written = (usage.cache_write_tokens or 0) if usage else 0
        reasoning = (usage.reasoning_tokens or 0) if usage else 0
        usd = price.request_usd(input_tokens, record.output_tokens, cached, written, reasoning) or 0.0
        metrics.cost.labels(record.provider).inc(usd)
        return usd

    def _count(self, record: Record) -> None:
        metrics, lasted_s = self.relay.metrics, time.monotonic() - record.begun_s
        metrics.requests.labels(record.provider, record.outcome or "error").inc()
        if record.overhead_s is not None:
            metrics.overhead.observe(record.overhead_s)
        if record.outcome == "ok":
            metrics.total.labels(record.provider).observe(lasted_s)
            if record.first_s is not None:
                metrics.ttft.labels(record.provider).observe(record.first_s)
        if _log.isEnabledFor(logging.INFO):
            line = {
                "provider": record.provider, "outcome": record.outcome, "status": record.status,
                "attempts": record.attempts, "seconds": round(lasted_s, 6), "first_s": record.first_s,
                "output_tokens": record.output_tokens,
            }  # fmt: skip
            _log.info(json.dumps(line))


async def _watch(receive: Receive, task: asyncio.Task[None], gone: asyncio.Event) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()
        task.cancel()


async def refuse(send: Send, refusal: Refusal) -> None:
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    if refusal.wait_s > 0:
        headers.append((b"retry-after", b"%d" % max(1, round(refusal.wait_s))))
    if refusal.status == 413:
        headers.append((b"connection", b"close"))  # the rest of the body is never read
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": refusal.body()})

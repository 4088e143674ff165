"""Chat is the hot route as a raw ASGI application: authorize, read, admit, relay, and log one line without a prompt."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping

import orjson
from starlette.types import Receive, Scope, Send

from router.call import Call, Refusal, read_call
from router.keys import Account, holder
from router.relay import Record, Relay
from router.settings import Settings
from router.stream import broken

_log = logging.getLogger("nephoscope.router")


class Chat:
    def __init__(self, settings: Settings, relay: Relay) -> None:
        self.settings, self.relay = settings, relay
        self._accounts = [Account(f"key {number}", settings.key_quota) for number, _ in enumerate(settings.keys, 1)]
        self._anyone = Account("callers without a key", settings.key_quota)
        self._everyone = Account("all callers together", settings.quota)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        record, gone = Record(begun_s=time.monotonic()), asyncio.Event()
        watch: asyncio.Task[None] | None = None
        task = asyncio.current_task()
        assert task is not None
        try:
            headers = dict(scope["headers"])
            account = self._account(headers)
            call = read_call(await self._body(headers, receive), headers, self.settings.max_tokens)
            watch = asyncio.create_task(_watch(receive, task, gone))
            await self._admitted(account, call, send, record)
        except Refusal as refusal:
            record.outcome, record.status = refusal.kind, refusal.status
            await _refuse(send, refusal)
        except asyncio.CancelledError:
            if not gone.is_set():  # we are stopping: what has begun ends in a word
                if record.committed:
                    await send({"type": "http.response.body", "body": broken("the router is stopping")})
                raise
            task.uncancel()
            record.outcome = "client_cancelled"
        finally:
            if watch:
                watch.cancel()
            self._count(record)

    async def _admitted(self, account: Account, call: Call, send: Send, record: Record) -> None:
        """Reserve what the call may cost at most with the caller and with the whole; settle whatever happens."""
        most_tokens = call.worst_output_tokens(self.settings.max_tokens)
        prices = [upstream.provider.price for upstream in self.relay.candidates(call)]
        worst_usd = max(price.worst_usd(2 * call.ask.input_tokens, most_tokens) for price in prices)
        held: list[Account] = []
        try:
            for purse in (account, self._everyone):
                if reason := purse.refusal(worst_usd, time.time()):
                    raise Refusal(429, reason, "quota", 1.0)
                held.append(purse)
            await self.relay.perform(call, send, record)
        finally:
            usd = self.relay.bill(call, record)
            for purse in held:
                purse.settle(worst_usd, usd)

    def _account(self, headers: Mapping[bytes, bytes]) -> Account:
        if not self.settings.keys:
            return self._anyone
        index = holder(self.settings.keys, headers.get(b"authorization", b""))
        if index is None:
            raise Refusal(401, "a valid key is needed: authorization: Bearer ...", "invalid_api_key")
        return self._accounts[index]

    async def _body(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """At most ``body_bytes``, whether they were announced or not."""
        limit, announced = self.settings.body_bytes, headers.get(b"content-length", b"")
        size = int(announced) if announced.isdigit() else 0
        body, more = bytearray(), True
        while more and max(size, len(body)) <= limit:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refusal(400, "the caller left before its request was read", "client_cancelled")
            body += message.get("body", b"")
            more = bool(message.get("more_body"))
        if max(size, len(body)) > limit:
            raise Refusal(413, f"the body is larger than {limit} bytes", "too_large")
        return bytes(body)

    def _count(self, record: Record) -> None:
        self.relay.metrics.count(record)
        if _log.isEnabledFor(logging.INFO):
            _log.info(orjson.dumps(record.line()).decode())


async def _watch(receive: Receive, task: asyncio.Task[None], gone: asyncio.Event) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()
        task.cancel()


async def _refuse(send: Send, refusal: Refusal) -> None:
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    if refusal.wait_s > 0:
        headers.append((b"retry-after", b"%d" % max(1, round(refusal.wait_s))))
    if refusal.status == 413:
        headers.append((b"connection", b"close"))  # the rest of the body is never read
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": refusal.body()})

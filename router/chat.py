"""Chat is the hot route as a raw ASGI application: authorize, read, admit, relay, and log one line without a prompt."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping

import orjson
from starlette.types import Receive, Scope, Send

from router.call import read_call
from router.exchange import Exchange
from router.keys import Account, holder
from router.record import Record
from router.refusal import Refusal, broken
from router.relay import Relay
from router.settings import Settings

NO_KEY = Refusal(401, "a valid key is needed: authorization: Bearer ...", "invalid_api_key")
_BODY_S = 30.0
_log = logging.getLogger("nephoscope.router")


class Chat:
    def __init__(self, settings: Settings, relay: Relay) -> None:
        self.settings, self.relay = settings, relay
        names = [f"key {number}" for number, _ in enumerate(settings.keys, 1)] or ["callers without a key"]
        self._accounts = [Account(name, settings.key_quota) for name in names]
        self._everyone = Account("all callers together", settings.quota)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        record, task = Record(time.monotonic()), asyncio.current_task()
        assert task is not None
        watch = Watch(receive, task)
        self.relay.in_flight += 1
        try:
            await self._answer(dict(scope["headers"]), watch, send, record)
        except Refusal as refusal:
            record.outcome, record.status = refusal.kind, refusal.status
            await refusal.send(send, record.headers())
        except asyncio.CancelledError:
            if not watch.gone:  # we are stopping: what has begun ends in a word
                await self._stop(send, record)
                raise
            task.uncancel()
        finally:
            watch.end()
            self.relay.in_flight -= 1
            self.relay.metrics.count(record)
            if _log.isEnabledFor(logging.INFO):
                _log.info(orjson.dumps(record.line()).decode())

    async def _answer(self, headers: Mapping[bytes, bytes], watch: Watch, send: Send, record: Record) -> None:
        """Reserve what the call may cost at most with the caller and with the whole; settle whatever happens."""
        if self.relay.stopping:
            raise Refusal(503, "the router is stopping", "stopping", 1.0)
        account = self._account(headers)
        record.caller = account.name
        raw = await watch.body(headers, self.settings.body_bytes)
        call = read_call(raw, headers, self.settings.max_tokens, self.settings.body_keys)
        worst_usd, held = self.relay.worst_usd(call), []
        try:
            for purse in (account, self._everyone):
                if reason := purse.refusal(worst_usd, time.time()):
                    raise Refusal(429, reason, "quota", 1.0)
                held.append(purse)
            watch.begin()
            await Exchange(self.relay, call, send, record).perform()
        except asyncio.CancelledError:
            record.outcome = "client_cancelled"
            raise
        finally:
            usd = self.relay.bill(call, record)
            for purse in held:
                purse.settle(worst_usd, usd)

    def _account(self, headers: Mapping[bytes, bytes]) -> Account:
        if not self.settings.keys:
            return self._accounts[0]
        index = holder(self.settings.keys, headers.get(b"authorization", b""))
        if index is None:
            raise NO_KEY
        return self._accounts[index]

    async def _stop(self, send: Send, record: Record) -> None:
        if record.committed:
            await send({"type": "http.response.body", "body": broken("the router is stopping")})
        else:
            await Refusal(503, "the router is stopping", "stopping", 1.0).send(send, record.headers())


class Watch:
    """The caller's side of a request: its body, and then whether it is still there."""

    def __init__(self, receive: Receive, task: asyncio.Task[None]) -> None:
        self.gone = False
        self._receive, self._task = receive, task
        self._watch: asyncio.Task[None] | None = None

    async def body(self, headers: Mapping[bytes, bytes], limit: int) -> bytes:
        """At most ``limit`` bytes, whether they were announced or not, and not for ever."""
        announced = headers.get(b"content-length", b"")
        size, body, more = int(announced) if announced.isdigit() else 0, bytearray(), True
        try:
            async with asyncio.timeout(_BODY_S):
                while more and max(size, len(body)) <= limit:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        raise Refusal(400, "the caller left before its request was read", "client_cancelled")
                    body += message.get("body", b"")
                    more = bool(message.get("more_body"))
        except TimeoutError:
            raise Refusal(408, f"the body took longer than {_BODY_S:g} s", "timeout") from None
        if max(size, len(body)) > limit:
            raise Refusal(413, f"the body is larger than {limit} bytes", "too_large")
        return bytes(body)

    def begin(self) -> None:
        self._watch = asyncio.create_task(self._until_gone())

    def end(self) -> None:
        if self._watch:
            self._watch.cancel()

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        self._task.cancel()

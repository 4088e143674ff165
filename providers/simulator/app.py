"""The Simulator is the ASGI application: it finds the mock and its route, and logs every request exactly once.

It answers every format of ``routes`` below ``/{provider}/``, ``/{provider}/v1/models`` and ``/healthz``.
"""

from __future__ import annotations

import asyncio
import hmac
import uuid
from collections.abc import Iterable

from starlette.types import Receive, Scope, Send

from providers.dialects.failures import kind_of_status
from providers.simulator.ask import parse
from providers.simulator.exchange import Exchange
from providers.simulator.frames.base import Call, Format
from providers.simulator.frames.openai import OpenAI
from providers.simulator.provider import MockProvider
from providers.simulator.refusal import Headers, Refusal, send_json
from providers.simulator.routes import Route, find_route
from providers.simulator.truth import Truth, TruthLog

BODY_LIMIT = 8 * 1024 * 1024
_ID_LIMIT = 128
_KEYED = (b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key")  # where official clients put it


class Simulator:
    """``key``, where given, is the token every request but ``/healthz`` must carry."""

    def __init__(self, providers: Iterable[MockProvider], log: TruthLog, key: str = "") -> None:
        self._providers = {provider.name: provider for provider in providers}
        self._log = log
        self._key = key.encode()
        self._running: set[asyncio.Task[None]] = set()
        self._closing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name, _, rest = scope["path"][1:].partition("/")
        provider = self._providers.get(name)
        route = find_route(rest) if provider is not None else None
        if provider is not None and route is not None and scope["method"] == "POST":
            await self._serve(provider, route, scope, receive, send)
            return
        try:
            await send_json(send, 200, self._page(scope, provider, rest, route), [])
        except Refusal as refusal:
            await _refuse(send, OpenAI() if route is None else route.format, refusal, "", [])

    def close(self) -> None:
        """Ends what is running; each request logs itself."""
        self._closing = True
        for task in self._running:
            task.cancel()

    def _page(self, scope: Scope, provider: MockProvider | None, rest: str, route: Route | None) -> dict[str, object]:
        known = scope["path"] == "/healthz" or (provider is not None and (rest == "v1/models" or route is not None))
        if not known:
            raise Refusal(404, f"Unknown path {scope['path']}; known providers: {', '.join(self._providers)}.")
        if scope["method"] != "GET" or route is not None:
            raise Refusal(405, f"Not allowed to {scope['method']} {scope['path']}.")
        if provider is None:
            return {"status": "ok"}
        self._authorize(dict(scope["headers"]))
        model = {"id": provider.model, "object": "model", "created": 0, "owned_by": "nephoscope"}
        return {"object": "list", "data": [model]}

    def _authorize(self, headers: dict[bytes, bytes]) -> None:
        if self._closing:
            raise Refusal(503, "The simulator is stopping.", "service_unavailable")
        told = [headers.get(name, b"").removeprefix(b"Bearer ") for name in _KEYED] if self._key else []
        if self._key and not any(hmac.compare_digest(token, self._key) for token in told):
            raise Refusal(401, "Incorrect API key provided.", "invalid_api_key")

    async def _serve(self, provider: MockProvider, route: Route, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        request_id = headers.get(b"x-request-id", b"").decode("latin-1")[:_ID_LIMIT] or uuid.uuid4().hex
        truth = Truth(request_id, provider.name)
        echo = [(b"x-request-id", request_id.encode("latin-1"))]
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            self._authorize(headers)
            call = Call(parse(await _body(receive)), headers, scope["query_string"], route.model, route.action)
            await _answer(provider, route.format, call, truth, receive, send, echo)
        except Refusal as refusal:
            echo += route.format.headers(request_id, provider.quota)
            truth.headers_s = truth.elapsed_s()
            truth.status = await _refuse(send, route.format, refusal, request_id, echo)
            truth.error = kind_of_status(truth.status)
        except asyncio.CancelledError:  # the client left, or we are closing: it ends here, in the log
            truth.error = truth.error or self._departure(truth)
        finally:
            self._running.discard(task)
            truth.end_s = truth.elapsed_s() if truth.end_s is None else truth.end_s
            self._log.write(truth)

    def _departure(self, truth: Truth) -> str:
        """What a correct client reports of a healthy stream that ended early."""
        if not self._closing:
            return "cut_off"  # it went away itself
        return "truncated" if truth.status else "connection"


async def _answer(
    provider: MockProvider, wire: Format, call: Call, truth: Truth, receive: Receive, send: Send, echo: Headers
) -> None:
    ask = wire.ask(call)
    truth.input_tokens = ask.input_tokens
    plan = provider.admit(ask.max_tokens)
    task = asyncio.current_task()
    assert task is not None
    watch = asyncio.create_task(_cancel_on_departure(receive, task))
    provider.enter()
    try:
        exchange = Exchange(provider, wire, plan, ask, truth)
        await exchange.run(send, [*echo, *wire.headers(truth.request_id, provider.quota)])
    finally:
        provider.leave()
        watch.cancel()


async def _refuse(send: Send, wire: Format | OpenAI, refusal: Refusal, request_id: str, headers: Headers) -> int:
    status, theirs, document = wire.refused(refusal, request_id)
    close = [(b"connection", b"close")] if refusal.closes else []
    await send_json(send, status, document, [*headers, *theirs, *close])
    return status


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise asyncio.CancelledError
        body += message.get("body", b"")
        if len(body) > BODY_LIMIT:  # the rest of it is never read
            raise Refusal(413, f"The body is larger than {BODY_LIMIT} bytes.", "request_too_large", closes=True)
        if not message.get("more_body"):
            return bytes(body)


async def _cancel_on_departure(receive: Receive, task: asyncio.Task[None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    task.cancel()

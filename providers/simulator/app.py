"""The Simulator is the ASGI application: it finds the mock, reads the request, and logs every one exactly once.

It answers ``/{provider}/v1/chat/completions``, ``/{provider}/v1/models`` and ``/healthz``.
"""

from __future__ import annotations

import asyncio
import hmac
import uuid
from collections.abc import Iterable

from starlette.types import Receive, Scope, Send

from providers.dialects.failures import kind_of_status
from providers.simulator.ask import read_ask
from providers.simulator.exchange import Exchange
from providers.simulator.provider import MockProvider
from providers.simulator.refusal import Headers, Refusal, send_json
from providers.simulator.truth import Truth, TruthLog

BODY_LIMIT = 8 * 1024 * 1024
_ID_LIMIT = 128


class Simulator:
    """``key``, where given, is the bearer token every request but ``/healthz`` must carry."""

    def __init__(self, providers: Iterable[MockProvider], log: TruthLog, key: str = "") -> None:
        self._providers = {provider.name: provider for provider in providers}
        self._log = log
        self._expected = f"Bearer {key}".encode() if key else b""
        self._running: set[asyncio.Task[None]] = set()
        self._closing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name, _, rest = scope["path"][1:].partition("/")
        provider = self._providers.get(name)
        if provider is not None and rest == "v1/chat/completions" and scope["method"] == "POST":
            await self._chat(provider, dict(scope["headers"]), receive, send)
            return
        try:
            await send_json(send, 200, self._page(scope, provider, rest), [])
        except Refusal as refusal:
            await refusal.send(send, [])

    def close(self) -> None:
        """Ends what is running; each request logs itself."""
        self._closing = True
        for task in self._running:
            task.cancel()

    def _page(self, scope: Scope, provider: MockProvider | None, rest: str) -> dict[str, object]:
        known = scope["path"] == "/healthz" or (provider is not None and rest in ("v1/models", "v1/chat/completions"))
        if not known:
            raise Refusal(404, f"Unknown path {scope['path']}; known providers: {', '.join(self._providers)}.")
        if scope["method"] != "GET" or rest == "v1/chat/completions":
            raise Refusal(405, f"Not allowed to {scope['method']} {scope['path']}.")
        if provider is None:
            return {"status": "ok"}
        self._authorize(dict(scope["headers"]))
        model = {"id": provider.model, "object": "model", "created": 0, "owned_by": "nephoscope"}
        return {"object": "list", "data": [model]}

    def _authorize(self, headers: dict[bytes, bytes]) -> None:
        if self._closing:
            raise Refusal(503, "The simulator is stopping.", "service_unavailable")
        if self._expected and not hmac.compare_digest(headers.get(b"authorization", b""), self._expected):
            raise Refusal(401, "Incorrect API key provided.", "invalid_api_key")

    async def _chat(self, provider: MockProvider, headers: dict[bytes, bytes], receive: Receive, send: Send) -> None:
        request_id = headers.get(b"x-request-id", b"").decode("latin-1")[:_ID_LIMIT] or uuid.uuid4().hex
        truth = Truth(request_id, provider.name)
        echo = [(b"x-request-id", request_id.encode("latin-1"))]
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            self._authorize(headers)
            await _answer(provider, truth, receive, send, echo)
        except Refusal as refusal:
            truth.status, truth.error = refusal.status, kind_of_status(refusal.status)
            truth.headers_s = truth.elapsed_s()
            await refusal.send(send, [*echo, *provider.headers()])
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


async def _answer(provider: MockProvider, truth: Truth, receive: Receive, send: Send, echo: Headers) -> None:
    ask = read_ask(await _body(receive))
    truth.input_tokens = ask.input_tokens
    plan = provider.admit(ask.max_tokens)
    task = asyncio.current_task()
    assert task is not None
    watch = asyncio.create_task(_cancel_on_departure(receive, task))
    provider.enter()
    try:
        await Exchange(provider, plan, ask, truth).run(send, [*echo, *provider.headers()])
    finally:
        provider.leave()
        watch.cancel()


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise asyncio.CancelledError
        body += message.get("body", b"")
        if len(body) > BODY_LIMIT:
            close = [(b"connection", b"close")]  # the rest of it is never read
            raise Refusal(413, f"The body is larger than {BODY_LIMIT} bytes.", "request_too_large", close)
        if not message.get("more_body"):
            return bytes(body)


async def _cancel_on_departure(receive: Receive, task: asyncio.Task[None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    task.cancel()

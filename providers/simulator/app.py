"""The Simulator is the ASGI application: it finds the mock, reads the request, and logs every one exactly once.

It answers ``/{provider}/v1/chat/completions``, ``/{provider}/v1/models`` and ``/healthz``.
"""

from __future__ import annotations

import asyncio
import hmac
import time
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
            await self._chat(provider, scope, receive, send)
            return
        try:
            document = self._page(scope, provider, rest)
            await send_json(send, 200, document, [])
        except Refusal as refusal:
            await send_json(send, refusal.status, refusal.document(), refusal.headers)

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
        if self._expected and not hmac.compare_digest(headers.get(b"authorization", b""), self._expected):
            raise Refusal(401, "Incorrect API key provided.", "invalid_api_key")

    async def _chat(self, provider: MockProvider, scope: Scope, receive: Receive, send: Send) -> None:
        arrived, arrived_at = asyncio.get_running_loop().time(), time.time()
        headers = dict(scope["headers"])
        request_id = headers.get(b"x-request-id", b"").decode("latin-1")[:_ID_LIMIT] or uuid.uuid4().hex
        truth = Truth(request_id, provider.name, arrived_at)
        echo = [(b"x-request-id", request_id.encode("latin-1"))]
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            self._authorize(headers)
            await self._answer(provider, receive, send, truth, arrived, echo)
        except Refusal as refusal:
            truth.status, truth.error = refusal.status, kind_of_status(refusal.status)
            truth.headers_s = asyncio.get_running_loop().time() - arrived
            answer_headers = [*echo, *provider.headers(), *refusal.headers]
            await send_json(send, refusal.status, refusal.document(), answer_headers)
        except asyncio.CancelledError:  # the client left, or we are closing; both are told by the log, not by raising
            truth.error = truth.error or self._departure(truth)
        finally:
            self._running.discard(task)
            if truth.end_s is None:
                truth.end_s = asyncio.get_running_loop().time() - arrived
            self._log.write(truth)

    async def _answer(
        self, provider: MockProvider, receive: Receive, send: Send, truth: Truth, arrived: float, echo: Headers
    ) -> None:
        if self._closing:
            raise Refusal(503, "The simulator is stopping.", "service_unavailable")
        ask = read_ask(await _body(receive))
        truth.input_tokens = ask.input_tokens
        plan = provider.admit(ask.max_tokens)
        task = asyncio.current_task()
        assert task is not None
        watch = asyncio.create_task(_cancel_on_departure(receive, task))
        provider.enter()
        try:
            await Exchange(provider, plan, ask, truth, arrived).run(send, [*echo, *provider.headers()])
        finally:
            provider.leave()
            watch.cancel()

    def _departure(self, truth: Truth) -> str:
        """What a correct client reports of a healthy stream that ended early."""
        if not self._closing:
            return "cut_off"  # it went away itself
        return "truncated" if truth.status else "connection"


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise asyncio.CancelledError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > BODY_LIMIT:
            raise Refusal(
                413, f"The body is larger than {BODY_LIMIT} bytes.", "request_too_large", [(b"connection", b"close")]
            )
        if not message.get("more_body"):
            return b"".join(parts)


async def _cancel_on_departure(receive: Receive, task: asyncio.Task[None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    task.cancel()

"""The application: routes, security headers, and what runs beside them (simulator, scorecard reload, loop lag)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from prometheus_client import generate_latest
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.routing import Route

from providers.simulator.child import at_simulator, simulator
from providers.spec import Provider
from router.answer import Upstream
from router.call import Refusal
from router.chat import Chat
from router.keys import holder
from router.metrics import Metrics
from router.policy import Target, Weights
from router.prior import Scorecard
from router.relay import Relay
from router.settings import Settings
from router.status import page, status

_RELOAD_S = 5.0
_MARGIN_S = 5.0  # the router ends a stream in words before the platform cuts it without any
_PROBE_S = 0.5
_SECURITY = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}


def create_app(settings: Settings) -> FastAPI:
    scorecard = Scorecard(settings.scorecard) if settings.scorecard else None
    relay = Relay(
        [Upstream(provider, _target(provider)) for provider in settings.roster.providers], Weights(), Metrics(),
        strategy=settings.strategy, allow_fixed=settings.allow_fixed,
        limit_s=settings.platform_timeout_s - _MARGIN_S, most_tokens=settings.max_tokens,
    )  # fmt: skip
    chat = Chat(settings, relay)
    believe(relay, scorecard)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            _start_mocks(stack, settings, relay)
            relay.session = await stack.enter_async_context(
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=0), auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
                )
            )
            tasks = [asyncio.create_task(_reload(relay, scorecard)), asyncio.create_task(_probe(relay.metrics))]
            yield
            for task in tasks:
                task.cancel()

    app = FastAPI(title="Nephoscope router", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.chat = chat
    app.router.routes.append(Route("/v1/chat/completions", chat, methods=["POST"]))
    _add_pages(app, chat, scorecard)
    if settings.allowed_hosts:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=settings.allowed_hosts)
    return app


def believe(relay: Relay, scorecard: Scorecard | None) -> None:
    """Put the scorecard's word, aged as it is, into the choice; live evidence stays."""
    if scorecard is None:
        return
    scorecard.changed()
    relay.weights = scorecard.weights() or relay.weights
    for upstream in relay.upstreams:
        upstream.target.prior = scorecard.prior(upstream.target.name)


def _target(provider: Provider) -> Target:
    price, free = provider.price, provider.limits.max_concurrency or 8
    usd = (None if per_1m is None else per_1m / 1e6 for per_1m in (price.input_per_1m, price.output_per_1m))
    return Target(provider.name, next(usd), next(usd), weight=provider.weight, free=free, slope=2 * free)


def _start_mocks(stack: contextlib.AsyncExitStack, settings: Settings, relay: Relay) -> None:
    """Mock providers are played by the simulator of this container: a fair target with no model behind it."""
    if all(upstream.provider.type != "mock" for upstream in relay.upstreams):
        return
    address = stack.enter_context(simulator(settings.roster.path))
    for place, upstream in enumerate(relay.upstreams):
        if upstream.provider.type == "mock":
            relay.upstreams[place] = Upstream(at_simulator(upstream.provider, address), upstream.target)


def _add_pages(app: FastAPI, chat: Chat, scorecard: Scorecard | None) -> None:
    """``/healthz`` and ``/readyz`` are open to everyone, the rest to whoever has a key where there are keys."""
    relay, settings = chat.relay, chat.settings

    def add(path: str, keys: tuple[str, ...], answer: Callable[[], Response]) -> None:
        async def endpoint(request: Request) -> Response:
            if keys and holder(keys, request.headers.get("authorization", "").encode("latin-1")) is None:
                refusal = Refusal(401, "a valid key is needed: authorization: Bearer ...", "invalid_api_key")
                response = Response(refusal.body(), refusal.status, media_type="application/json")
            else:
                response = answer()
            response.headers.update(_SECURITY)
            return response

        app.add_api_route(path, endpoint, response_model=None)

    add("/healthz", (), lambda: PlainTextResponse("ok"))
    add("/readyz", (), lambda: _readiness(relay))
    add("/v1/models", settings.keys, lambda: JSONResponse(_models(relay)))
    add("/metrics", settings.observe_keys, lambda: Response(_gauged(relay, scorecard), media_type="text/plain"))
    add("/status.json", settings.observe_keys, lambda: JSONResponse(status(relay, scorecard)))
    add("/status", settings.observe_keys, lambda: HTMLResponse(page(status(relay, scorecard))))


def _readiness(relay: Relay) -> Response:
    now_s = time.monotonic()
    ready = any(upstream.target.breaker.admits(now_s) for upstream in relay.upstreams) and not relay.stopping
    return PlainTextResponse("ready" if ready else "not ready", 200 if ready else 503)


def _models(relay: Relay) -> dict[str, Any]:
    names = {name for u in relay.upstreams for name in (u.provider.model, u.provider.capability) if name} | {"auto"}
    data = [{"id": name, "object": "model", "created": 0, "owned_by": "router"} for name in sorted(names)]
    return {"object": "list", "data": data}


def _gauged(relay: Relay, scorecard: Scorecard | None) -> bytes:
    """What changes by itself is read when it is asked for."""
    metrics = relay.metrics
    for row in status(relay, scorecard)["providers"]:
        metrics.in_flight.labels(row["name"]).set(row["in_flight"])
        metrics.breaker.labels(row["name"]).set(row["breaker"] == "open")
        for term in ("j", "seconds", "usd", "success", "crowding"):
            metrics.choice.labels(row["name"], term).set(float("nan") if row[term] is None else row[term])
    if scorecard is not None:
        metrics.age.set(scorecard.age_s)
        metrics.refusals.set(scorecard.refusals)
    return generate_latest(metrics.registry)


async def _reload(relay: Relay, scorecard: Scorecard | None) -> None:
    while scorecard is not None:
        await asyncio.sleep(_RELOAD_S)
        await asyncio.to_thread(believe, relay, scorecard)


async def _probe(metrics: Metrics) -> None:
    while True:
        before = time.monotonic()
        await asyncio.sleep(_PROBE_S)
        metrics.loop_lag.set(max(0.0, time.monotonic() - before - _PROBE_S))

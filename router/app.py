"""The application: routes, security headers, and what runs beside them (simulator, scorecard reload, loop lag)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
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
from router.call import Refusal
from router.chat import Chat
from router.keys import Account, Quota, holder
from router.metrics import Metrics
from router.policy import Target, Weights
from router.prior import Scorecard
from router.relay import Relay, Upstream
from router.settings import Settings, check
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
    """ConfigError when the settings must not be served."""
    check(settings)
    scorecard = Scorecard(settings.scorecard) if settings.scorecard else None
    relay = Relay(
        [Upstream(provider, _target(provider)) for provider in settings.roster.providers], Weights(), Metrics(),
        strategy=settings.strategy, allow_fixed=settings.allow_fixed,
        limit_s=settings.platform_timeout_s - _MARGIN_S, most_tokens=settings.max_tokens,
    )  # fmt: skip
    accounts = [Account(f"key {number}", settings.key_quota) for number in range(1, len(settings.keys) + 1)]
    everyone = Account("the router", Quota(usd_per_day=settings.usd_per_day))
    chat = Chat(settings, relay, accounts, everyone)
    believe(relay, scorecard)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            _start_mocks(stack, settings, relay)
            connector = aiohttp.TCPConnector(limit=0)
            relay.session = await stack.enter_async_context(
                aiohttp.ClientSession(connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar())
            )
            tasks = [asyncio.create_task(_reload(relay, scorecard)), asyncio.create_task(_probe(relay.metrics))]
            yield
            chat.draining = True
            for task in tasks:
                task.cancel()

    app = FastAPI(title="Nephoscope router", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.chat = chat
    app.router.routes.append(Route("/v1/chat/completions", chat, methods=["POST"]))
    _add_pages(app, chat, scorecard)
    if settings.allowed_hosts:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(settings.allowed_hosts))
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
    return Target(
        provider.name,
        None if price.input_per_1m is None else price.input_per_1m / 1e6,
        None if price.output_per_1m is None else price.output_per_1m / 1e6,
        weight=provider.weight,
        free=free,
        slope=2 * free,
    )


def _start_mocks(stack: contextlib.AsyncExitStack, settings: Settings, relay: Relay) -> None:
    """Mock providers are played by the simulator of this container: a fair target with no model behind it."""
    if any(upstream.provider.type == "mock" for upstream in relay.upstreams):
        address = stack.enter_context(simulator(settings.roster.path))
        relay.upstreams = [
            Upstream(at_simulator(u.provider, address), u.target) if u.provider.type == "mock" else u
            for u in relay.upstreams
        ]


def _add_pages(app: FastAPI, chat: Chat, scorecard: Scorecard | None) -> None:
    relay, settings = chat.relay, chat.settings

    def observed(request: Request) -> None:
        """``/healthz`` and ``/readyz`` alone are open to everyone, where there are keys."""
        known = settings.observe_keys or settings.keys
        if known and holder(known, request.headers.get("authorization", "").encode("latin-1")) is None:
            raise Refusal(401, "an observer's key is needed: authorization: Bearer ...", "invalid_api_key")

    async def refused(_: Request, refusal: Any) -> Response:
        return Response(refusal.body(), refusal.status, _SECURITY, "application/json")

    app.add_exception_handler(Refusal, refused)

    @app.get("/healthz")
    async def healthz() -> PlainTextResponse:
        return PlainTextResponse("ok", headers=_SECURITY)

    @app.get("/readyz")
    async def readyz() -> PlainTextResponse:
        now_s = time.monotonic()
        usable = [u for u in relay.upstreams if u.target.breaker.admits(now_s)]
        ready = bool(usable) and not chat.draining
        return PlainTextResponse("ready" if ready else "not ready", 200 if ready else 503, _SECURITY)

    @app.get("/v1/models")
    async def models(request: Request) -> JSONResponse:
        if settings.keys and holder(settings.keys, request.headers.get("authorization", "").encode("latin-1")) is None:
            raise Refusal(401, "a valid key is needed: authorization: Bearer ...", "invalid_api_key")
        names = {name for u in relay.upstreams for name in (u.provider.model, u.provider.capability) if name} | {"auto"}
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "router"} for name in sorted(names)]
        return JSONResponse({"object": "list", "data": data}, headers=_SECURITY)

    @app.get("/metrics")
    async def metrics(request: Request) -> Response:
        observed(request)
        _gauge(relay, scorecard)
        return Response(generate_latest(relay.metrics.registry), headers=_SECURITY, media_type="text/plain")

    @app.get("/status.json")
    async def status_json(request: Request) -> JSONResponse:
        observed(request)
        return JSONResponse(status(relay, scorecard, settings.strategy), headers=_SECURITY)

    @app.get("/status")
    async def status_page(request: Request) -> HTMLResponse:
        observed(request)
        return HTMLResponse(page(status(relay, scorecard, settings.strategy)), headers=_SECURITY)


def _gauge(relay: Relay, scorecard: Scorecard | None) -> None:
    """What changes by itself is read when it is asked for."""
    metrics, found = relay.metrics, status(relay, scorecard, "")
    for row in found["providers"]:
        metrics.in_flight.labels(row["provider"]).set(row["in_flight"])
        metrics.breaker.labels(row["provider"]).set(row["breaker"] == "open")
        for term in ("j", "seconds", "usd", "success", "crowding"):
            if row[term] is not None:
                metrics.choice.labels(row["provider"], term).set(row[term])
    if scorecard is not None:
        metrics.age.set(scorecard.age_s)
        metrics.refusals.set(scorecard.refusals)


async def _reload(relay: Relay, scorecard: Scorecard | None) -> None:
    while scorecard is not None:
        await asyncio.sleep(_RELOAD_S)
        await asyncio.to_thread(believe, relay, scorecard)


async def _probe(metrics: Metrics) -> None:
    while True:
        before = time.monotonic()
        await asyncio.sleep(_PROBE_S)
        metrics.loop_lag.set(max(0.0, time.monotonic() - before - _PROBE_S))

"""The application: routes, security headers, and what runs beside them (simulator, credentials, scorecard)."""

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

from providers.auth import credential_for, obtain
from providers.simulator.child import at_simulator, simulator
from providers.spec import Provider
from router.chat import NO_KEY, Chat
from router.keys import holder
from router.prior import Scorecard
from router.relay import Relay
from router.settings import Settings
from router.status import page, status
from router.target import Target
from router.upstream import Upstream

_RELOAD_S, _PROBE_S = 5.0, 0.5
_MARGIN_S = 5.0  # the router ends a stream in words before the platform cuts it without any
_SECURITY = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}


def create_app(settings: Settings) -> FastAPI:
    """ConfigError when a credential cannot be obtained; this may block for seconds."""
    relay = Relay(
        {provider.name: _upstream(settings, provider) for provider in settings.roster.providers},
        Scorecard(settings.scorecard) if settings.scorecard else None,
        settings.strategy, settings.allow_fixed, settings.platform_timeout_s - _MARGIN_S,
    )  # fmt: skip
    relay.believe()
    lifespan = _lifespan(settings, relay)
    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.relay = relay
    app.router.routes.append(Route("/v1/chat/completions", Chat(settings, relay), methods=["POST"]))
    _add_pages(app, settings, relay)
    if settings.allowed_hosts:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(settings.allowed_hosts), www_redirect=False)
    return app


def _upstream(settings: Settings, provider: Provider) -> Upstream:
    credential, scrubber = credential_for(provider), settings.roster.scrubber()
    obtain(provider, credential)
    scrubber.learn(credential.secrets)
    price, free = provider.price, provider.limits.max_concurrency or 8
    target = Target(
        provider.name,
        None if price.input_per_1m is None else price.input_per_1m / 1e6,
        None if price.output_per_1m is None else price.output_per_1m / 1e6,
        weight=provider.weight,
        free=free,
        slope=2 * free,
    )
    return Upstream(provider, target, credential, scrubber)


def _lifespan(settings: Settings, relay: Relay) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            _start_mocks(stack, settings, relay)
            connector = aiohttp.TCPConnector(limit=0)
            session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
            relay.session = await stack.enter_async_context(session)
            beside = [_reload(relay), _probe(relay), *(upstream.renew() for upstream in relay.upstreams.values())]
            tasks = [asyncio.create_task(work) for work in beside]
            yield
            for task in tasks:
                task.cancel()

    return lifespan


def _start_mocks(stack: contextlib.AsyncExitStack, settings: Settings, relay: Relay) -> None:
    """Mock providers are played by the simulator of this container: a fair target with no model behind it."""
    mocks = [upstream for upstream in relay.upstreams.values() if upstream.provider.type == "mock"]
    if mocks:
        address = stack.enter_context(simulator(settings.roster.path))
        for mock in mocks:
            mock.provider = at_simulator(mock.provider, address)
            mock.__post_init__()


def _add_pages(app: FastAPI, settings: Settings, relay: Relay) -> None:
    """``/healthz`` and ``/readyz`` are open to everyone, the rest to whoever has a key where there are keys."""

    def add(path: str, keys: tuple[str, ...], answer: Callable[[], Response]) -> None:
        async def endpoint(request: Request) -> Response:
            offered = request.headers.get("authorization", "").encode("latin-1")
            if keys and holder(keys, offered) is None:
                response = Response(NO_KEY.body(), NO_KEY.status, media_type="application/json")
            else:
                response = answer()
            response.headers.update(_SECURITY)
            return response

        app.add_api_route(path, endpoint, response_model=None)

    add("/healthz", (), lambda: PlainTextResponse("ok"))
    add("/readyz", (), lambda: _readiness(relay))
    add("/v1/models", settings.keys, lambda: JSONResponse(_models(relay)))
    add("/metrics", settings.observe_keys, lambda: Response(_gauged(relay), media_type="text/plain"))
    add("/status.json", settings.observe_keys, lambda: JSONResponse(status(relay)))
    add("/status", settings.observe_keys, lambda: HTMLResponse(page(status(relay))))


def _readiness(relay: Relay) -> Response:
    now_s = time.monotonic()
    ready = not relay.stopping and any(u.target.breaker.admits(now_s) for u in relay.upstreams.values())
    return PlainTextResponse("ready" if ready else "not ready", 200 if ready else 503)


def _models(relay: Relay) -> dict[str, Any]:
    providers = [upstream.provider for upstream in relay.upstreams.values()]
    names = {name for provider in providers for name in ("auto", provider.model, provider.capability) if name}
    data = [{"id": name, "object": "model", "created": 0, "owned_by": "router"} for name in sorted(names)]
    return {"object": "list", "data": data}


def _gauged(relay: Relay) -> bytes:
    """What changes by itself is read when it is asked for."""
    metrics = relay.metrics
    for row in status(relay)["providers"]:
        metrics.in_flight.labels(row["name"]).set(row["in_flight"])
        metrics.breaker.labels(row["name"]).set(row["breaker"] == "open")
        for term in ("j", "seconds", "usd", "success", "crowding"):
            metrics.choice.labels(row["name"], term).set(float("nan") if row[term] is None else row[term])
    if relay.scorecard is not None:
        metrics.age.set(relay.scorecard.age_s)
        metrics.refusals.set(relay.scorecard.refusals)
    return generate_latest(metrics.registry)


async def _reload(relay: Relay) -> None:
    while True:
        await asyncio.sleep(_RELOAD_S)
        await asyncio.to_thread(relay.believe)


async def _probe(relay: Relay) -> None:
    while True:
        before = time.monotonic()
        await asyncio.sleep(_PROBE_S)
        relay.metrics.loop_lag.set(max(0.0, time.monotonic() - before - _PROBE_S))

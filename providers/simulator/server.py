"""The simulator's process: binds, says where on one line, serves until it is told to stop or its parent is gone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from providers.errors import ConfigError
from providers.roster import Roster
from providers.simulator.app import Simulator
from providers.simulator.provider import MockProvider
from providers.simulator.truth import TruthLog
from providers.spec import Provider

KEY_VARIABLE = "NEPHOSCOPE_SIMULATOR_KEY"
_KEEP_ALIVE_S = 120  # longer than any pause of a load generator, so that no request races a closing connection


@dataclass(frozen=True, slots=True)
class Settings:
    host: str = "127.0.0.1"
    port: int = 0  # 0: a free one
    truth: Path | None = None
    until_eof: bool = False
    max_tokens: int | None = None
    max_rps: float | None = None


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ours are set below: uvicorn's would raise the signal again and spoil the exit code."""
        yield


def serve(roster: Roster, settings: Settings) -> None:
    """Plays the mock providers until SIGTERM, SIGINT or, if so set, the end of stdin."""
    mocks = [provider for provider in roster.providers if provider.type == "mock"]
    if not mocks:
        raise ConfigError(f"{roster.path}: no provider of type mock is enabled; add one: python -m providers new mock")
    _raise_descriptor_limit()
    log = TruthLog(settings.truth)
    listener = _listen(settings.host, settings.port)
    try:
        # asyncio's own loop, on purpose: uvloop holds writes back to the end of its round, so that a stamp taken
        # before a write would not be the time of the write.
        asyncio.run(_serve(mocks, settings, log, listener))
    finally:
        log.close()


async def _serve(mocks: Sequence[Provider], settings: Settings, log: TruthLog, listener: socket.socket) -> None:
    players = [MockProvider(mock, settings.max_tokens, settings.max_rps) for mock in mocks]
    app = Simulator(players, log, os.environ.get(KEY_VARIABLE, ""))
    config = uvicorn.Config(
        app, http="httptools", ws="none", lifespan="off", interface="asgi3", access_log=False, log_config=None,
        log_level="critical", server_header=False, timeout_keep_alive=_KEEP_ALIVE_S, timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = _Server(config)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True
        app.close()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if settings.until_eof:
        threading.Thread(target=_await_eof, args=(loop, stop), daemon=True).start()
    # The socket listens already: whoever reads this line may connect.
    print(json.dumps({"base_url": _url(listener), "providers": [mock.name for mock in mocks]}), flush=True)  # noqa: T201 - the line is the contract with the parent
    await server.serve(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
        # Accepted sockets inherit it. asyncio sets it only where the listener names its protocol, and this one does
        # not: then Nagle held a second write back for the peer's delayed acknowledgement, 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"--host {host} --port {port}: cannot listen ({reason}); name another, or --port 0") from None
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - a name for reaching it, not a bind
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _await_eof(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """A thread, because an event loop cannot watch every kind of stdin."""
    with contextlib.suppress(OSError):
        while os.read(sys.stdin.fileno(), 4096):
            pass
    with contextlib.suppress(RuntimeError):  # the loop has ended first
        loop.call_soon_threadsafe(stop)


def _raise_descriptor_limit() -> None:
    """As many sockets as the system allows: the usual 1024 would cap what a load generator can ask for."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

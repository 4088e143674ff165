"""This suite runs in a pytest process of its own: importing Locust patches the whole process."""

import locust  # noqa: F401, I001 - first of all, so that everything imported later is patched

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gevent.server import StreamServer

from locustfiles.engine.exchange import Exchange
from locustfiles.engine.transport import Endpoint, Transport
from providers.dialects.reply import Reply
from providers.spec import Limits
from tests.load.scripted import REQUEST, reply_of

Script = Callable[[Any], None]


@pytest.fixture
def endpoints() -> list[Endpoint]:
    """Those a test talks to: their idle connections are closed with the transport."""
    return []


@pytest.fixture
def transport(endpoints: list[Endpoint]) -> Iterator[Transport]:
    made = Transport()
    yield made
    made.close(endpoints)


@pytest.fixture
def serve() -> Iterator[Callable[[Script], str]]:
    """Start a server that plays a script once per request: ``serve(script)`` gives its base URL."""
    servers = []

    def start(script: Script) -> str:
        def handle(sock: Any, _address: Any) -> None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                while sock.recv(65536):
                    script(sock)
            except OSError:
                pass
            finally:
                sock.close()

        server = StreamServer(("127.0.0.1", 0), handle)
        server.start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/v1"

    yield start
    for server in servers:
        server.stop(timeout=0)


@pytest.fixture
def ask(transport: Transport, endpoints: list[Endpoint]) -> Callable[..., tuple[Exchange, Reply]]:
    """One streaming request to a URL: the exchange and what it amounted to."""

    def send(url: str, **limits: float) -> tuple[Exchange, Reply]:
        endpoint = Endpoint(url, Limits(**limits))
        endpoints.append(endpoint)
        exchange = Exchange()
        transport.send(endpoint, REQUEST, exchange, lambda so_far: bool(reply_of(so_far).chunks))
        return exchange, reply_of(exchange)

    return send

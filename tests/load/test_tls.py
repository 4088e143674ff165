"""TLS over a memory BIO: certificates are verified, and encrypted reads keep their kernel times."""

import ssl
from typing import Any

import gevent
import pytest
import trustme
from gevent.server import StreamServer

from locustfiles.engine.exchange import Exchange
from locustfiles.engine.transport import Endpoint, Transport
from providers.spec import Limits
from tests.load.scripted import REQUEST, reply_of, whole_stream


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def serve_tls(authority):
    """A TLS server for a host name, playing the whole stream."""
    servers = []

    def start(name: str) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)

        def handle(sock: Any, _address: Any) -> None:
            while sock.recv(65536):
                whole_stream(sock)

        server = StreamServer(("127.0.0.1", 0), handle, ssl_context=context)
        server.start()
        servers.append(server)
        return server.server_port

    yield start
    for server in servers:
        server.stop(timeout=0)


def _ask(transport: Transport, endpoint: Endpoint) -> Exchange:
    exchange = Exchange()
    with gevent.Timeout(5):
        transport.send(endpoint, REQUEST, exchange, lambda _: True)
    return exchange


def test_verified_stream_has_kernel_times_and_its_phases_apart(serve_tls, authority, tmp_path, monkeypatch):
    """SSL_CERT_FILE is honoured; TCP and TLS are timed apart; the second request shakes no hands."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    trusting = Transport()
    endpoint = Endpoint(f"https://localhost:{serve_tls('localhost')}/v1", Limits())
    first, second = _ask(trusting, endpoint), _ask(trusting, endpoint)
    trusting.close([endpoint])
    assert [first.failure, reply_of(first).failure] == [None, None]
    assert (first.connection, first.stamp) == ("new", "kernel")
    assert first.tls_s > first.tcp_s > 0
    assert (second.connection, second.tls_s) == ("reused", None)
    assert 0.019 < reply_of(second).ttft_s < 0.06


def test_unknown_authority_is_refused_in_words_a_person_understands(serve_tls, transport):
    """A certificate nobody vouches for ends before any byte of the request is sent."""
    exchange = _ask(transport, Endpoint(f"https://localhost:{serve_tls('localhost')}/v1", Limits()))
    assert (exchange.failure.kind, exchange.connection) == ("connection", "")
    assert "certificate refused" in exchange.failure.message


def test_certificate_of_another_host_is_refused(serve_tls, authority, tmp_path, monkeypatch):
    """The name in the URL must stand in the certificate."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    trusting = Transport()
    exchange = _ask(trusting, Endpoint(f"https://localhost:{serve_tls('example.org')}/v1", Limits()))
    trusting.close([])
    assert "certificate refused" in exchange.failure.message

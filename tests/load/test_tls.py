"""TLS over a memory BIO: certificates are verified, and encrypted reads keep their kernel times."""

import contextlib
import socket
import ssl
from typing import Any

import gevent
import pytest
import trustme
from gevent.server import StreamServer

from locustfiles.engine.exchange import Exchange
from locustfiles.engine.tls import TlsLayer
from locustfiles.engine.transport import Endpoint, Transport
from providers.route import route_to
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
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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
    assert 0.019 < reply_of(second).ttft_s < 0.038


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


@pytest.fixture
def trusted(authority, tmp_path, monkeypatch):
    """A transport that trusts the test's authority."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    made = Transport()
    yield made
    made.close([])


def test_second_connection_resumes_the_session_of_the_first_and_says_so(serve_tls, trusted):
    """A resumed handshake is cheaper, so it is recorded apart."""
    endpoint = Endpoint(f"https://localhost:{serve_tls('localhost')}/v1", Limits())
    assert "new" == _ask(trusted, endpoint).connection
    endpoint.idle.pop().close()
    second = _ask(trusted, endpoint)
    endpoint.idle.pop().close()
    assert "resumed" == second.connection
    assert second.tls_s > 0


def test_sixty_handshakes_at_once_all_succeed(serve_tls, trusted):
    """They take turns on the loop; none is forgotten."""
    endpoint = Endpoint(f"https://localhost:{serve_tls('localhost')}/v1", Limits(connect_timeout_s=20))
    greenlets = [gevent.spawn(_ask, trusted, endpoint) for _ in range(60)]
    gevent.joinall(greenlets)
    assert {None} == {greenlet.get().failure for greenlet in greenlets}
    while endpoint.idle:
        endpoint.idle.pop().close()


@pytest.fixture
def proxy():
    """A CONNECT proxy for one account: (its address, the requests it saw)."""
    seen: list[bytes] = []

    def handle(sock: Any, _address: Any) -> None:
        request = sock.recv(65536)
        seen.append(request)
        if b"proxy-authorization: Basic dTpw\r\n" not in request:  # u:p
            sock.sendall(b"HTTP/1.1 407 Who are you\r\ncontent-length: 0\r\n\r\n")
            sock.close()
            return
        host, _, port = request.split(b" ")[1].decode().rpartition(":")
        upstream = gevent.socket.create_connection(("127.0.0.1" if host.endswith(".test") else host, int(port)))
        sock.sendall(b"HTTP/1.1 200 Tunnel\r\n\r\n")
        gevent.spawn(_pump, upstream, sock)
        _pump(sock, upstream)

    server = StreamServer(("127.0.0.1", 0), handle)
    server.start()
    yield server.server_port, seen
    server.stop(timeout=0)


def _pump(source: Any, target: Any) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    target.close()


def test_https_goes_through_the_proxy_that_the_environment_names(serve_tls, trusted, proxy, monkeypatch):
    """CONNECT with the account of the URL, then TLS end to end with the endpoint's own certificate."""
    port, seen = proxy
    monkeypatch.setenv("HTTPS_PROXY", f"http://u:p@127.0.0.1:{port}")
    endpoint = Endpoint(f"https://model.test:{serve_tls('model.test')}/v1", Limits())
    exchange = _ask(trusted, endpoint)
    endpoint.idle.pop().close()
    assert (None, None) == (exchange.failure, reply_of(exchange).failure)
    assert seen[0].startswith(b"CONNECT model.test:")


def test_proxy_that_refuses_is_quoted_without_its_password(trusted, proxy, monkeypatch):
    """The person sees the proxy's own status line."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://u:wrong@127.0.0.1:{proxy[0]}")
    exchange = _ask(trusted, Endpoint("https://model.test:1/v1", Limits()))
    assert "407 Who are you" in exchange.failure.message
    assert "wrong" not in exchange.failure.message


def test_loopback_and_no_proxy_hosts_are_reached_directly(monkeypatch):
    """A proxy would only put itself between the clock and the endpoint."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "internal.test")
    direct = [route_to(f"https://{host}/v1").connect for host in ("127.0.0.1", "localhost", "internal.test")]
    assert [b"", b"", b""] == direct
    assert route_to("https://elsewhere.test/v1").dial == ("127.0.0.1", 9)


def test_bytes_after_the_peers_goodbye_do_not_hang_the_process(authority):
    """close_notify, then more: what was said before is read, what follows is not."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    inbound, outbound = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(inbound, outbound, server_side=True)
    client = TlsLayer(client_context, "localhost", None)
    client.handshake()
    for _ in range(4):
        inbound.write(client.outgoing())
        with contextlib.suppress(ssl.SSLWantReadError):
            server.do_handshake()
        client.handshake(outbound.read())
    assert client.established
    server.write(b"last words")
    with contextlib.suppress(ssl.SSLError):
        server.unwrap()
    assert b"last words" == client.decrypt(outbound.read() + b"\x17\x03\x03\x00\x20" + b"x" * 32)

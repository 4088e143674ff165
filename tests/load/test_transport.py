"""The transport against scripted servers on real sockets: every way an answer can go, and the error kind it gets."""

import contextlib
import socket
import time
import zlib
from pathlib import Path
from typing import Any

import gevent
import pytest

from locustfiles.engine.exchange import Exchange
from locustfiles.engine.lane import CutOffError
from locustfiles.engine.transport import Endpoint
from providers.spec import Limits
from tests.load.scripted import DONE, FINISH, HEAD, REQUEST, ROLE, chunked, content, reply_of, whole_stream


def test_first_token_is_dated_at_the_first_content_not_at_the_role(serve, ask):
    """Headers and a role-only chunk come at once; TTFT is the time of the first word."""
    exchange, reply = ask(serve(whole_stream))
    assert reply.failure is None
    assert exchange.headers_s < 0.015
    assert 0.019 < reply.ttft_s < 0.06
    assert len(reply.chunks) == 2


def test_kernel_stamps_do_not_depend_on_when_python_comes_to_read(serve, ask):
    """A busy loop of 60 ms over the arrival delays the read, not the stamp."""

    def script(sock: Any) -> None:
        def busy() -> None:
            until = time.monotonic() + 0.06
            while time.monotonic() < until:
                pass

        gevent.sleep(0.02)
        sock.sendall(HEAD + chunked(content("now"), FINISH, DONE))
        busy()

    exchange, reply = ask(serve(script))
    assert exchange.stamp == "kernel"
    assert reply.ttft_s < 0.05
    assert exchange.observer_lag_s > 0.05


def test_connection_is_kept_and_used_again(serve, transport, endpoints):
    """The second request to an endpoint finds the connection of the first, and says so."""
    endpoint = Endpoint(serve(whole_stream), Limits())
    endpoints.append(endpoint)
    kinds = []
    for _ in range(2):
        exchange = Exchange()
        transport.send(endpoint, REQUEST, exchange, lambda _: True)
        kinds.append((exchange.connection, exchange.tcp_s is not None))
    assert kinds == [("new", True), ("reused", False)]


def _content_length(sock: Any) -> None:
    body = content("x") + FINISH + DONE
    sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))


def _close_delimited(sock: Any) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + content("x") + FINISH + DONE)
    sock.close()


def _trailers(sock: Any) -> None:
    sock.sendall(HEAD + chunked(content("x"), FINISH, DONE, end=False) + b"0\r\nx-sum: 1\r\n\r\n")


def _continue_first(sock: Any) -> None:
    sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    whole_stream(sock)


def _byte_by_byte(sock: Any) -> None:
    for byte in HEAD + chunked(content("x"), FINISH, DONE):
        sock.sendall(bytes([byte]))
        gevent.sleep(0)


def _gzipped(sock: Any) -> None:
    squeeze = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    sock.sendall(HEAD.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n"))
    for part in (ROLE, content("one"), content("two"), FINISH + DONE):
        sock.sendall(chunked(squeeze.compress(part) + squeeze.flush(zlib.Z_SYNC_FLUSH), end=False))
        gevent.sleep(0.005)
    sock.sendall(chunked(squeeze.flush()))


def _long_headers(sock: Any) -> None:
    sock.sendall(HEAD.replace(b"\r\n\r\n", b"\r\nx-long: " + b"y" * 30_000 + b"\r\n\r\n"))
    sock.sendall(chunked(content("x"), FINISH, DONE))


def _crlf_and_no_space(sock: Any) -> None:
    body = (content("x") + FINISH + DONE).replace(b"data: ", b"data:").replace(b"\n", b"\r\n")
    sock.sendall(HEAD + chunked(body))


def _unfinished_but_done(sock: Any) -> None:
    sock.sendall(HEAD + chunked(content("x"), DONE))


@pytest.mark.parametrize(
    "script",
    [
        whole_stream,
        _content_length,
        _close_delimited,
        _trailers,
        _continue_first,
        _byte_by_byte,
        _gzipped,
        _long_headers,
        _crlf_and_no_space,
        _unfinished_but_done,
    ],
)
def test_every_regular_framing_is_a_success(serve, ask, script):
    """However HTTP delimits the answer, it is whole and its content is found."""
    exchange, reply = ask(serve(script))
    assert (exchange.failure, reply.failure, exchange.status) == (None, None, 200)
    assert exchange.complete
    assert reply.chunks


def _cut(sock: Any) -> None:
    sock.sendall(HEAD + chunked(ROLE, content("x"), end=False))
    sock.close()


def _no_marker(sock: Any) -> None:
    sock.sendall(HEAD + chunked(ROLE, content("x")))


def _nothing(sock: Any) -> None:
    sock.close()


def _silent(_sock: Any) -> None:
    gevent.sleep(10)


def _only_pings(sock: Any) -> None:
    sock.sendall(HEAD + chunked(ROLE, end=False))
    for _ in range(100):
        gevent.sleep(0.02)
        sock.sendall(chunked(b": ping\n\n", end=False))


def _stalls(sock: Any) -> None:
    sock.sendall(HEAD + chunked(content("x"), end=False))
    gevent.sleep(10)


def _endless(sock: Any) -> None:
    sock.sendall(HEAD)
    while True:
        sock.sendall(chunked(content("x"), end=False))
        gevent.sleep(0.02)


def _error_inside(sock: Any) -> None:
    sock.sendall(HEAD + chunked(content("x"), b'data: {"error":{"message":"boom","code":500}}\n\n', DONE))


def _malformed(sock: Any) -> None:
    sock.sendall(HEAD + chunked(content("x"), b"data: {broken\n\n", FINISH, DONE))


def _not_http(sock: Any) -> None:
    sock.sendall(b"hello\r\n\r\n")


def _empty_answer(sock: Any) -> None:
    sock.sendall(HEAD + chunked(ROLE, FINISH, DONE))


def _brotli(sock: Any) -> None:
    sock.sendall(HEAD.replace(b"\r\n\r\n", b"\r\ncontent-encoding: br\r\n\r\n") + chunked(b"???"))


def _throttled(sock: Any) -> None:
    sock.sendall(b"HTTP/1.1 429 Too Many\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\n{}")


def _redirect(sock: Any) -> None:
    sock.sendall(b"HTTP/1.1 302 Found\r\nlocation: http://elsewhere/\r\ncontent-length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (_cut, "truncated"),
        (_no_marker, "truncated"),
        (_nothing, "connection"),
        (_silent, "timeout_first_token"),
        (_only_pings, "timeout_first_token"),
        (_stalls, "timeout_idle"),
        (_endless, "timeout_total"),
        (_error_inside, "server"),
        (_malformed, "protocol"),
        (_not_http, "protocol"),
        (_empty_answer, "protocol"),
        (_brotli, "protocol"),
        (_throttled, "rate_limited"),
        (_redirect, "protocol"),
    ],
)
def test_every_broken_answer_has_its_own_error_kind(serve, ask, script, kind):
    """HTTP 200 alone is not success, and each way to fail is told apart."""
    exchange, reply = ask(serve(script), first_token_timeout_s=0.3, idle_timeout_s=0.2, total_timeout_s=0.6)
    failure = exchange.failure or reply.failure
    assert kind == failure.kind
    assert exchange.end_s < 0.8


def test_idle_limit_binds_from_the_first_token_long_before_the_first_token_limit(serve, ask):
    """A stall after 20 ms of a stream is found when the idle limit passes, not when others would."""
    exchange, _ = ask(serve(_stalls), first_token_timeout_s=5, idle_timeout_s=0.2, total_timeout_s=5)
    assert exchange.failure.kind == "timeout_idle"
    assert 0.2 <= exchange.end_s < 0.5


def test_refused_connection_sent_no_byte(ask):
    """Nobody listens: the error is ``connection`` and the sample will say that no connection came about."""
    exchange, _ = ask("http://127.0.0.1:9/v1")
    assert (exchange.failure.kind, exchange.connection) == ("connection", "")


def test_host_that_never_answers_ends_at_the_connect_limit(ask):
    """A listener whose queue is full drops the handshake: the attempt is given up after connect_timeout_s."""
    with socket.socket() as listener, contextlib.ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        exchange, _ = ask(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", connect_timeout_s=0.2)
    assert (exchange.failure.kind, exchange.connection) == ("timeout_connect", "")
    assert exchange.end_s < 0.6


def test_long_prompt_is_sent_whole_when_the_peer_reads_slowly(transport, endpoints):
    """Four megabytes do not fit a socket buffer: the rest follows as the peer reads."""
    got: list[int] = []

    def handle(sock: Any, _address: Any) -> None:
        size = 0
        while size < len(request):
            gevent.sleep(0.001)
            size += len(sock.recv(200_000))
        got.append(size)
        whole_stream(sock)

    body = b"x" * 4_000_000
    request = b"POST / HTTP/1.1\r\nhost: t\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    server = gevent.server.StreamServer(("127.0.0.1", 0), handle)
    server.start()
    exchange = Exchange()
    endpoints.append(Endpoint(f"http://127.0.0.1:{server.server_port}", Limits()))
    transport.send(endpoints[0], request, exchange, lambda _: True)
    server.stop(timeout=0)
    assert [len(request)] == got
    assert exchange.complete


def test_early_refusal_of_a_long_prompt_is_read_while_it_is_still_being_sent(transport, endpoints):
    """413 after the first bytes: the answer counts, and the half-used connection is not kept."""

    def handle(sock: Any, _address: Any) -> None:
        sock.recv(1000)
        sock.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\n{}")
        gevent.sleep(0.3)  # stays, without reading on

    server = gevent.server.StreamServer(("127.0.0.1", 0), handle)
    server.start()
    endpoints.append(Endpoint(f"http://127.0.0.1:{server.server_port}", Limits()))
    exchange = Exchange()
    long = b"POST / HTTP/1.1\r\ncontent-length: 9000000\r\n\r\n" + b"x" * 9_000_000
    transport.send(endpoints[0], long, exchange, lambda _: False)
    server.stop(timeout=0)
    assert (413, None) == (exchange.status, exchange.failure)
    assert "context_length" == reply_of(exchange).failure.kind
    assert [] == endpoints[0].idle


def test_ipv6_addresses_are_dialled(transport, endpoints):
    """A literal address in brackets reaches a server that listens there only."""
    server = gevent.server.StreamServer(("::1", 0), lambda sock, _: sock.recv(9999) and whole_stream(sock))
    server.start()
    endpoints.append(Endpoint(f"http://[::1]:{server.server_port}/v1", Limits()))
    exchange = Exchange()
    transport.send(endpoints[0], REQUEST, exchange, lambda _: False)
    server.stop(timeout=0)
    assert (None, "::1") == (exchange.failure, exchange.remote_addr)


def test_name_with_a_dead_address_first_reaches_the_next_one(serve, ask):
    """``localhost`` is ::1 and 127.0.0.1 on most machines: where only the latter listens, it is found."""
    exchange, reply = ask(serve(whole_stream).replace("127.0.0.1", "localhost"))
    assert (None, None, "127.0.0.1") == (exchange.failure, reply.failure, exchange.remote_addr)


def test_kill_and_failures_leave_no_descriptor_behind(serve, transport):
    """After streams were cut off, timed out and refused, as many descriptors are open as before."""
    endless, silent = serve(_endless), serve(_silent)
    before = descriptors()
    limits = Limits(first_token_timeout_s=0.1, total_timeout_s=5)

    def one(url: str) -> None:
        with contextlib.suppress(CutOffError):
            transport.send(Endpoint(url, limits), REQUEST, Exchange(), lambda _: False)

    greenlets = [gevent.spawn(one, url) for url in (endless, silent, "http://127.0.0.1:9/") for _ in range(20)]
    gevent.sleep(0.05)
    for greenlet in greenlets[::2]:
        gevent.kill(greenlet, CutOffError())
    gevent.joinall(greenlets, timeout=5)
    gevent.sleep(0.3)  # the servers close their ends, in this process too
    assert before >= descriptors() - 40  # 40 server-side ends may still be sleeping
    assert not transport.hub._readers


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))

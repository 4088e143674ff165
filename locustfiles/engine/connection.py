"""A Connection is one HTTP/1.1 keep-alive connection, plain or TLS, that carries one exchange at a time.

HTTP framing is llhttp's (httptools), fed as reads come in: it alone knows where an answer ends. What a body says is
decoded after the stream has ended. Nothing is ever sent twice.
"""

from __future__ import annotations

import errno
import socket as plain_socket
import ssl
import struct
from collections.abc import Callable
from typing import Any

import gevent
import gevent.socket
import httptools
from gevent import monkey
from gevent.event import Event

from locustfiles.engine.exchange import Exchange
from locustfiles.engine.hub import Hub, now_ns
from locustfiles.engine.tls import TlsLayer
from providers.dialects.base import Failure
from providers.route import Route, pass_proxy

_TCP_INFO = 11
_received_and_segments = struct.Struct("128xQ16xI").unpack_from  # tcpi_bytes_received, tcpi_data_segs_in
_INFO_BYTES = 160


class Connection:
    """``connect`` it, then ``start`` one exchange after the other; ``done`` is called once when each is over."""

    def __init__(self, hub: Hub, route: Route) -> None:
        self._hub, self._route = hub, route
        self._sock: Any = None
        self._tls: TlsLayer | None = None
        self._shaken = Event()
        self._unsent = b""
        self._exchange: Exchange | None = None
        self._done: Callable[[], None] | None = None
        self._segments = self._received = 0
        self._behind = 0  # segments that arrived between a read and its TCP_INFO
        self.drained_ns = 0
        self.dns_s: float | None = None
        self.tcp_s: float | None = None
        self.tls_s: float | None = None
        self.remote_addr = ""
        self.open_for_use = False

    # ---- opening

    def connect(self, context: ssl.SSLContext, session: ssl.SSLSession | None, limit_s: float) -> None:
        """Resolve, connect, then tunnel and shake hands, timed apart; OSError when one of them fails.

        Several addresses share ``limit_s`` evenly, so that a dead first one leaves time for the next.
        """
        began = now_ns()
        host, port = self._route.dial
        addresses = gevent.socket.getaddrinfo(host, port, type=plain_socket.SOCK_STREAM)
        resolved = now_ns()
        self.dns_s = (resolved - began) / 1e9
        wrapper = self._first_reachable(addresses, limit_s / max(1, len(addresses)))
        connected = now_ns()
        if self._route.connect:
            self._pass_proxy(wrapper)
        self._adopt(wrapper)
        if self._route.encrypted:
            self._shake_hands(TlsLayer(context, self._route.host, session))
            self.tls_s = (now_ns() - connected) / 1e9
        self.open_for_use = True

    @property
    def resumed(self) -> bool:
        return self._tls is not None and self._tls.resumed

    @property
    def session(self) -> ssl.SSLSession | None:
        return None if self._tls is None else self._tls.session

    def _first_reachable(self, addresses: list[Any], share_s: float) -> Any:
        """A socket connected to the first address that answers; ``tcp_s`` is that handshake alone."""
        trouble: OSError = OSError("no address")
        for family, kind, protocol, _, address in addresses:
            wrapper = gevent.socket.socket(family, kind, protocol)
            began = now_ns()
            try:
                with gevent.Timeout(share_s, TimeoutError(errno.ETIMEDOUT, "timed out")):
                    wrapper.connect(address)
            except OSError as error:
                wrapper.close()
                trouble = error
            except BaseException:  # a deadline: the half-open socket goes with it
                wrapper.close()
                raise
            else:
                self.tcp_s = (now_ns() - began) / 1e9
                self.remote_addr = str(address[0])
                return wrapper
        raise trouble

    def _pass_proxy(self, wrapper: Any) -> None:
        try:
            pass_proxy(wrapper, self._route.connect)
        except BaseException:
            wrapper.close()
            raise

    def _adopt(self, wrapper: Any) -> None:
        """Take the descriptor from gevent's socket to ours: from here on the hub alone reads it."""
        real = monkey.get_original("socket", "socket")
        self._sock = real(wrapper.family, wrapper.type, wrapper.proto, fileno=wrapper.detach())
        self._sock.setblocking(False)
        self._sock.setsockopt(plain_socket.IPPROTO_TCP, plain_socket.TCP_NODELAY, 1)
        self.drained_ns = now_ns()
        self._received, self._segments = self._counted() or (0, 0)  # a proxy's answer is behind us
        self._hub.watch(self._sock, self)

    def _shake_hands(self, tls: TlsLayer) -> None:
        self._tls = tls
        self._handshake_step(b"")
        self._shaken.wait()
        if tls.failure is not None:
            raise OSError(tls.failure.message)

    def _handshake_step(self, data: bytes) -> None:
        assert self._tls is not None
        if self._sock is None:  # given up while this step waited for its turn
            return
        self._tls.handshake(data)
        self._transmit(self._tls.outgoing())
        if self._tls.over:
            self._shaken.set()

    # ---- one exchange

    def start(self, request: bytes, exchange: Exchange, done: Callable[[], None]) -> None:
        """Date s and send. Encryption comes before the clock is read, the upload after it."""
        assert self._exchange is None
        exchange.parser = httptools.HttpResponseParser(exchange)
        self._exchange, self._done = exchange, done
        if self._tls is not None:
            request = self._tls.encrypt(request)
        exchange.began(now_ns(), self._hub.offset_ns)
        self._transmit(request)

    def release(self) -> None:
        """Forget the exchange; the connection may serve another if the answer was whole and the request sent."""
        if self._exchange is not None:
            self._exchange.parser = None  # they hold each other: without this, only the collector could free them
        self._exchange = self._done = None
        if self._unsent:
            self.open_for_use = False

    def close(self) -> None:
        self.open_for_use = False
        if self._sock is not None:
            self._hub.forget(self._sock)
            self._sock.close()
            self._sock = None

    # ---- what the hub calls

    def on_read(self, at_ns: int, seen_ns: int, kernel: bool, data: bytes) -> None:
        if not data:
            self._ended()
            return
        segments = self._new_segments(len(data))
        if self._tls is not None:
            data = self._opened(data)
        if not data:
            return
        if self._exchange is None:  # bytes nobody asked for: the connection is of no further use
            self.close()
            return
        self._exchange.note_read(at_ns, seen_ns, kernel, merged=segments > 1)
        self._parse(self._exchange, data)

    def on_writable(self) -> None:
        unsent, self._unsent = self._unsent, b""
        self._hub.want_write(self._sock, wanted=False)
        self._transmit(unsent)

    def _opened(self, data: bytes) -> bytes:
        """The plain bytes of an encrypted read; those of a handshake are handled in their turn and give none."""
        tls = self._tls
        assert tls is not None
        if not tls.established:
            self._hub.in_turn(lambda: self._handshake_step(data))
            return b""
        plain = tls.decrypt(data)
        if outgoing := tls.outgoing():
            self._transmit(outgoing)
        if tls.failure is not None:
            self.open_for_use = False
            if self._exchange is not None and not plain:
                self._exchange.failure = tls.failure
                self._finish()
        return plain

    def _parse(self, exchange: Exchange, data: bytes) -> None:
        try:
            exchange.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            exchange.failure = Failure("protocol", "the answer switched protocols")
        except httptools.HttpParserError as error:
            exchange.failure = Failure("protocol", f"not HTTP/1.1: {error}")
        if exchange.complete or exchange.failure is not None:
            self._finish()

    def _ended(self) -> None:
        """The peer closed: the end of a close-delimited body, or a break."""
        self.open_for_use = False
        if self._tls is not None and not self._tls.over:
            self._tls.failure = Failure("connection", "closed during the TLS handshake")
            self._shaken.set()
        if self._exchange is None:
            self.close()
            return
        self._hub.forget(self._sock)
        self._exchange.closed_by_peer()
        self._finish()

    def _finish(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            done()

    def _new_segments(self, length: int) -> int:
        """Data segments this read covered: only a read of several carries a later one's time for its earlier bytes."""
        counted = self._counted()
        if counted is None:
            return 1
        received, segments = counted
        self._received += length
        new = segments - self._segments + self._behind
        self._behind = int(received > self._received)
        self._segments = segments
        return new

    def _counted(self) -> tuple[int, int] | None:
        """(bytes, data segments) the kernel has received on this socket; None where it does not say."""
        try:
            info = self._sock.getsockopt(plain_socket.IPPROTO_TCP, _TCP_INFO, _INFO_BYTES)
        except OSError:
            return None
        if len(info) < _INFO_BYTES:
            return None
        counted: tuple[int, int] = _received_and_segments(info)
        return counted

    def _transmit(self, data: bytes) -> None:
        """Send now what fits, the rest when the socket takes more; a peer that stopped reading shows up as a read."""
        if self._unsent:
            self._unsent += data
            return
        try:
            sent = self._sock.send(data) if data else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the read side tells why: a reset, or an early answer and then the end
        if sent < len(data):
            self._unsent = data[sent:]
            self._hub.want_write(self._sock, wanted=True)

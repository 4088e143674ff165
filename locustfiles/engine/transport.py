"""The Transport sends a request over a pooled connection and gives back an Exchange, whatever happened to it.

Deadlines for connect, first token, idle and total each end an exchange with an error kind of their own. A request is
never retried once a byte was sent. It does not know prompts, providers' prices, or what a body says, but for one
question asked late: whether the bytes so far hold a first token.
"""

from __future__ import annotations

import errno
import ssl
from dataclasses import dataclass, field
from functools import cached_property, partial

import gevent
from gevent.hub import Waiter

from locustfiles.engine.connection import Connection
from locustfiles.engine.deadline import Deadline, Deadlines, HasContent
from locustfiles.engine.exchange import Exchange
from locustfiles.engine.hub import Hub, now_ns
from locustfiles.engine.tls import client_context
from providers.dialects.base import Failure
from providers.route import Route, route_to
from providers.spec import Limits

_OUR_LACK = (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS)
_IDLE_LIMIT = 1024  # connections kept per provider; those beyond are closed


@dataclass
class Endpoint:
    """Where one provider is reached, and the idle connections to it, the most recently used last."""

    url: str
    limits: Limits
    idle: list[Connection] = field(default_factory=list)
    session: ssl.SSLSession | None = None  # of the last TLS connection: the next one may resume it

    @cached_property
    def route(self) -> Route:
        return route_to(self.url)


class Transport:
    """One per process, behind one hub."""

    def __init__(self) -> None:
        self.hub = Hub()
        self._context = client_context()
        self._deadlines = Deadlines()
        self._loop = gevent.get_hub().loop
        self.sockets_refused = 0  # attempts for which this machine had no descriptor or port left

    def send(self, endpoint: Endpoint, request: bytes, exchange: Exchange, has_content: HasContent) -> None:
        """One request, one exchange. The greenlet wakes when the answer is whole, broken, or out of time.

        The caller's exchange is filled as things happen: whoever kills the greenlet still has what came so far.
        """
        exchange.began(now_ns(), self.hub.offset_ns)
        connection: Connection | None = None
        try:
            connection = self._connection(endpoint, exchange)
            if connection is not None:
                self._converse(connection, endpoint.limits, request, exchange, has_content)
        finally:
            exchange.end_ns = now_ns()
            if connection is not None:
                self._put_back(endpoint, connection, exchange)

    def close(self, endpoints: list[Endpoint]) -> None:
        for endpoint in endpoints:
            while endpoint.idle:
                endpoint.idle.pop().close()
        self._deadlines.close()
        self.hub.close()

    def _connection(self, endpoint: Endpoint, exchange: Exchange) -> Connection | None:
        while endpoint.idle:
            connection = endpoint.idle.pop()
            if connection.open_for_use:
                exchange.connection, exchange.remote_addr = "reused", connection.remote_addr
                return connection
        return self._open(endpoint, exchange)

    def _open(self, endpoint: Endpoint, exchange: Exchange) -> Connection | None:
        connection = Connection(self.hub, endpoint.route)
        limit_s = endpoint.limits.connect_timeout_s
        try:
            with gevent.Timeout(limit_s):
                connection.connect(self._context, endpoint.session, limit_s)
        except gevent.Timeout:
            connection.close()
            exchange.failure = Failure("timeout_connect", f"no connection within {limit_s:g} s")
            return None
        except OSError as error:
            connection.close()
            exchange.failure = self._refusal(error)
            return None
        except BaseException:  # killed while connecting: nothing stays behind
            connection.close()
            raise
        finally:
            exchange.dns_s, exchange.tcp_s, exchange.tls_s = connection.dns_s, connection.tcp_s, connection.tls_s
        exchange.connection = "resumed" if connection.resumed else "new"
        exchange.remote_addr = connection.remote_addr
        return connection

    def _converse(
        self, connection: Connection, limits: Limits, request: bytes, exchange: Exchange, has_content: HasContent
    ) -> None:
        waiter: Waiter[None] = Waiter()
        # By way of the loop: the waiting greenlet must not run inside the hub's round of reads.
        wake = partial(self._loop.run_callback, waiter.switch, None)
        connection.start(request, exchange, wake)
        deadline = Deadline(exchange, limits, has_content, wake)
        self._deadlines.add(deadline)
        try:
            waiter.get()
        finally:
            self._deadlines.remove(deadline)

    def _refusal(self, error: OSError) -> Failure:
        """Why no connection came about, in a person's words; a lack of our own is no failure to connect."""
        if error.errno in _OUR_LACK:
            self.sockets_refused += 1
            return Failure("dropped", f"this machine has no socket left: {error.strerror}")
        return Failure("connection", f"cannot connect: {error.strerror or error}")

    @staticmethod
    def _put_back(endpoint: Endpoint, connection: Connection, exchange: Exchange) -> None:
        connection.release()
        endpoint.session = connection.session or endpoint.session
        whole = exchange.keep_alive and exchange.failure is None
        if connection.open_for_use and whole and len(endpoint.idle) < _IDLE_LIMIT:
            endpoint.idle.append(connection)
        else:
            connection.close()

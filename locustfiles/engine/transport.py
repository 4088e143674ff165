"""The Transport sends a request over a pooled connection and gives back an Exchange, whatever happened to it.

Deadlines for connect, first token, idle and total each end an exchange with an error kind of their own. A request is
never retried once a byte was sent. It does not know prompts, providers' prices, or what a body says, but for one
question asked late: whether the bytes so far hold a first token.
"""

from __future__ import annotations

import errno
import functools
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

import gevent
from gevent.hub import Waiter

from locustfiles.engine.connection import Connection
from locustfiles.engine.exchange import Exchange
from locustfiles.engine.hub import Hub, now_ns
from locustfiles.engine.tls import client_context
from providers.dialects.base import Failure
from providers.route import Route, route_to
from providers.sample import ErrorKind
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

    @functools.cached_property
    def route(self) -> Route:
        return route_to(self.url)


HasContent = Callable[[Exchange], bool]


class Transport:
    """One per process, behind one hub."""

    def __init__(self) -> None:
        self.hub = Hub()
        self._context = client_context()
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
        loop = gevent.get_hub().loop

        def wake() -> None:
            # By way of the loop: the waiting greenlet must not run inside the hub's round of reads.
            loop.run_callback(waiter.switch, None)

        connection.start(request, exchange, wake)
        deadline = Deadline(exchange, limits, has_content, wake)
        try:
            waiter.get()
        finally:
            deadline.cancel()

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


class Deadline:
    """One timer per exchange, set to the next moment at which a limit might have passed.

    Content can only be told from pings and empty frames by decoding, so that is asked when a limit is due, not per
    read. ``idle_timeout_s`` binds from the first token on, ``first_token_timeout_s`` until then.
    """

    def __init__(self, exchange: Exchange, limits: Limits, has_content: HasContent, wake: Callable[[], None]) -> None:
        self._exchange, self._limits, self._has_content, self._wake = exchange, limits, has_content, wake
        self._answering = False
        self._arm(0.0)

    def cancel(self) -> None:
        self._timer.stop()
        self._timer.close()

    def _arm(self, now_s: float) -> None:
        limits = self._limits
        idle_due_s = self._last_read_s() + limits.idle_timeout_s
        dues_s = [limits.total_timeout_s, idle_due_s if idle_due_s > now_s else now_s + limits.idle_timeout_s]
        if not self._answering:
            dues_s.append(limits.first_token_timeout_s)
        self._timer = gevent.get_hub().loop.timer(max(0.0, min(dues_s) - now_s))
        self._timer.start(self._fired)

    def _fired(self) -> None:
        exchange = self._exchange
        if exchange.complete or exchange.failure is not None:
            return
        self.cancel()
        now_s = exchange.since_start_s(now_ns()) + 1e-3  # timers may fire a little early
        kind = self._passed(now_s)
        if kind is None:
            self._arm(now_s)
            return
        exchange.failure = Failure(kind, f"given up after {now_s:.3g} s")
        self._wake()

    def _passed(self, now_s: float) -> ErrorKind | None:
        """The limit that has passed, if any."""
        limits = self._limits
        if now_s >= limits.total_timeout_s:
            return "timeout_total"
        self._answering = self._answering or self._has_content(self._exchange)
        if not self._answering:
            return "timeout_first_token" if now_s >= limits.first_token_timeout_s else None
        return "timeout_idle" if now_s >= self._last_read_s() + limits.idle_timeout_s else None

    def _last_read_s(self) -> float:
        seen_ns = self._exchange.seen_ns
        return self._exchange.since_start_s(seen_ns[-1]) if seen_ns else 0.0

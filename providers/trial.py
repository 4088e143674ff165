"""A Trial is one real request to one provider, to see that it answers. It is no measurement: its clock is user space.

It uses the standard library alone, so that it works beside any event loop and before the load engine is imported.
What it found is put into words by ``providers.findings``.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from providers.auth import Credential, credential_for, obtain
from providers.dialects import DIALECTS
from providers.dialects.base import Dialect, Failure, HttpRequest, Prompt
from providers.dialects.reply import Arrival, Reply, read_reply
from providers.errors import ConfigError
from providers.remedy import words_of
from providers.roster import Roster
from providers.route import Route, pass_proxy, route_to
from providers.sample import ErrorKind
from providers.secret import Secret
from providers.simulator.child import at_simulator, simulator
from providers.spec import Limits, Provider
from providers.wire import decoded, headers, target
from providers.workload import load_workload

_READ_BYTES = 65536
_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Trial:
    """``failure`` in place of the reply's: the same kind, in words for a person."""

    provider: Provider
    prompt: Prompt
    status: int | None
    headers: Mapping[str, str]
    reply: Reply
    failure: Failure | None
    secrets: tuple[Secret, ...] = ()

    @property
    def cost_usd(self) -> float | None:
        usage = self.reply.usage
        if usage.input_tokens is None or usage.output_tokens is None:
            return None
        parts = (usage.cached_tokens or 0, usage.cache_write_tokens or 0, usage.reasoning_tokens or 0)
        return self.provider.price.request_usd(usage.input_tokens, usage.output_tokens, *parts)


def try_roster(roster: Roster) -> list[Trial]:
    """One request per provider, all at once, within each one's limits; mock entries get a simulator of their own."""
    with contextlib.ExitStack() as stack:
        providers = list(roster.providers)
        if any(provider.type == "mock" for provider in providers):
            base_url = stack.enter_context(simulator(roster.path))
            providers = [at_simulator(p, base_url) if p.type == "mock" else p for p in providers]
        pool = stack.enter_context(ThreadPoolExecutor(min(len(providers), _AT_ONCE)))
        return list(pool.map(try_provider, providers))


def try_provider(provider: Provider) -> Trial:
    dialect = DIALECTS[provider.dialect_name]
    prompt = load_workload("chat").prompt(time.time_ns(), 0, provider.name)  # a new one each time: no cache has it
    try:
        credential = credential_for(provider)
        obtain(provider, credential)
    except ConfigError as error:
        words = str(error).removeprefix(f"provider '{provider.name}': ")
        return Trial(provider, prompt, None, {}, Reply(), Failure("auth", words))
    answer = _Answer(dialect, stream=provider.request.stream)
    broke = _ask(dialect.build(prompt, provider), provider, credential, answer)
    reply = answer.read() if answer.status else Reply()
    failure = broke or reply.failure
    if failure:
        failure = replace(failure, message=words_of(failure, answer.status, answer.headers))
    return Trial(provider, prompt, answer.status, answer.headers, reply, failure, credential.secrets)


def _ask(request: HttpRequest, provider: Provider, credential: Credential, answer: _Answer) -> Failure | None:
    """Send and read; what broke on the way is a failure."""
    try:
        _fetch(request, provider, credential, answer)
    except _GivenUpError as error:
        return Failure(error.kind, f"nothing came within {error.limit_s:g} s")
    except http.client.HTTPException as error:
        return Failure("protocol", f"{type(error).__name__}: {error}")
    except (OSError, ValueError) as error:  # a proxy variable that is no URL is a ValueError
        return Failure("connection", str(error))
    return None


@dataclass(slots=True)
class _Answer:
    """What has come so far."""

    dialect: Dialect
    stream: bool
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)

    def read(self) -> Reply:
        try:
            bodies = decoded(self.headers, [arrival.data for arrival in self.arrivals])
        except ValueError as error:
            return Reply(failure=Failure("protocol", str(error)))
        arrivals = [replace(arrival, data=data) for arrival, data in zip(self.arrivals, bodies, strict=True)]
        return read_reply(self.dialect, self.status or 0, self.headers, arrivals, stream=self.stream)


class _GivenUpError(Exception):
    def __init__(self, kind: ErrorKind, limit_s: float) -> None:
        super().__init__(kind)
        self.kind, self.limit_s = kind, limit_s


def _fetch(request: HttpRequest, provider: Provider, credential: Credential, answer: _Answer) -> None:
    limits = provider.limits
    proof = credential.headers(request)
    with contextlib.closing(_connection(route_to(request.url), limits.connect_timeout_s)) as connection:
        started = time.perf_counter()
        fields = headers(request, proof, f"check-{time.time_ns():x}")
        connection.request(request.method, target(request), request.body, fields)
        wire = connection.sock  # http.client forgets it when the answer will close the connection
        with _patience(wire, limits, started, seen=False):
            response = connection.getresponse()
        answer.status = response.status
        answer.headers = {name.lower(): value for name, value in response.getheaders()}
        seen = False
        while True:
            with _patience(wire, limits, started, seen=seen), contextlib.suppress(http.client.IncompleteRead):
                data = b""
                data = response.read1(_READ_BYTES)
            if not data:
                return
            answer.arrivals.append(Arrival(time.perf_counter() - started, data))
            seen = seen or bool(answer.read().chunks)


def _connection(route: Route, timeout_s: float) -> http.client.HTTPConnection:
    """The way the load takes, too: straight to the host, or through the proxy that the environment names."""
    try:
        wire = socket.create_connection(route.dial, timeout_s)
        if route.connect:
            pass_proxy(wire, route.connect)
        if route.encrypted:
            wire = ssl.create_default_context().wrap_socket(wire, server_hostname=route.host)
    except TimeoutError:
        raise _GivenUpError("timeout_connect", timeout_s) from None
    connection = http.client.HTTPConnection(route.host, route.port, timeout=timeout_s)
    connection.sock = wire
    return connection


@contextlib.contextmanager
def _patience(wire: socket.socket, limits: Limits, started: float, *, seen: bool) -> Iterator[None]:
    """Gives the next read what the limits leave; ``seen`` says that content has come."""
    elapsed_s = time.perf_counter() - started
    first, idle, total = limits.first_token_timeout_s, limits.idle_timeout_s, limits.total_timeout_s
    step: tuple[float, ErrorKind, float] = (
        (idle, "timeout_idle", idle) if seen else (first - elapsed_s, "timeout_first_token", first)
    )
    left_s, kind, limit_s = min(step, (total - elapsed_s, "timeout_total", total))
    wire.settimeout(max(0.001, left_s))
    try:
        yield
    except TimeoutError:
        raise _GivenUpError(kind, limit_s) from None

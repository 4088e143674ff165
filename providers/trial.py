"""A Trial is one real request to one provider, to see that it answers. It is no measurement: its clock is user space.

It uses the standard library alone, so that it works beside any event loop and before the load engine is imported.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from providers.dialects import DIALECTS
from providers.dialects.base import Dialect, Failure, HttpRequest
from providers.dialects.reply import Arrival, Reply, read_reply
from providers.roster import Roster
from providers.sample import ErrorKind
from providers.simulator.child import at_simulator, simulator
from providers.spec import Limits, Provider
from providers.table import table
from providers.workload import load_workload

_READ_BYTES = 65536
_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Trial:
    provider: Provider
    status: int | None
    reply: Reply

    @property
    def failure(self) -> Failure | None:
        return self.reply.failure

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
    answer = _Answer(dialect, stream=provider.request.stream)
    failure = None
    try:
        _fetch(dialect.build(prompt, provider), provider, answer)
    except _GivenUpError as error:
        failure = Failure(error.kind, f"nothing came within {error.limit_s:g} s")
    except http.client.HTTPException as error:
        failure = Failure("protocol", f"{type(error).__name__}: {error}")
    except OSError as error:
        failure = Failure("connection", str(error))
    reply = answer.read() if answer.status else Reply()
    reply.failure = failure or reply.failure
    return Trial(provider, answer.status, reply)


@dataclass(slots=True)
class _Answer:
    """What has come so far."""

    dialect: Dialect
    stream: bool
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)

    def read(self) -> Reply:
        return read_reply(self.dialect, self.status or 0, self.headers, self.arrivals, stream=self.stream)


class _GivenUpError(Exception):
    def __init__(self, kind: ErrorKind, limit_s: float) -> None:
        super().__init__(kind)
        self.kind, self.limit_s = kind, limit_s


def _fetch(request: HttpRequest, provider: Provider, answer: _Answer) -> None:
    limits = provider.limits
    connection = _connection(request.url, limits.connect_timeout_s)
    with contextlib.closing(connection):
        try:
            connection.connect()
        except TimeoutError:
            raise _GivenUpError("timeout_connect", limits.connect_timeout_s) from None
        started = time.perf_counter()
        parts = urlsplit(request.url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(request.method, target, request.body, {**request.headers, **provider.auth.headers()})
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


def _connection(url: str, timeout_s: float) -> http.client.HTTPConnection:
    """Straight to the host, or through the system's proxy where one is set for https."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port, timeout=timeout_s)
    proxy = getproxies().get("https")
    if not proxy or proxy_bypass(host):
        return http.client.HTTPSConnection(host, parts.port, timeout=timeout_s)
    middle = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    tunnel = http.client.HTTPSConnection(middle.hostname or "", middle.port, timeout=timeout_s)
    tunnel.set_tunnel(host, parts.port)
    return tunnel


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


def report(roster: Roster, trials: list[Trial]) -> str:
    """A table, and one line for each that failed."""
    head = ["provider", "outcome", "TTFT ms", "E2E ms", "tokens in/out", "USD"]
    scrub = roster.scrubber().scrub
    failed = [f"{t.provider.name}: {t.failure.kind}: {t.failure.message[:200]}" for t in trials if t.failure]
    return scrub("\n".join([table([head, *map(_row, trials)]), *failed]))


def _row(trial: Trial) -> list[str]:
    reply = trial.reply
    outcome = f"{trial.status or '-'} {trial.failure.kind if trial.failure else 'ok'}"
    tokens = f"{_shown(reply.usage.input_tokens)} / {_shown(reply.output_tokens)}"
    usd = "-" if trial.cost_usd is None else f"{trial.cost_usd:.6f}"
    return [trial.provider.name, outcome, _milliseconds(reply.ttft_s), _milliseconds(reply.e2e_s), tokens, usd]


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.0f}"


def _shown(count: int | None) -> str:
    return "-" if count is None else str(count)

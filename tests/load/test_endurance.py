"""Ten thousand requests that are killed, time out, are reset, refused or succeed: nothing stays behind."""

from __future__ import annotations

import contextlib
import gc
import random
import socket
import struct
from pathlib import Path
from typing import Any

import gevent
import psutil
import pytest
from gevent.pool import Pool

from locustfiles.engine.exchange import Exchange
from locustfiles.engine.lane import CutOffError
from locustfiles.engine.transport import Endpoint, Transport
from providers.spec import Limits
from tests.load.scripted import DONE, FINISH, HEAD, REQUEST, chunked, content

CONCURRENT = 100
GROWTH_LIMIT_BYTES = 5 * 2**20


def _fates() -> list[Any]:
    def whole(sock: Any) -> None:
        sock.sendall(HEAD + chunked(content("x"), FINISH, DONE))

    def reset(sock: Any) -> None:
        sock.sendall(HEAD + chunked(content("x"), end=False))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    def cut(sock: Any) -> None:
        sock.sendall(HEAD)
        sock.close()

    def silent(sock: Any) -> None:
        with contextlib.suppress(OSError):
            sock.recv(1)  # until the client leaves

    return [whole, whole, reset, cut, silent]


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.timeout(120)
def test_ten_thousand_requests_leave_no_descriptor_and_no_memory(serve):
    """As many descriptors as before, and within 5 MB of the memory after the first thousand."""
    rng = random.Random(1)
    urls = [*(serve(fate) for fate in _fates()), "http://127.0.0.1:9/v1"]
    transport = Transport()
    endpoints = [Endpoint(url, Limits(first_token_timeout_s=0.05, total_timeout_s=1)) for url in urls]

    def one() -> None:
        with contextlib.suppress(CutOffError):
            transport.send(rng.choice(endpoints), REQUEST, Exchange(), lambda _: False)

    def some(requests: int) -> None:
        pool = Pool(CONCURRENT)
        for _ in range(requests):
            greenlet = pool.spawn(one)
            if rng.random() < 0.1:
                gevent.spawn_later(rng.random() * 0.05, gevent.kill, greenlet, CutOffError())
        pool.join()
        for endpoint in endpoints:
            while endpoint.idle:
                endpoint.idle.pop().close()
        gevent.sleep(0.2)
        gc.collect()

    process = psutil.Process()
    some(10)  # gevent's resolver and timers have opened what they keep
    before = _descriptors()
    some(1_000)
    after_first = process.memory_info().rss
    some(9_000)
    assert not transport.hub._readers
    assert before >= _descriptors()  # servers of earlier tests may have closed theirs meanwhile
    assert process.memory_info().rss - after_first < GROWTH_LIMIT_BYTES
    transport.close([])

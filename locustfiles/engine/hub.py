"""The Hub is the process's one clock and one epoll set: every read of every stream passes here and is dated here.

Arrival times come from the kernel (SO_TIMESTAMPNS through recvmsg): they say when bytes reached this host's network
stack, however late Python came to fetch them. One gevent watcher stands for all streams, so a stream costs a greenlet
switch per request, not per chunk. It does not know HTTP: it hands (time, bytes) to whoever owns the socket.
"""

from __future__ import annotations

import socket as plain_socket
import struct
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import gevent
from gevent import monkey

from providers.errors import ConfigError

SO_TIMESTAMPNS = 35  # asm-generic/socket.h; Python has no name for it
_EPOLLIN, _EPOLLOUT = 0x1, 0x4
_READ_BYTES = 65536
_SLACK_NS = 50_000  # a stamp may miss [last seen empty, now] by this much and still be believed
_STEP_NS = 100_000  # smaller moves are the two readings being torn apart, not the clock being set
_TURNS_PER_ROUND = 2  # handshakes cost a millisecond each: a storm of them must not stand before the reads
_timespec = struct.Struct("qq").unpack_from
now_ns = time.monotonic_ns


class Reader(Protocol):
    """The owner of a socket in the set."""

    drained_ns: int  # when its socket may last have been emptied: what is read next came later

    def on_read(self, at_ns: int, seen_ns: int, kernel: bool, data: bytes) -> None:
        """``at_ns`` by the kernel (else by us), ``seen_ns`` when Python had it (CLOCK_MONOTONIC); b"" is the end."""
        ...

    def on_writable(self) -> None: ...


class Hub:
    """One per process, made after Locust has forked; ``close`` it when the run ends."""

    def __init__(self) -> None:
        _check_loop()
        self._epoll = monkey.get_original("select", "epoll")()
        self._readers: dict[int, tuple[Any, Reader]] = {}
        self.unstamped = 0  # reads without a believable kernel time
        self.clock_steps = 0
        self.offset_ns = _realtime_offset_ns()
        self._round_ns = now_ns()
        self._keeper = _stamping_socket()  # keeps the kernel's stamping switched on
        self.stamps = self._keeper is not None and self._probe()
        self._turns: deque[Callable[[], None]] = deque()
        self._watcher = gevent.get_hub().loop.io(self._epoll.fileno(), 1)
        self._watcher.start(self._ready)

    def watch(self, sock: Any, reader: Reader) -> None:
        if self._keeper is not None:
            sock.setsockopt(plain_socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._readers[sock.fileno()] = (sock, reader)
        self._epoll.register(sock.fileno(), _EPOLLIN)

    def want_write(self, sock: Any, wanted: bool) -> None:
        self._epoll.modify(sock.fileno(), _EPOLLIN | (_EPOLLOUT if wanted else 0))

    def forget(self, sock: Any) -> None:
        if self._readers.pop(sock.fileno(), None) is not None:
            self._epoll.unregister(sock.fileno())

    @property
    def sockets(self) -> int:
        """Connections there are, in use or idle."""
        return len(self._readers)

    def in_turn(self, work: Callable[[], None]) -> None:
        """Do costly work soon, a little of it in each round of the loop."""
        if not self._turns:
            gevent.get_hub().loop.run_callback(self._take_turns)
        self._turns.append(work)

    def _take_turns(self) -> None:
        for _ in range(min(_TURNS_PER_ROUND, len(self._turns))):
            self._turns.popleft()()
        if self._turns:
            # By way of a timer, so that reads come before it.
            gevent.get_hub().loop.timer(0).start(self._take_turns)

    def close(self) -> None:
        self._watcher.stop()
        self._watcher.close()
        self._epoll.close()
        if self._keeper is not None:
            self._keeper.close()

    def _ready(self) -> None:
        self._refresh_offset()
        for fd, happened in self._epoll.poll(0, 8192):
            entry = self._readers.get(fd)
            if entry is None:
                continue
            sock, reader = entry
            try:
                if happened & _EPOLLOUT:
                    reader.on_writable()
                if happened != _EPOLLOUT:
                    self._read(sock, reader)
            except Exception:  # noqa: BLE001 - an error here would end the loop of every stream: show it and go on
                gevent.get_hub().handle_error(reader, *sys.exc_info())

    def _read(self, sock: Any, reader: Reader) -> None:
        try:
            data, ancillary, _, _ = sock.recvmsg(_READ_BYTES, 64)
        except BlockingIOError:
            return
        except OSError:
            data, ancillary = b"", ()
        at = seen = now_ns()
        kernel = False
        if ancillary:
            seconds, nanos = _timespec(ancillary[0][2])
            stamp = seconds * 1_000_000_000 + nanos - self.offset_ns
            if reader.drained_ns - _SLACK_NS <= stamp <= seen + _SLACK_NS:
                at, kernel = stamp, True
        if data and not kernel:
            self.unstamped += 1
        reader.on_read(at, seen, kernel, data)
        if len(data) < _READ_BYTES:
            reader.drained_ns = self._round_ns

    def _refresh_offset(self) -> None:
        """Stamps are CLOCK_REALTIME. A slew moves both clocks alike; only a step changes the offset."""
        # Taken before any read of the round: a packet may come between a read and a look at the clock after it.
        self._round_ns = now_ns()
        offset = time.clock_gettime_ns(time.CLOCK_REALTIME) - self._round_ns
        if abs(offset - self.offset_ns) > 5_000:  # preempted between the two readings, or a step: look closer
            offset = _realtime_offset_ns()
            self.clock_steps += abs(offset - self.offset_ns) > _STEP_NS
        self.offset_ns = offset

    def _probe(self, limit_s: float = 2.0) -> bool:
        """Send to ourselves until a stamp comes: the kernel switches stamping on later than it says.

        TCP only: on UDP a missing stamp is filled in at read time, which would prove nothing.
        """
        real = monkey.get_original("socket", "socket")
        listener, sender = real(), real()
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        sender.connect(listener.getsockname())
        receiver, _ = listener.accept()
        receiver.setsockopt(plain_socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        deadline = time.monotonic() + limit_s
        try:
            while time.monotonic() < deadline:
                sender.send(b"x")
                if receiver.recvmsg(16, 64)[1]:
                    return True
                time.sleep(0.001)
            return False
        finally:
            for sock in (listener, sender, receiver):
                sock.close()


def _check_loop() -> None:
    """Libuv wakes later and costs more per event: 21 against 16 us, measured; it also knows no foreign epoll set."""
    loop = type(gevent.get_hub().loop).__module__
    if "libev" not in loop:
        raise ConfigError(f"GEVENT_LOOP: gevent runs on {loop}; timing needs libev, unset GEVENT_LOOP")


def _realtime_offset_ns() -> int:
    """CLOCK_REALTIME - CLOCK_MONOTONIC, from the narrowest of three brackets."""
    brackets = []
    for _ in range(3):
        before = now_ns()
        wall = time.clock_gettime_ns(time.CLOCK_REALTIME)
        after = now_ns()
        brackets.append((after - before, wall - (before + after) // 2))
    return min(brackets)[1]


def _stamping_socket() -> Any:
    """An idle socket that asks for stamps, or None where the system knows none (then the user clock serves)."""
    if sys.platform != "linux":
        return None
    sock = monkey.get_original("socket", "socket")()
    try:
        sock.setsockopt(plain_socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    except OSError:
        sock.close()
        return None
    return sock

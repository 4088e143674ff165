"""The Target is a server of known truth on loopback: each event it streams says when its predecessor left.

A program of its own, run by path on the standard library alone, so that it starts in 20 ms; it ends when its standard
input does, even if its parent was killed. All its times are CLOCK_MONOTONIC, which is one clock for all processes of a
Linux machine. It does not know who asks, nor how well it is measured.

An answer is ``EVENTS`` content events. Each holds, in nanoseconds, when the request reached this host by the kernel's
stamp (``received_ns``), and the interval in which the event before it was written (``from_ns``, ``until_ns``: the
clock before and after the write). An interval, because a process may be put aside between clock and write: its own
lateness must not look like the client's.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
import time

EVENTS = 4
FIRST_S = 0.05  # from the request's arrival to the first event
GAP_S = 0.02
_SO_TIMESTAMPNS = 35
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_timespec = struct.Struct("qq")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _event(received_ns: int, written: tuple[int, int]) -> bytes:
    return _chunk(
        b'data: {"truth":{"received_ns":%d,"from_ns":%d,"until_ns":%d},"choices":[{"delta":{"content":"x"}}]}\n\n'
        % (received_ns, *written)
    )


def _arrival_ns(ancillary: list[tuple[int, int, bytes]]) -> int:
    """When the kernel had the request, on the monotonic clock; now, where it gives no stamp."""
    now = time.monotonic_ns()
    if not ancillary:
        return now
    seconds, nanos = _timespec.unpack_from(ancillary[0][2])
    stamp: int = seconds * 1_000_000_000 + nanos - (time.time_ns() - now)
    return min(now, stamp)


def _write(connection: socket.socket, data: bytes) -> tuple[int, int]:
    before = time.monotonic_ns()
    connection.sendall(data)
    return before, time.monotonic_ns()


def _answer(connection: socket.socket, received_ns: int) -> None:
    written = (0, 0)
    for index in range(EVENTS):
        due_ns = received_ns + int((FIRST_S + index * GAP_S) * 1e9)
        time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        event = _event(received_ns, written)
        written = _write(connection, event if index else _HEAD + event)
    connection.sendall(_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")


def serve(connection: socket.socket) -> None:
    """One connection, request after request; a request is small enough for one read."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with contextlib.suppress(OSError):  # a system without stamps: then the moment of reading has to serve
        connection.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    try:
        while True:
            data, ancillary, _, _ = connection.recvmsg(65536, 64)
            if not data:
                return
            _answer(connection, _arrival_ns(ancillary))
    except OSError:
        return
    finally:
        connection.close()


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    threading.Thread(target=_accept, args=(listener,), daemon=True).start()
    sys.stdin.read()  # ends with the parent


def _accept(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()

"""The floor of Python: as little as a client of truth.c written in it can do and still date every event by the kernel.

One epoll set, one recvmsg and one append a read; nothing is decoded before the load is over, no framework is there.
What it costs, no client in Python can go below; what ours costs beyond it is ours. It writes a row per request.
"""

from __future__ import annotations

import argparse
import csv
import gc
import select
import socket
import struct
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

SO_TIMESTAMPNS = 35
COLUMNS = ("request_id", "ttft_s", "gap_p50_s", "gap_max_s")
CONTENT, END = b'"content":" ', b"\r\n0\r\n\r\n"
BODY = '{"model":"%s","stream":%s,"messages":[{"role":"user","content":"hi"}]}'
HEAD = (
    "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    "x-request-id: %d-%d\r\ncontent-length: %d\r\n\r\n%s"
)
_timespec = struct.Struct("qq").unpack_from
now_ns = time.monotonic_ns


class Stream:
    """A connection that asks again as soon as it has its answer; ``answers`` are (id, sent, reads)."""

    def __init__(self, number: int, port: int, body: str, *, whole: bool) -> None:
        self.number, self.body, self.whole = number, body, whole
        self.answers: list[tuple[str, int, list[tuple[int, bytes]]]] = []
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.sock.setblocking(False)

    def ask(self) -> None:
        count = len(self.answers) + 1
        self.reads: list[tuple[int, bytes]] = []
        self.answers.append((f"{self.number}-{count}", now_ns(), self.reads))
        self.sock.send((HEAD % (self.number, count, len(self.body), self.body)).encode())

    def read(self, offset_ns: int) -> bool:
        """True when the answer is whole: truth.c writes an unstreamed one at once."""
        data, ancillary, _, _ = self.sock.recvmsg(65536, 64)
        seconds, nanos = _timespec(ancillary[0][2]) if ancillary else divmod(time.time_ns(), 1_000_000_000)
        self.reads.append((seconds * 1_000_000_000 + nanos - offset_ns, data))
        return self.whole or data.endswith(END)


def converse(streams: list[Stream], seconds: float, ramp_s: float) -> None:
    """Closed loop; the streams begin spread over the ramp, and all end with the answer they are in."""
    poll = select.epoll()
    by_fd = {stream.sock.fileno(): stream for stream in streams}
    began, waiting, asking = time.monotonic(), list(reversed(streams)), 0
    offset_ns = time.time_ns() - now_ns()
    while waiting or asking:
        into_s = time.monotonic() - began
        while waiting and into_s >= ramp_s * (len(streams) - len(waiting)) / len(streams):
            stream = waiting.pop()
            poll.register(stream.sock.fileno(), select.EPOLLIN)
            stream.ask()
            asking += 1
        for fd, _ in poll.poll(0.001 if waiting else 1.0, 8192):
            stream = by_fd[fd]
            if stream.read(offset_ns):
                if into_s < seconds:
                    stream.ask()
                else:
                    asking -= 1


def row(request_id: str, sent_ns: int, reads: list[tuple[int, bytes]]) -> list[Any]:
    at_ns = [at for at, data in reads for _ in range(data.count(CONTENT))]
    gaps = sorted(after - before for before, after in pairwise(at_ns)) or [0]
    return [request_id, (at_ns[0] - sent_ns) / 1e9, gaps[(len(gaps) - 1) // 2] / 1e9, gaps[-1] / 1e9]


def main() -> None:
    parser = argparse.ArgumentParser(prog="floor.py", description=__doc__)
    parser.add_argument("-p", dest="port", type=int, required=True)
    parser.add_argument("-m", dest="model", default="sim")
    parser.add_argument("-c", dest="connections", type=int, default=1)
    parser.add_argument("-d", dest="seconds", type=float, default=1.0)
    parser.add_argument("-r", dest="ramp_s", type=float, default=0.0)
    parser.add_argument("-n", dest="whole", action="store_true", help="ask for whole answers")
    parser.add_argument("-o", dest="rows", type=Path, required=True)
    options = parser.parse_args()
    body = BODY % (options.model, str(not options.whole).lower())
    streams = [Stream(number, options.port, body, whole=options.whole) for number in range(options.connections)]
    gc.disable()
    converse(streams, options.seconds, options.ramp_s)
    with options.rows.open("w", newline="", encoding="utf-8") as file:
        answers = [] if options.whole else [answer for stream in streams for answer in stream.answers]
        csv.writer(file).writerows([COLUMNS, *(row(*answer) for answer in answers)])


if __name__ == "__main__":
    main()

"""An Exchange is a request out and an answer in: connection phases plus a list of (arrival time, bytes) reads.

It is llhttp's listener, so each read holds the body bytes it brought. What they mean is ``providers.dialects.reply``'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import sub
from typing import Any

from providers.dialects.base import Failure
from providers.dialects.reply import Arrival
from providers.wire import decoded


@dataclass(slots=True)
class Exchange:
    """``failure`` is what broke on the way; an HTTP error answer is no failure here."""

    held_s: float | None = None  # waited for the provider's own limits before
    connection: str = ""  # new | resumed | reused; empty: no connection was established, no byte was sent
    remote_addr: str = ""
    dns_s: float | None = None
    tcp_s: float | None = None
    tls_s: float | None = None
    start_ns: int = 0  # s
    started_at: float = 0.0  # s in unix seconds
    end_ns: int = 0
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)  # names in lower case; the last of repeated ones
    headers_read: int | None = None
    # The reads, as columns: lists of numbers and bytes are nothing to the garbage collector, whose rounds over a
    # hundred thousand small objects stopped the loop for 20 ms.
    at_ns: list[int] = field(default_factory=list)  # arrival: kernel stamp where there is one, else ``seen_ns``
    seen_ns: list[int] = field(default_factory=list)  # when Python had the bytes
    body: list[bytes] = field(default_factory=list)
    merged: list[bool] = field(default_factory=list)  # covered several network segments
    unstamped: int = 0  # reads without a kernel time
    complete: bool = False
    keep_alive: bool = False  # the answer leaves its connection fit for another
    failure: Failure | None = None
    delimited_by_close: bool = True
    parser: Any = None  # llhttp's, for the status it has read

    def began(self, at_ns: int, realtime_offset_ns: int) -> None:
        self.start_ns = at_ns
        self.started_at = (at_ns + realtime_offset_ns) / 1e9

    def since_start_s(self, at_ns: int) -> float:
        return (at_ns - self.start_ns) / 1e9

    def note_read(self, at_ns: int, seen_ns: int, kernel: bool, *, merged: bool) -> None:
        self.at_ns.append(at_ns)
        self.seen_ns.append(seen_ns)
        self.body.append(b"")
        self.merged.append(merged)
        self.unstamped += not kernel

    @property
    def end_s(self) -> float:
        """From s to the end of the stream by its last stamp, or to the failure by our clock."""
        return self.since_start_s(self.at_ns[-1] if self.complete and self.at_ns else self.end_ns)

    @property
    def headers_s(self) -> float | None:
        return None if self.headers_read is None else self.since_start_s(self.at_ns[self.headers_read])

    @property
    def observer_lag_s(self) -> float | None:
        """Our own lateness: the worst distance between a kernel stamp and the moment Python had the bytes."""
        return max(map(sub, self.seen_ns, self.at_ns), default=0) / 1e9 or None

    @property
    def stamp(self) -> str:
        if not self.at_ns:
            return ""
        return "user" if self.unstamped else "kernel"

    def arrivals(self) -> list[Arrival]:
        """The body as it came; ValueError when it is encoded in a way nobody asked for and we cannot undo."""
        start_ns = self.start_ns
        columns = zip(self.at_ns, decoded(self.headers, self.body), self.merged, strict=True)
        return [Arrival((at - start_ns) / 1e9, data, merged) for at, data, merged in columns if data]

    def closed_by_peer(self) -> None:
        """End of file: the regular end of a body that only closing delimits, a break anywhere else."""
        if self.headers_read is not None and self.delimited_by_close:
            self.complete = True
        elif self.headers_read is None:
            self.failure = Failure("connection", "closed before an answer")
        else:
            self.failure = Failure("truncated", "closed inside the answer")

    # ---- what llhttp calls

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self.parser.get_status_code()
        self.headers_read = len(self.at_ns) - 1
        encoding = self.headers.get("transfer-encoding", "").lower()
        self.delimited_by_close = "content-length" not in self.headers and "chunked" not in encoding

    def on_body(self, data: bytes) -> None:
        self.body[-1] += data

    def on_message_complete(self) -> None:
        if self.status is not None and self.status < 200:  # 100 Continue and its like precede the answer
            self.status, self.headers, self.headers_read = None, {}, None
            return
        self.complete = True
        self.keep_alive = self.parser.should_keep_alive()

"""One exchange of a dialect of ours with any server: bytes as they came, and what the dialect makes of them."""

from __future__ import annotations

import http.client
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from providers.dialects import DIALECTS
from providers.dialects.base import Event, Prompt
from providers.dialects.reply import Arrival, Reply, read_reply
from providers.spec import Provider

TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Heard:
    """``complete`` is false when the connection ended inside the answer."""

    dialect: str
    stream: bool
    status: int
    headers: dict[str, str]
    reads: tuple[bytes, ...]
    complete: bool = True

    @property
    def body(self) -> bytes:
        return b"".join(self.reads)

    @property
    def reply(self) -> Reply:
        arrivals = [Arrival(at_s, data) for at_s, data in enumerate(self.reads)]
        return read_reply(DIALECTS[self.dialect], self.status, self.headers, arrivals, stream=self.stream)

    @property
    def text(self) -> str:
        return "".join(f.text for chunk in self.reply.chunks for f in chunk.fragments if f.category == "answer")


def ask(root: str, dialect: str, words: str, *, stream: bool, model: str = "mock-8b", max_tokens: int = 8) -> Heard:
    """``root`` is the dialect's base_url."""
    asked = {"stream": stream, "max_tokens": max_tokens}
    entry = {"name": "a", "type": "http", "base_url": root, "dialect": dialect, "model": model, "request": asked}
    request = DIALECTS[dialect].build(Prompt("p", (("user", words),)), Provider.model_validate(entry))
    url = urlsplit(request.url)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=TIMEOUT_S)
    target = f"{url.path}?{url.query}" if url.query else url.path
    try:
        connection.request(request.method, target, request.body, request.headers)
        return _read(connection, dialect, stream)
    finally:
        connection.close()


def _read(connection: http.client.HTTPConnection, dialect: str, stream: bool) -> Heard:
    response = connection.getresponse()
    headers = {name.lower(): value for name, value in response.getheaders()}
    reads, complete = [], True
    try:
        while data := response.read1(65536):
            reads.append(data)
        complete = not response.length  # read1 tells nothing of a body that is shorter than announced
    except (http.client.IncompleteRead, ConnectionResetError):
        complete = False
    return Heard(dialect, stream, response.status, headers, tuple(reads), complete)


def events(dialect: str, pieces: Sequence[bytes]) -> list[list[Event]]:
    """The events of every frame of a stream that arrived in these pieces."""
    wire = DIALECTS[dialect]
    framer = wire.framer(stream=True)
    frames = [frame for piece in pieces for frame in framer.feed(piece)] + framer.close()
    return [list(wire.events(frame)) for frame in frames]


def assert_same_however_cut(dialect: str, body: bytes) -> None:
    """Cut in two at every offset, and into single bytes, a stream gives identical events."""
    whole = events(dialect, [body])
    assert any(whole)
    for at in range(1, len(body)):
        assert whole == events(dialect, [body[:at], body[at:]]), f"cut at byte {at}"
    assert whole == events(dialect, [body[at : at + 1] for at in range(len(body))])

"""Every shape of answer that endpoints are known to give: time to first token, gaps, success and error kind.

The same answers are read by two clients as they are commonly written, Locust's ``FastHttpUser.iter_lines`` and
``requests``; the table goes to ``.cache/conformance.md`` and shows what each makes of them.
"""

from __future__ import annotations

import json
import socket
import struct
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import gevent
import pytest
import requests
from locust.contrib.fasthttp import FastHttpSession
from locust.event import EventHook

from tests.load.scripted import DONE, FINISH, HEAD, ROLE, chunked, content

TTFT_S, GAP_S, WORDS = 0.06, 0.02, 5
SLACK_S = 0.012
TRIES = 5  # of a server that could not keep its own schedule
TABLE = Path(__file__).parents[2] / ".cache" / "conformance.md"
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":5}}\n\n'
REASON = b'data: {"choices":[{"delta":{"reasoning_content":"hmm"}}]}\n\n'
PLAIN_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    """What is written when (seconds after the request), and what a right client makes of it."""

    name: str
    writes: list[tuple[float, bytes]]
    error: str = ""
    chunks: int = WORDS
    ttft_s: float = TTFT_S
    gap_s: float = GAP_S  # the median
    closes: str = ""  # "" keep-alive | close | reset


def _times() -> list[float]:
    return [TTFT_S + GAP_S * index for index in range(WORDS)]


def _words(shape: Callable[[bytes], bytes] = lambda event: event) -> list[tuple[float, bytes]]:
    return [(at, chunked(shape(content(f"w{at:.2f}")), end=False)) for at in _times()]


END_S = TTFT_S + GAP_S * WORDS
TAIL = [(END_S, chunked(FINISH, USAGE, DONE))]
START = [(0.0, HEAD)]


def _split_events() -> list[tuple[float, bytes]]:
    """Each event in three segments, the last of which completes it at its time."""
    pieces = []
    for at in _times():
        event = chunked(content("word"), end=False)
        third = len(event) // 3
        pieces += [(at - 0.01, event[:third]), (at - 0.005, event[third : 2 * third]), (at, event[2 * third :])]
    return pieces


def _gzipped() -> list[tuple[float, bytes]]:
    squeeze = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)

    def pack(data: bytes) -> bytes:
        return chunked(squeeze.compress(data) + squeeze.flush(zlib.Z_SYNC_FLUSH), end=False)

    head = HEAD.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n")
    middle = [(at, pack(content("word"))) for at in _times()]
    return [(0.0, head), *middle, (END_S, pack(FINISH + DONE) + chunked(squeeze.flush()))]


def _unchunked(events: list[tuple[float, bytes]]) -> list[tuple[float, bytes]]:
    return [(0.0, PLAIN_HEAD), *events, (END_S, FINISH + DONE)]


ERROR_INSIDE = b'data: {"error":{"message":"boom","code":500}}\n\n'
LATE_S = END_S + 0.1
ANSWERS = [
    Answer("plain", [*START, *_words(), *TAIL]),
    Answer("role event early", [(0.0, HEAD + chunked(ROLE, end=False)), *_words(), *TAIL]),
    Answer("headers early", [(0.0, HEAD), *_words(), *TAIL]),
    Answer("headers with the first event", [(TTFT_S, HEAD + _words()[0][1]), *_words()[1:], *TAIL]),
    Answer("ping comments", [*START, (0.03, chunked(b": ping\n\n", end=False)), *_words(), *TAIL]),
    Answer("CRLF line ends", [*START, *_words(lambda e: e.replace(b"\n", b"\r\n")), *TAIL]),
    Answer("no space after data:", [*START, *_words(lambda e: e.replace(b"data: ", b"data:")), *TAIL]),
    Answer("several events per write", [*START, *_words(lambda e: e + e), *TAIL], chunks=2 * WORDS, gap_s=0.0),
    Answer("one event over many segments", [*START, *_split_events(), *TAIL]),
    Answer("reasoning first", [*START, (TTFT_S, chunked(REASON, end=False)), *_words()[1:], *TAIL]),
    Answer("late tail", [*START, *_words(), (LATE_S, chunked(FINISH, USAGE, DONE))]),
    Answer("missing [DONE]", [*START, *_words(), (END_S, chunked(FINISH, USAGE))]),
    Answer("close-delimited", _unchunked([(at, content("word")) for at in _times()]), closes="close"),
    Answer("gzip although identity was asked", _gzipped()),
    Answer("error inside a 200 stream", [*START, *_words(), (END_S, chunked(ERROR_INSIDE, DONE))], "server"),
    Answer("malformed JSON", [*START, *_words(), (END_S, chunked(b"data: {oops\n\n", FINISH, DONE))], "protocol"),
    Answer("ends without a marker", [*START, *_words(), (END_S, chunked())], "truncated"),
    Answer("cut", [*START, *_words()], "truncated", closes="close"),
    Answer("reset", [*START, *_words()], "truncated", closes="reset"),
    Answer("stall", [*START, *_words(), (3.0, b"")], "timeout_idle"),
]


def _play(sock: Any, answer: Answer, lateness_s: list[float]) -> None:
    """Write it on time; how late the latest write was is noted, so that a busy machine is not blamed on a client."""
    began = time.monotonic()
    latest = 0.0
    for at, data in answer.writes:
        gevent.sleep(max(0.0, began + at - time.monotonic()))
        latest = max(latest, time.monotonic() - began - at)
        sock.sendall(data)
    lateness_s.append(latest)
    if answer.closes == "reset":
        gevent.sleep(0.02)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if answer.closes:
        sock.close()


@dataclass(frozen=True)
class Reading:
    """What one client made of one answer."""

    error: str
    chunks: int
    ttft_s: float | None
    gap_s: float | None

    def right(self, answer: Answer) -> bool:
        timed = self.ttft_s is not None and abs(self.ttft_s - answer.ttft_s) < SLACK_S
        paced = self.gap_s is not None and abs(self.gap_s - answer.gap_s) < SLACK_S
        failed_alike = self.error == answer.error or (self.error == "some" and bool(answer.error))
        return timed and paced and failed_alike and self.chunks == answer.chunks

    def __str__(self) -> str:
        shown = [f"{value * 1000:.0f}" if value is not None else "-" for value in (self.ttft_s, self.gap_s)]
        return f"{shown[0]} / {shown[1]} ms, {self.chunks}, {self.error or 'success'}"


def _median_gap(times: list[float]) -> float | None:
    gaps = sorted(b - a for a, b in pairwise(times))
    return gaps[(len(gaps) - 1) // 2] if gaps else None


def _ours(url: str, ask: Any) -> Reading:
    exchange, reply = ask(url, idle_timeout_s=0.4, total_timeout_s=3)
    failure = exchange.failure or reply.failure
    times = [chunk.at_s for chunk in reply.chunks]
    return Reading(failure.kind if failure else "", len(times), reply.ttft_s, _median_gap(times))


def _by_lines(lines: Callable[[], Any]) -> Reading:
    """The usual loop: the time of each ``data:`` line with content; success unless something was raised."""
    began, times, error = time.monotonic(), [], ""
    try:
        for raw in lines():
            line = raw if isinstance(raw, str) else raw.decode()
            if not line.startswith("data: ") or "[DONE]" in line:
                continue
            choices = json.loads(line[6:]).get("choices") or [{}]
            if choices[0].get("delta", {}).get("content"):
                times.append(time.monotonic() - began)
    except Exception:  # noqa: BLE001 - whatever the library raises is its way of telling
        error = "some"
    return Reading(error, len(times), times[0] if times else None, _median_gap(times))


def _requests(url: str, _ask: Any) -> Reading:
    with requests.Session() as session:

        def lines() -> Any:
            answer = session.post(url, data=b"{}", stream=True, timeout=0.5, headers={"accept-encoding": "identity"})
            return answer.iter_lines()

        return _by_lines(lines)


def _fast_http(url: str, _ask: Any) -> Reading:
    session = FastHttpSession(url, EventHook(), None, network_timeout=0.5, connection_timeout=1)

    try:
        return _by_lines(lambda: session.iter_lines("", "POST", data=b"{}"))
    finally:
        session.client.close()


@pytest.fixture(scope="module")
def table():
    """Rows of the table; written when the last is in."""
    rows: dict[str, dict[str, str]] = {}
    yield rows
    lines = ["| answer (TTFT / median gap, chunks, outcome) | Nephoscope | FastHttpUser.iter_lines | requests |"]
    lines.append("|---|---|---|---|")
    lines += [f"| {name} | {' | '.join(cells.values())} |" for name, cells in rows.items()]
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.name)
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the other clients' business
def test_answer_is_read_right_and_what_others_make_of_it_is_noted(serve, ask, answer, table):
    """Ours must be right in all; the others' readings are evidence, not judged."""
    lateness_s: list[float] = []
    url = serve(lambda sock: _play(sock, answer, lateness_s))
    for _ in range(TRIES):
        ours = _ours(url, ask)
        if ours.right(answer) or (lateness_s and lateness_s[-1] < SLACK_S / 3):
            break
    readings = {"ours": ours, "fast": _fast_http(url, ask), "requests": _requests(url, ask)}
    table[answer.name] = {
        name: f"{'right' if reading.right(answer) else '**wrong**'}: {reading}" for name, reading in readings.items()
    }
    assert ours.right(answer), f"expected {answer.ttft_s} s, {answer.gap_s} s, {answer.error!r}; got {ours}"

"""Pieces of answers that the scripted servers of this suite put on the wire."""

from typing import Any

import gevent

from locustfiles.engine import lane
from locustfiles.engine.exchange import Exchange
from providers.dialects import DIALECTS
from providers.dialects.reply import Reply

REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: test\r\ncontent-length: 2\r\n\r\n{}"


def reply_of(exchange: Exchange) -> Reply:
    return lane.reply_of(exchange, DIALECTS["openai-chat"], stream=True)


def chunked(*parts: bytes, end: bool = True) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + (b"0\r\n\r\n" if end else b"")


def content(text: str) -> bytes:
    return b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n' % text.encode()


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
ROLE = b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'
FINISH = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"


def whole_stream(sock: Any, pause_s: float = 0.02) -> None:
    """Role early, two chunks ``pause_s`` apart, the usual end."""
    sock.sendall(HEAD + chunked(ROLE, end=False))
    for word in ("one", "two"):
        gevent.sleep(pause_s)
        sock.sendall(chunked(content(word), end=False))
    sock.sendall(chunked(FINISH, DONE))

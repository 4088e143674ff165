"""Real sockets on both sides of a real router: scripted providers, and the application served in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import uvicorn

from router.app import create_app
from router.settings import settings

KEY = "sk-canary-of-the-provider-0123456789"


def event(**chunk):
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def delta(**content):
    return event(object="chat.completion.chunk", choices=[{"index": 0, "delta": content}])


ROLE = delta(role="assistant", content="")
FINISH = event(object="chat.completion.chunk", choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
USAGE = event(object="chat.completion.chunk", choices=[], usage={"prompt_tokens": 3, "completion_tokens": 2})
DONE = b"data: [DONE]\n\n"
STREAM = ROLE + delta(content="one ") + delta(content="two") + FINISH + DONE
WHOLE = json.dumps({
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "one two"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
}).encode()  # fmt: skip


@dataclass
class Asked:
    """One request that a scripted provider got, with the writer of its answer."""

    name: str
    head: str
    body: dict
    writer: asyncio.StreamWriter

    @property
    def stream(self):
        return bool(self.body.get("stream"))

    async def answer(self, body, status=200, kind=None, headers="", length=True):
        kind = kind or ("text/event-stream" if self.stream else "application/json")
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n{headers}"
        head += f"content-length: {len(body)}\r\n" if length else "transfer-encoding: chunked\r\n"
        self.writer.write(head.encode() + b"\r\n")
        await self.part(body, chunked=not length)

    async def part(self, data, *, chunked=True):
        if data:
            self.writer.write(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
        await self.writer.drain()

    async def end(self):
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    async def whole(self):
        await self.answer(STREAM if self.stream else WHOLE)


async def good(asked):
    await asked.whole()


class Providers:
    """``url/NAME/v1`` is answered by ``scripts[NAME]``; ``asked`` and ``closed`` say what came and when it went."""

    def __init__(self):
        self.scripts, self.asked, self.closed = {"good": good}, [], []
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait(5)

    def _run(self):
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=4096))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(asyncio.sleep(0.01))  # transports close a round later
        self._loop.close()

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    async def _serve(self, reader, writer):
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                    size = int(
                        next(x for x in head.lower().split("\r\n") if x.startswith("content-length")).split(":")[1]
                    )
                    asked = Asked(head.split("/")[1], head, json.loads(await reader.readexactly(size)), writer)
                    self.asked.append(asked)
                    script = asyncio.ensure_future(self.scripts[asked.name](asked))
                    gone = asyncio.ensure_future(reader.read(1))
                    await asyncio.wait({script, gone}, return_when=asyncio.FIRST_COMPLETED)
                    if gone.done():
                        script.cancel()
                        await asyncio.gather(script, gone, return_exceptions=True)
                        self.closed.append(time.monotonic())
                        break
                    gone.cancel()
                    await asyncio.gather(script, gone, return_exceptions=True)
                    if writer.is_closing():
                        break
        finally:
            writer.close()


def providers_file(folder, text):
    file = folder / "providers.yaml"
    file.write_text("providers:\n" + text)
    return file


def entry(name, url, price=1.0, more="", model=""):
    """The cheaper is asked first by far: that is how a test says who is asked."""
    head = f"name: {name}, type: http, base_url: '{url}/{name}/v1', path: /chat/completions, model: '{model}'"
    auth = "auth: {kind: bearer, token: '${ROUTER_TEST_KEY}'}"
    return f"  - {{{head}, {auth}, price: {{input_per_1m: {price}, output_per_1m: {price}}}{more}}}\n"


class Router:
    """The application behind a real socket, in a thread with a loop of its own."""

    def __init__(self, file, *flags, **environ):
        self.app = create_app(settings(["--providers", str(file), "--port", "0", *flags], environ))
        self.relay = self.app.state.relay
        config = uvicorn.Config(
            self.app, port=0, loop="uvloop", http="httptools", ws="none", log_config=None, lifespan="on",
            server_header=False, timeout_graceful_shutdown=1, backlog=4096,
        )  # fmt: skip
        self.server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self.server.run, daemon=True)

    def __enter__(self):
        self._thread.start()
        limit = time.monotonic() + 20
        while not self.server.started and time.monotonic() < limit:
            time.sleep(0.005)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_):
        self.server.should_exit = True
        self._thread.join(10)

    def ask(self, stream=False, headers=(), body=None, path="/v1/chat/completions", method="POST", timeout=20):
        """(status, headers, body) of one request."""
        asked = {"messages": [{"role": "user", "content": "hello"}], "stream": stream} | (body or {})
        return fetch(self.url, path, json.dumps(asked), dict(headers), method, timeout)

    def get(self, path, **headers):
        return fetch(self.url, path, None, headers, "GET", 20)


def fetch(url, path, body, headers, method, timeout):
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)
    with contextlib.closing(connection):
        connection.request(method, path, body, {"content-type": "application/json"} | headers)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()

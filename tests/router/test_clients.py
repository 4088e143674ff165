"""The clients people have: the official SDK, LangChain, curl; bytes as the provider sent them; who leaves, leaves."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import openai
import pytest

from providers.simulator.child import simulator
from tests.router.world import DONE, FINISH, ROLE, STREAM, WHOLE, delta, entry, fetch, providers_file

ASKED = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]


def test_the_official_sdk_works_unmodified(providers, routed):
    """Sync and streaming, tools untouched in both directions."""
    called = [{"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]

    async def calls(asked):
        assert TOOLS == asked.body["tools"]
        finish = FINISH.replace(b"stop", b"tool_calls")
        await asked.answer(ROLE + delta(tool_calls=called) + finish + DONE)

    providers.scripts["tools"] = calls
    with openai.OpenAI(api_key="none", base_url=f"{routed('good').url}/v1", max_retries=0) as client:
        assert "one two" == client.chat.completions.create(**ASKED).choices[0].message.content
        with client.chat.completions.create(**ASKED, stream=True) as stream:
            assert "one two" == "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        assert ["auto", "default"] == [model.id for model in client.models.list()]
    with (
        openai.OpenAI(api_key="none", base_url=f"{routed('tools').url}/v1", max_retries=0) as client,
        client.chat.completions.create(**ASKED, tools=TOOLS, stream=True) as stream,
    ):
        assert (
            "f" == next(c.choices[0].delta.tool_calls for c in stream if c.choices[0].delta.tool_calls)[0].function.name
        )


def test_the_asynchronous_sdk_works_and_raises_at_a_broken_stream(providers, routed):
    """A half answer is an exception, not an end."""

    async def cut(asked):
        await asked.answer(ROLE + delta(content="one"), length=False)
        asked.writer.close()

    async def use(url):
        async with openai.AsyncOpenAI(api_key="none", base_url=f"{url}/v1", max_retries=0) as client:
            answer = await client.chat.completions.create(**ASKED)
            with pytest.raises(openai.APIError, match="bad"):
                async for _ in await client.chat.completions.create(**ASKED, stream=True):
                    pass
            return answer.choices[0].message.content

    async def bad(asked):
        await (cut(asked) if asked.stream else asked.whole())

    providers.scripts["bad"] = bad
    assert "one two" == asyncio.run(use(routed("bad").url))


def test_langchain_works(routed):
    """In a process of its own: its imports warn."""
    pytest.importorskip("langchain_openai")
    script = (
        "import sys\nfrom langchain_openai import ChatOpenAI\n"
        "chat = ChatOpenAI(model='auto', api_key='none', base_url=sys.argv[1], max_retries=0)\n"
        "print(chat.invoke('hello').content, '|', ''.join(part.content for part in chat.stream('hello')))\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", script, f"{routed('good').url}/v1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert "one two | one two" == done.stdout.strip(), done.stderr


def test_curl_works(routed):
    """As everyone tries first."""
    command = [
        "curl",
        "-sN",
        f"{routed('good').url}/v1/chat/completions",
        "--json",
        json.dumps(ASKED | {"stream": True}),
    ]
    assert STREAM == subprocess.run(command, capture_output=True, check=True, timeout=20).stdout


@pytest.mark.parametrize("seed", range(12))
def test_a_stream_is_passed_on_byte_for_byte(providers, routed, seed):
    """sha256 is the same, however events are cut into reads, with comments, CRLF and unknown fields in between."""
    rng = random.Random(seed)
    line_end = rng.choice([b"\n", b"\r\n"])
    words = [delta(content=rng.choice(["é", "a b", "\u2028", "x" * 3000])) for _ in range(40)]
    odd = [b": comment\n\n", b'event: ping\ndata: {"type": "ping"}\n\n', b"id: 3\nretry: 5\n\n"]
    parts = [ROLE, *words, *odd]
    rng.shuffle(parts)
    stream = (b"".join(parts) + FINISH + DONE).replace(b"\n", line_end)

    async def bits(asked):
        await asked.answer(b"", length=False)
        left = stream
        while left:
            size = rng.randint(1, 4000)
            await asked.part(left[:size])
            left = left[size:]
            await asyncio.sleep(0)
        await asked.end()

    providers.scripts["bits"] = bits
    body = routed("bits").ask(True)[2]
    assert hashlib.sha256(stream).hexdigest() == hashlib.sha256(body).hexdigest()


def test_the_simulators_streams_are_passed_on_byte_for_byte(tmp_path, providers, routed):
    """As it sent them, usage and reasoning included; only how they are cut into reads is ours."""
    folder = tmp_path / "simulator"
    folder.mkdir()
    mock = "  - {name: m, type: mock, model: m8, mock: {ttft_s: 0, gap_s: 0.001, reasoning_tokens: 3}}\n"
    wanted = ASKED | {"stream_options": {"include_usage": True}, "max_tokens": 40}
    sent = []
    with simulator(providers_file(folder, mock)) as address:

        async def tee(asked):
            asking = (address, "/m/v1/chat/completions", json.dumps(asked.body), {}, "POST", 20)
            sent.append((await asyncio.to_thread(fetch, *asking))[2])
            await asked.answer(b"", length=False)
            for begin in range(0, len(sent[-1]), 97):
                await asked.part(sent[-1][begin : begin + 97])
            await asked.end()

        providers.scripts["tee"] = tee
        router = routed("tee")
        came = [router.ask(True, body=wanted)[2] for _ in range(5)]
    assert [hashlib.sha256(body).hexdigest() for body in sent] == [hashlib.sha256(body).hexdigest() for body in came]
    assert all(body.endswith(DONE) for body in came)


async def hang(_asked):
    await asyncio.sleep(60)


async def role_and_hang(asked):
    await asked.answer(ROLE, length=False)
    await asyncio.sleep(60)


async def word_and_hang(asked):
    await asked.answer(ROLE + delta(content="one"), length=False)
    await asyncio.sleep(60)


@pytest.mark.parametrize(
    ("phase", "stream"), [(hang, False), (role_and_hang, True), (word_and_hang, True)],
    ids=["whole", "before-first-output", "mid-stream"],
)  # fmt: skip
def test_a_caller_that_leaves_takes_its_request_along(providers, routed, phase, stream):
    """A thousand times: the provider's connection is closed within 50 ms every time, and nobody is blamed."""
    providers.scripts["slow"] = phase
    router = routed("slow")
    body = json.dumps(ASKED | {"stream": stream}).encode()
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    )
    late = []
    for departure in range(1000):
        sock = socket.create_connection(("127.0.0.1", router.port), timeout=10)
        sock.sendall(head % len(body) + body)
        if phase is word_and_hang:
            sock.recv(65536)
        else:
            until(lambda n=departure: len(providers.asked) > n)
        sock.close()
        left_s = time.monotonic()
        until(lambda n=departure: len(providers.closed) > n)
        late.append(providers.closed[departure] - left_s)
    sys.stdout.write(f"closed after ms {[round(1e3 * sorted(late)[place], 1) for place in (500, 989, 999)]}\n")
    assert max(late) <= 0.05
    until(lambda: router.relay.in_flight == 0)
    target = router.relay.upstreams["slow"].target
    assert (0, 0, "closed") == (target.in_flight, target.modes[stream].success.weight, target.breaker.state(1e9))
    assert 'outcome="client_cancelled",provider="slow"} 1000.0' in router.get("/metrics")[2].decode()


def until(true, limit_s=10.0):
    end = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.0005)


def test_sigterm_drains(providers, tmp_path):
    """What has begun ends whole, readyz says 503, new requests are refused, and the exit code is 0 or the signal's."""

    async def slow(asked):
        await asked.answer(ROLE + delta(content="one"), length=False)
        await asyncio.sleep(1.5)
        await asked.part(FINISH + DONE)
        await asked.end()

    providers.scripts["slow"] = slow
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = providers_file(tmp_path, entry("slow", providers.url))
    command = [sys.executable, "-m", "router", "--providers", str(file), "--port", str(port)]
    with subprocess.Popen(command, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        url = f"http://127.0.0.1:{port}"

        def ready():
            try:
                return 200 == fetch(url, "/readyz", None, {}, "GET", 5)[0]
            except OSError:
                return False

        until(ready, 30)
        body = json.dumps(ASKED | {"stream": True}).encode()
        with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
            head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            sock.sendall(head + b"content-length: %d\r\n\r\n" % len(body) + body)
            came = sock.recv(65536)
            child.send_signal(signal.SIGTERM)
            until(lambda: 503 == fetch(url, "/readyz", None, {}, "GET", 5)[0])
            assert 503 == fetch(url, "/v1/chat/completions", json.dumps(ASKED), {}, "POST", 5)[0]
            while b"[DONE]" not in came:
                data = sock.recv(65536)
                assert data
                came += data
        out, err = child.communicate(timeout=20)
    assert child.returncode in (0, -signal.SIGTERM)
    assert "" == err
    assert {"ok", "stopping"} == {json.loads(line)["outcome"] for line in out.splitlines()}


def test_many_streams_at_once_are_all_whole(providers, routed):
    """Two hundred at a time, five times over: none lost, no descriptor left behind."""

    async def slow(asked):
        await asked.answer(ROLE, length=False)
        for _ in range(5):
            await asked.part(delta(content="x"))
            await asyncio.sleep(0.05)
        await asked.part(FINISH + DONE)
        await asked.end()

    async def one(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = json.dumps(ASKED | {"stream": True}).encode()
        head = (
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n"
        )
        writer.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        came = await reader.read()
        writer.close()
        return b"[DONE]" in came

    async def many(port):
        return await asyncio.gather(*(one(port) for _ in range(200)))

    providers.scripts["slow"] = slow
    router = routed("slow")
    assert all(asyncio.run(many(router.port)))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(4):
        assert all(asyncio.run(many(router.port)))
    assert abs(len(list(Path("/proc/self/fd").iterdir())) - before) <= 20


def test_fixed_addresses_one_provider_where_that_is_allowed(providers, routed):
    """Even if its breaker is open: its errors are what is asked for. Elsewhere the header is refused."""
    router = routed("good", "other", flags=["--allow-fixed"])
    providers.scripts["other"] = providers.scripts["good"]
    router.relay.upstreams["other"].target.breaker.open_for(60, time.monotonic(), "x")
    _, headers, body = router.ask(headers=[("x-router-strategy", "fixed:other")])
    assert ("other", "fixed:other", WHOLE) == (headers["x-router-provider"], headers["x-router-strategy"], body)
    assert 404 == router.ask(headers=[("x-router-strategy", "fixed:nobody")])[0]
    assert 400 == routed("good").ask(headers=[("x-router-strategy", "fixed:good")])[0]

"""The trial takes the way the load takes, and its findings end in what to do next."""

from __future__ import annotations

import http.server
import os
import socket
import ssl
import subprocess
import sys
import threading
import zlib
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from providers.dialects import DIALECTS
from providers.dialects.base import Prompt
from providers.dialects.reply import Arrival, read_reply
from providers.findings import next_steps, price_steps
from providers.spec import Provider
from providers.trial import Trial
from providers.wire import decoded

STREAM = (
    b'data: {"model":"m","choices":[{"delta":{"content":"one"}}]}\n\n'
    b'data: {"model":"m","choices":[{"delta":{"content":" two"}}]}\n\n'
    b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":128}}\n\ndata: [DONE]\n\n'
)
TODAY = datetime.now(UTC).date()
PRICED = {"input_per_1m": 1, "output_per_1m": 1, "as_of": TODAY}


class Model(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.wfile.write(STREAM)

    def log_message(self, *_):
        pass


@pytest.fixture
def model(tmp_path):
    """An https server for model.test and localhost: (its port, the file that makes it trusted)."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("model.test", "localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, tmp_path / "ca.pem"
    server.shutdown()
    server.server_close()


@pytest.fixture
def proxy(model):
    """A CONNECT proxy that takes every name for this machine: (its port, the heads of what it was asked)."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked = []

    def pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def serve():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(1)
            asked.append(head)
            server = socket.create_connection(("127.0.0.1", model[0]))
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=pump, args=(server, client), daemon=True)
            back.start()
            pump(client, server)
            back.join(5)
            server.close()
            client.close()

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1], asked
    listener.close()


def live(tmp_path, base_url, **env):
    file = tmp_path / "providers.yaml"
    file.write_text(f"providers: [{{name: a, type: http, base_url: '{base_url}', auth: {{kind: none}}}}]")
    command = [sys.executable, "-m", "providers", "check", str(file), "--live"]
    plain = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return subprocess.run(command, capture_output=True, text=True, timeout=30, env=plain | env, check=False)


def test_https_goes_through_the_proxy_that_the_environment_names(tmp_path, model, proxy):
    """With the account in its URL, and the certificate checked behind it."""
    port, trusted = model
    done = live(
        tmp_path,
        f"https://model.test:{port}/v1",
        HTTPS_PROXY=f"http://u:p@127.0.0.1:{proxy[0]}",
        SSL_CERT_FILE=str(trusted),
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    assert "200 ok" in done.stdout
    (head,) = proxy[1]
    assert head.startswith(f"CONNECT model.test:{port} HTTP/1.1\r\n".encode())
    assert b"proxy-authorization: Basic dTpw\r\n" in head


def test_loopback_is_never_proxied_and_a_stranger_is_not_trusted(tmp_path, model, proxy):
    """As the load does it: straight to localhost; without its authority's file the server is refused."""
    port, trusted = model
    through = f"http://127.0.0.1:{proxy[0]}"
    done = live(tmp_path, f"https://localhost:{port}/v1", HTTPS_PROXY=through, SSL_CERT_FILE=str(trusted))
    assert "200 ok" in done.stdout
    done = live(tmp_path, f"https://localhost:{port}/v1", HTTPS_PROXY=through)
    assert 3 == done.returncode
    assert "certificate verify failed" in done.stdout
    assert [] == proxy[1]


def trial(body=STREAM, headers=(), **fields):
    entry = {"name": "a", "type": "http", "base_url": "https://x/v1", "price": PRICED, **fields}
    provider = Provider.model_validate(entry)
    told = {"content-type": "text/event-stream", **dict(headers)}
    reply = read_reply(DIALECTS["openai-chat"], 200, told, [Arrival(0.1, body)], stream=True)
    return Trial(provider, Prompt("p", (), 9, 128), 200, told, reply, reply.failure)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, None),
        ({"body": STREAM.replace(b'"usage"', b'"useage"')}, "it reports no usage"),
        ({"headers": [("content-encoding", "gzip")]}, "it compresses although identity was asked"),
        ({"body": STREAM.replace(b":128", b":97")}, "its answer ended early"),
        ({"body": STREAM.replace(b":128", b":97").replace(b'"stop"', b'"length"')}, None),
        ({"body": STREAM.replace(b'"one"', b'""')}, "its whole answer came as one event"),
        (
            {"body": STREAM.replace(b'tokens":128', b'tokens":128,"prompt_tokens_details":{"cached_tokens":5}')},
            "came from a cache",
        ),
        ({"price": {}}, "its price is unknown"),
        ({"price": {"hourly_usd": 2, "as_of": TODAY}}, None),
        ({"price": {"input_per_1m": 1, "output_per_1m": 1}}, "its price has no date"),
    ],
)
def test_each_thing_that_wants_doing_is_a_step_and_nothing_else_is(change, words):
    """A provider that reports usage, ends at its cap and has a dated price wants nothing."""
    steps = list(next_steps(trial(**change)))
    assert ([] if words is None else [True]) == [words in step for step in steps]


@pytest.mark.parametrize(("days", "stale"), [(30, False), (31, True)])
def test_a_price_is_old_after_thirty_days(days, stale):
    """As scoring notes it."""
    provider = trial().provider
    today = provider.price.as_of + timedelta(days)
    assert stale == bool(list(price_steps(provider, today)))


def test_a_body_that_was_compressed_unasked_is_read_all_the_same():
    """Read by read, as the inflater lets go of it; another encoding cannot be undone."""
    packed = zlib.compress(STREAM)
    assert STREAM == b"".join(decoded({"content-encoding": "deflate"}, [packed[:20], packed[20:]]))
    assert [b"x"] == decoded({}, [b"x"])
    for encoding, words in (("br", "content-encoding br although identity was asked"), ("gzip", "is broken")):
        with pytest.raises(ValueError, match=words):
            decoded({"content-encoding": encoding}, [b"\x01\x02\x03"])

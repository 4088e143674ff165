"""Real files, a real simulator process, and a plain client for it."""

from __future__ import annotations

import csv
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from providers.dialects import DIALECTS
from providers.dialects.reply import Arrival, Reply, read_reply
from providers.roster import Roster, load_roster

WAIT_S = 10.0


@dataclass
class Answer:
    """What one request got, timed in user space from the moment it was written."""

    status: int
    headers: dict[str, str]
    reply: Reply
    body: bytes
    headers_s: float


@dataclass
class Simulator:
    """A running ``python -m providers simulate`` and a client for it."""

    process: subprocess.Popen[str]
    first_line: dict[str, Any]
    truth_file: Path
    key: str = ""

    @property
    def address(self) -> str:
        return str(self.first_line["base_url"]).removeprefix("http://")

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.address, timeout=WAIT_S)

    def send(self, connection: http.client.HTTPConnection, name: str, request_id: str, **body: Any) -> None:
        wanted = {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": 8}
        wanted |= {"messages": [{"role": "user", "content": " one two three"}], **body}
        headers = {"x-request-id": request_id, "authorization": f"Bearer {self.key}"}
        connection.request("POST", f"/{name}/v1/chat/completions", json.dumps(wanted), headers)

    def ask(self, name: str, request_id: str = "r", **body: Any) -> Answer:
        """One request on a connection of its own, read to its end."""
        connection = self.connect()
        try:
            start = time.monotonic()
            self.send(connection, name, request_id, **body)
            response = connection.getresponse()
            headers_s = time.monotonic() - start
            arrivals = []
            try:
                while data := response.read1(65536):
                    arrivals.append(Arrival(time.monotonic() - start, data))
            except http.client.IncompleteRead:
                pass  # a truncated answer
            headers = {key.lower(): value for key, value in response.getheaders()}
            stream = body.get("stream", True)
            reply = read_reply(DIALECTS["openai-chat"], response.status, headers, arrivals, stream=stream)
            return Answer(response.status, headers, reply, b"".join(a.data for a in arrivals), headers_s)
        finally:
            connection.close()

    def ask_many(self, name: str, count: int, at_once: int = 32, **body: Any) -> list[Answer]:
        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(lambda i: self.ask(name, f"{name}-{i}", **body), range(count)))

    def rows(self) -> list[dict[str, str]]:
        with self.truth_file.open(newline="") as file:
            return list(csv.DictReader(file))

    def row(self, request_id: str, within_s: float = 2.0) -> dict[str, str]:
        """The one truth row of a request, as soon as it stands there."""
        deadline = time.monotonic() + within_s
        while not (found := [row for row in self.rows() if row["request_id"] == request_id]):
            assert time.monotonic() < deadline, f"no truth row for {request_id}"
            time.sleep(0.01)
        assert 1 == len(found)
        return found[0]

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """(exit code, seconds it took)."""
        start = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(WAIT_S), time.monotonic() - start


Start = Callable[..., Simulator]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts simulators that end with the module."""
    running: list[subprocess.Popen[str]] = []

    def run(text: str, *flags: str, key: str = "") -> Simulator:
        folder = tmp_path_factory.mktemp("simulator")
        (folder / "providers.yaml").write_text(text)
        command = [sys.executable, "-m", "providers", "simulate", str(folder / "providers.yaml")]
        process = subprocess.Popen(
            [*command, "--truth", str(folder / "truth.csv"), *flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "NEPHOSCOPE_SIMULATOR_KEY": key},
        )
        running.append(process)
        assert process.stdout is not None
        return Simulator(process, json.loads(process.stdout.readline()), folder / "truth.csv", key)

    yield run
    for process in running:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


Load = Callable[[str], Roster]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads a roster from text."""

    def run(text: str) -> Roster:
        path = tmp_path / "providers.yaml"
        path.write_text(text, encoding="utf-8")
        return load_roster(path)

    return run

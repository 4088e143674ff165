"""Stock Locust reading streams in the ways it offers: ``locust -f tests/bench/stock.py FastLines``.

A locustfile. Each class dates content events as its users would, once a line is there and decoded, and writes what
our harness writes: a row per request. It knows nothing of the harness.
"""

from __future__ import annotations

import csv
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import orjson
from locust import HttpUser, constant, events, task
from locust.contrib.fasthttp import FastHttpUser

PATH = "/v1/chat/completions"
STAGGER_S = 1.0  # as the harness does it: Locust itself would start all users in step
COLUMNS = ("request_id", "ttft_s", "gap_p50_s", "gap_max_s")
rows: list[list[str]] = []
slots = itertools.count()
now_ns = time.monotonic_ns


def add_flags(parser: Any) -> None:
    parser.add_argument("--model", default="sim", help="the schedule, as sim-t200-g20-n50")
    parser.add_argument("--samples", default="samples.csv", help="where the rows go")


def write_rows(environment: Any, **_: Any) -> None:
    with Path(environment.parsed_options.samples).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])


events.init_command_line_parser.add_listener(add_flags)
events.quitting.add_listener(write_rows)


class Asker:
    """What all classes share: when they begin, what they ask, and how a stream becomes a row."""

    environment: Any
    wait_time = constant(0)
    stream = True

    def on_start(self) -> None:
        options = self.environment.parsed_options
        self.slot, self.asked = next(slots), 0
        self.body = {
            "model": options.model,
            "stream": self.stream,
            "messages": [{"role": "user", "content": "hello"}],
        }
        gevent.sleep(STAGGER_S * self.slot / options.num_users)

    def begin(self) -> dict[str, str]:
        self.asked += 1
        self.at_ns: list[int] = []
        self.started_ns = now_ns()
        return {"x-request-id": f"{self.slot}-{self.asked}"}

    def take(self, line: bytes, loads: Callable[[bytes], Any]) -> None:
        at_ns = now_ns()
        if line.startswith(b"data: {"):
            choices = loads(line[6:])["choices"]
            if choices and choices[0]["delta"].get("content"):
                self.at_ns.append(at_ns)

    def end(self) -> None:
        gaps = sorted(after - before for before, after in itertools.pairwise(self.at_ns))
        seconds = (self.at_ns[0] - self.started_ns, gaps[(len(gaps) - 1) // 2], gaps[-1])
        rows.append([f"{self.slot}-{self.asked}", *(f"{value / 1e9:.6f}" for value in seconds)])


class FastLines(Asker, FastHttpUser):
    """FastHttpUser with its own ``iter_lines``."""

    @task
    def ask(self) -> None:
        for line in self.client.iter_lines(PATH, method="POST", json=self.body, headers=self.begin()):
            self.take(line.encode(), json.loads)
        self.end()


class FastReadline(Asker, FastHttpUser):
    """FastHttpUser, its response read line by line below the public interface: the fastest that stock Locust can."""

    @task
    def ask(self) -> None:
        headers = self.begin()
        with self.client.post(PATH, json=self.body, headers=headers, stream=True, catch_response=True) as response:
            while line := response._response.readline(b"\n"):
                self.take(bytes(line), orjson.loads)
            response.success()
        self.end()


class RequestsLines(Asker, HttpUser):
    """HttpUser, that is requests, with ``iter_lines`` as chunks come."""

    @task
    def ask(self) -> None:
        headers = self.begin()
        with self.client.post(PATH, json=self.body, headers=headers, stream=True, catch_response=True) as response:
            for line in response.iter_lines(chunk_size=None):
                self.take(line, json.loads)
            response.success()
        self.end()


class FastWhole(Asker, FastHttpUser):
    """FastHttpUser asking for whole answers."""

    stream = False

    @task
    def ask(self) -> None:
        self.client.post(PATH, json=self.body, headers=self.begin()).json()

"""A request is a row, whatever the answer holds and whatever goes wrong on the way."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path
from typing import Any

import pytest
from locust.env import Environment

from locustfiles.engine.experiment import Place
from locustfiles.engine.lane import Lane
from locustfiles.engine.recorder import Recorder
from providers.sample import from_row, to_row
from providers.secret import Scrubber, Secret
from providers.spec import Provider
from providers.workload import load_workload
from tests.load.scripted import DONE, FINISH, HEAD, chunked, content

CANARY = "CANARY-8d1f-key"


@pytest.fixture
def perform(transport, endpoints, tmp_path, serve):
    """``perform(script, **entry)``: one request of a lane, its sample and its row in the file."""
    numbers = itertools.count()

    def run(script: Any, **entry: Any) -> Any:
        entry = {"name": "p", "type": "http", "base_url": serve(script), **entry}
        provider = Provider.model_validate(entry)
        path = tmp_path / f"samples{next(numbers)}.csv"
        recorder = Recorder(path, ["p"], Environment(user_classes=[]))
        place = Place(Path("x.yaml"), Path("results"), "", "")
        lane = Lane(provider, "run", transport, recorder, Scrubber([Secret(f"Bearer {CANARY}")]), place)
        endpoints.append(lane.endpoint)
        lane.schedule()
        sample = lane.perform(lane.prepare(load_workload("chat"), 1, 0, "0"), "measure", 0.0)
        recorder.close()
        assert 0 == lane.outstanding
        rows = path.read_text(encoding="utf-8").splitlines()
        assert 2 == len(rows)
        return sample

    return run


@pytest.mark.parametrize("odd", ['{"a":1}', '"12"', "true", "-3", "1.5", "null", "[]", "1e400"])
def test_usage_of_an_odd_type_is_unknown_and_costs_no_row(perform, odd):
    """Providers send what they like where a count belongs."""
    usage = f'data: {{"choices":[],"usage":{{"prompt_tokens":{odd},"completion_tokens":12.0,"cost":{odd}}}}}\n\n'
    sample = perform(lambda sock: sock.sendall(HEAD + chunked(content("x"), usage.encode(), FINISH, DONE)))
    assert sample.input_tokens in (None, 128)  # the target, where the provider said nothing usable
    if not sample.error:
        assert 12 == sample.output_tokens
    assert to_row(sample) == to_row(from_row(to_row(sample)))


@pytest.mark.parametrize(("encoding", "remark"), [("gzip", "compressed (gzip) although identity was asked"), ("", "")])
def test_success_that_came_compressed_says_so(perform, encoding, remark):
    """It counts, but a compressor may have held its events back."""
    body = content("x") + FINISH + DONE

    def script(sock: Any) -> None:
        named = f"\r\ncontent-encoding: {encoding}\r\n\r\n".encode() if encoding else b"\r\n\r\n"
        sock.sendall(HEAD.replace(b"\r\n\r\n", named) + chunked(gzip.compress(body) if encoding else body))

    sample = perform(script)
    assert ("", remark) == (sample.error, sample.detail)


def test_secret_that_a_provider_echoes_reaches_no_column(perform):
    """In its model name, its error message or its request id: three stars stand instead."""

    def script(sock: Any) -> None:
        echo = b'data: {"model":"m-' + CANARY.encode() + b'","choices":[]}\n\n'
        head = HEAD.replace(b"\r\n\r\n", b"\r\nx-request-id: " + CANARY.encode() + b"\r\n\r\n")
        sock.sendall(head + chunked(echo, b'data: {"error":{"message":"bad ' + CANARY.encode() + b'"}}\n\n'))

    sample = perform(script)
    assert "***" in sample.served_model
    assert CANARY not in "".join(to_row(sample))


def test_trouble_that_nobody_foresaw_is_a_connection_failure(perform, monkeypatch):
    """A proxy variable that is no URL: one row, in words, and the next request is not held up."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:abc")
    sample = perform(lambda _: None, base_url="https://model.test/v1")
    assert "connection" == sample.error
    assert "could not be sent" in sample.detail

"""The benchmark's own instruments, in a second: speed is never asserted here, only that they tell the truth."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from tests.bench import machine
from tests.bench.bars import bars
from tests.bench.clients import C_READER, OUR_HARNESS, Load
from tests.bench.report import tables
from tests.bench.rows import Row, Seat, medians
from tests.bench.truth import compiled, truth

needs_cc = pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
FIGURES = {
    "ttft_p50_ms": 0.05, "ttft_p99_ms": 0.2, "start_p99_ms": 0.2, "gap_p50_p99_ms": 0.001, "gap_max_p99_ms": 0.01,
    "cpu_us": 20.0, "a_second": 2100.0, "rate": 1.0, "outside_s": 1.0, "late_p99_ms": 0.1,
}  # fmt: skip


@needs_cc
@pytest.mark.parametrize("client", ["reader", "floor"])
def test_the_readers_time_what_the_server_did(client, tmp_path):
    """Two programs that share only the clock agree, request by request, on first tokens and gaps."""
    rows = tmp_path / "samples.csv"
    with truth(tmp_path) as server:
        port = server.url.rpartition(":")[2]
        program = [compiled("reader")] if client == "reader" else [sys.executable, "-m", "tests.bench.floor"]
        command = [*program, "-p", port, "-m", "sim-t50-g5-n20", "-c", "8", "-d", "1", "-o", rows]
        subprocess.run(command, check=True, timeout=30)
    both = pd.read_csv(rows, dtype={"request_id": str}).merge(server.requests, on="request_id")
    assert len(server.requests) == len(both) > 8
    assert {(20, 1)} == set(zip(both.events, both.whole, strict=True))
    first_ms = (both.first_ns - both.arrival_ns) / 1e6
    assert first_ms.min() >= 50
    assert 0.5 > (both.ttft_s * 1e3 - first_ms).abs().median()
    assert 0.5 > (both.gap_p50_s * 1e3 - both.gap_p50_ns / 1e6).abs().median()


@needs_cc
def test_events_carry_the_times_that_the_log_has(tmp_path):
    """In-band truth is the log's: the write time in every event, the arrival time in the first."""
    with truth(tmp_path) as server:
        text = ask(server.url, {"model": "sim-t20-g10-n3-ts", "stream": True})
        ask(server.url, {"model": "sim-t20-g10-n3"})
    frames = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: {")]
    choices = [choice for frame in frames for choice in json.loads(frame)["choices"]]
    first, second, third = (choice["delta"]["content"] for choice in choices if choice["delta"].get("content"))
    streamed, whole = server.requests.itertuples()
    assert [streamed.first_ns, streamed.arrival_ns] == [int(number) for number in first.split()]
    assert sorted([streamed.gap_p50_ns, streamed.gap_max_ns]) == sorted(
        [int(second) - streamed.first_ns, int(third) - int(second)]
    )
    assert int(third) == streamed.last_ns
    assert whole.first_ns == whole.last_ns >= whole.arrival_ns + 40_000_000
    assert text.endswith("data: [DONE]\n\n")
    assert 2 == server.statistics["requests"]


def ask(url, body):
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"x-request-id": "one"})
    text = connection.getresponse().read().decode()
    connection.close()
    return text


@needs_cc
def test_a_window_counts_the_events_written_in_it(tmp_path):
    """CPU per event divides by this: all events over the whole log, half of them over half of a stream."""
    with truth(tmp_path) as server:
        ask(server.url, {"model": "sim-t20-g10-n11", "stream": True})
    (only,) = server.requests.itertuples()
    assert 11 == server.events(only.arrival_ns, only.last_ns)
    assert 5.5 == pytest.approx(server.events((only.first_ns + only.last_ns) // 2, only.last_ns))


def test_a_missed_bar_is_said_plainly():
    """Met when every load meets it; the load that does not is named."""
    rows = [row(OUR_HARNESS, 50, ttft_p99_ms=3.0), row(OUR_HARNESS, 1000), row(C_READER, 50, cpu_us=5.0)]
    judged = {bar.text: bar for bar in bars(rows)}
    assert judged["TTFT error p50 <= 0.1 ms"].met
    assert not judged["TTFT error p99 <= 1 ms"].met
    assert "50: 3 ms (missed), 1000: 0.2 ms" == judged["TTFT error p99 <= 1 ms"].measured
    assert not judged["CPU per streamed event <= 2 x C reader"].met
    assert judged["1000 streams on a core at full rate with TTFT error p99 <= 5 ms"].met
    assert "**not met**" in tables(rows)


def test_a_rows_repetitions_become_their_medians():
    """One bad repetition of three decides nothing."""
    (only,) = medians([row(OUR_HARNESS, 50, cpu_us=cpu_us) for cpu_us in (19.0, 90.0, 21.0)])
    assert 21.0 == only.figures["cpu_us"]


def test_a_row_with_a_late_server_is_marked():
    """What was forced through is not mistaken for a figure."""
    assert "server late**" in tables([row(OUR_HARNESS, 50, late_p99_ms=1.5)])
    assert "server late**" not in tables([row(OUR_HARNESS, 50)])


def test_a_busy_machine_is_refused(monkeypatch):
    """Load by others is told in words, with the limit."""
    monkeypatch.setattr(machine.os, "getloadavg", lambda: (64.0, 1.0, 1.0))
    assert "the machine is busy" in machine.why_unfit()


def row(client, streams, **figures):
    return Row(client, Load(streams, 5), Seat((0, 1)), FIGURES | figures, "command")

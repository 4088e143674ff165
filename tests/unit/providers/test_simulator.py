"""The simulator over real sockets: what a client sees, and what the truth log says of it."""

from __future__ import annotations

import json
import signal
import socket
import time

import pytest

from providers.roster import load_roster
from providers.sample import ERROR_KINDS
from providers.simulator.plan import draw_plan
from providers.simulator.truth import COLUMNS

MOCKS = """
version: 1
defaults: {type: mock, model: mock-8b}
providers:
  - {name: plain, mock: {ttft_s: 0.1, gap_s: 0.02}}
  - {name: instant, mock: {ttft_s: 0, gap_s: 0}}
  - {name: short, mock: {ttft_s: 0, gap_s: 0, output_tokens: 5}}
  - {name: chunky, mock: {ttft_s: 0.01, gap_s: 0, tokens_per_chunk: 4}}
  - {name: thinker, mock: {ttft_s: 0.02, gap_s: 0.02, reasoning_tokens: 3}}
  - {name: failing, mock: {ttft_s: 0, gap_s: 0, error_rate: 0.3, seed: 5}}
  - {name: broken, mock: {ttft_s: 0.01, gap_s: 0.01, error_rate: 1}}
  - {name: limited, mock: {ttft_s: 0, gap_s: 0, quota_rps: 4}}
  - {name: narrow, mock: {ttft_s: 0.2, gap_s: 0.02, capacity: 2}}
  - {name: truncating, mock: {ttft_s: 0.01, gap_s: 0.01, truncate_rate: 1}}
  - {name: stalling, mock: {ttft_s: 0.01, gap_s: 0.01, stall_rate: 1}}
  - {name: malforming, mock: {ttft_s: 0.01, gap_s: 0.01, malformed_rate: 1}}
  - {name: slow, mock: {ttft_s: 5, gap_s: 1}}
"""


@pytest.fixture(scope="module")
def simulator(start):
    return start(MOCKS)


def test_the_first_line_names_the_address_and_the_mocks(simulator):
    """Exactly one JSON line tells the parent where the simulator listens and whom it plays."""
    assert 13 == len(simulator.first_line["providers"])
    assert "plain" == simulator.first_line["providers"][0]
    assert simulator.first_line["base_url"].startswith("http://127.0.0.1:")


def test_a_stream_is_shaped_as_openai_shapes_it(simulator):
    """Role-only chunk, content, finish, a choice-less usage chunk, then [DONE]."""
    answer = simulator.ask("instant", max_tokens=2)
    *frames, done = [f.removeprefix(b"data: ") for f in answer.body.split(b"\n\n") if f]
    chunks = [json.loads(frame) for frame in frames]
    assert b"[DONE]" == done
    assert {"role": "assistant", "content": ""} == chunks[0]["choices"][0]["delta"]
    assert ["content"] == list(chunks[1]["choices"][0]["delta"])
    assert [None, None, None, "length"] == [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]]
    assert [] == chunks[-1]["choices"]
    assert {"chat.completion.chunk"} == {chunk["object"] for chunk in chunks}
    assert {None} == {chunk["usage"] for chunk in chunks[:-1]}
    expected = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    details = {"prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0}}
    assert expected | details == chunks[-1]["usage"]


def test_no_usage_is_sent_unless_it_was_asked_for(simulator):
    """Without stream_options.include_usage no chunk bears the key usage."""
    answer = simulator.ask("instant", stream_options=None)
    assert b"usage" not in answer.body
    assert answer.reply.failure is None


def test_truth_agrees_with_what_the_client_saw(simulator):
    """On loopback the client's times lie within 20 ms of the truth, and counts are equal."""
    answer = simulator.ask("plain", "agree")
    row = simulator.row("agree")
    seen = (answer.headers_s, answer.reply.ttft_s, answer.reply.ttfo_s, answer.reply.e2e_s)
    true = [float(row[key]) for key in ("headers_s", "ttft_s", "ttfo_s", "e2e_s")]
    assert pytest.approx(true, abs=0.02) == list(seen)
    counts = ("200", "", "length", "8", "3", "8", "0")
    keys = ("status", "error", "finish", "chunks", "input_tokens", "output_tokens", "reasoning_tokens")
    assert counts == tuple(row[key] for key in keys)
    assert pytest.approx(0.02, abs=0.01) == float(row["gap_p50_s"])
    assert tuple(row) == COLUMNS


def test_headers_and_role_chunk_leave_at_half_of_the_first_token_time(simulator):
    """A client that takes the first chunk for content is off by half of the TTFT, and is caught."""
    simulator.ask("plain", "half")
    row = simulator.row("half")
    assert pytest.approx(0.05, abs=0.01) == float(row["headers_s"])
    assert pytest.approx(0.10, abs=0.01) == float(row["ttft_s"])


def test_delays_do_not_add_up_over_a_stream(simulator):
    """Every chunk has an absolute due instant: 60 gaps of 20 ms last 1.2 s and no more than a few ms longer."""
    simulator.ask("plain", "long", max_tokens=61)
    row = simulator.row("long")
    assert pytest.approx(1.2, abs=0.03) == float(row["e2e_s"]) - float(row["ttft_s"])


def test_a_unary_answer_comes_when_the_last_chunk_would_have(simulator):
    """stream: false gives one JSON document after TTFT and all gaps, counted as one chunk."""
    answer = simulator.ask("plain", "unary", stream=False)
    row = simulator.row("unary")
    assert "application/json" == answer.headers["content-type"]
    assert 8 == answer.reply.output_tokens
    assert answer.reply.failure is None
    assert pytest.approx(0.1 + 7 * 0.02, abs=0.02) == float(row["ttft_s"])
    assert ("1", "8", "length") == (row["chunks"], row["output_tokens"], row["finish"])


@pytest.mark.parametrize(
    ("name", "max_tokens", "tokens", "finish"),
    [("instant", 7, 7, "length"), ("instant", None, 128, "stop"), ("short", 3, 3, "length"), ("short", 50, 5, "stop")],
)
def test_the_answer_is_as_long_as_mock_or_request_say(simulator, name, max_tokens, tokens, finish):
    """The mock's own length, cut by the request's cap; without either 128."""
    reply = simulator.ask(name, max_tokens=max_tokens).reply
    assert (tokens, finish) == (reply.usage.output_tokens, reply.finish)


def test_max_completion_tokens_is_the_cap_by_its_newer_name(simulator):
    """OpenAI's newer key wins over the older one."""
    assert 4 == simulator.ask("instant", max_completion_tokens=4, max_tokens=9).reply.usage.output_tokens


def test_several_tokens_share_a_chunk(simulator):
    """10 tokens, 4 in a chunk: three chunks of four, four and two words."""
    reply = simulator.ask("chunky", max_tokens=10).reply
    assert [4, 4, 2] == [len(chunk.fragments[0].text.split()) for chunk in reply.chunks]


def test_reasoning_streams_first_and_counts_into_the_cap(simulator):
    """Three reasoning tokens, then the answer; TTFO lies behind TTFT by their gaps."""
    reply = simulator.ask("thinker", "think", max_tokens=8).reply
    row = simulator.row("think")
    assert ["reasoning"] * 3 + ["answer"] * 5 == [chunk.fragments[0].category for chunk in reply.chunks]
    assert (8, 3) == (reply.usage.output_tokens, reply.usage.reasoning_tokens)
    assert pytest.approx(0.06, abs=0.02) == float(row["ttfo_s"]) - float(row["ttft_s"])
    assert "3" == row["reasoning_tokens"]


def test_errors_come_at_their_rate_and_where_the_seed_puts_them(simulator):
    """The share of 500s is the one drawn from (seed, name, arrival index), near the declared rate."""
    answers = simulator.ask_many("failing", 200)
    mock = next(
        p.mock for p in load_roster(simulator.truth_file.parent / "providers.yaml").providers if p.name == "failing"
    )
    drawn = sum(draw_plan(mock, "failing", index, 8).fault == "error" for index in range(200))
    assert drawn == sum(answer.status == 500 for answer in answers)
    assert 0.2 < drawn / 200 < 0.4
    assert {None, "server"} == {answer.reply.failure and answer.reply.failure.kind for answer in answers}


def test_a_server_error_is_shaped_as_openai_shapes_it(simulator):
    """HTTP 500 with {"error": {message, type, param, code}}, logged as the kind server."""
    answer = simulator.ask("broken", "fails")
    assert {"message", "type", "param", "code"} == set(json.loads(answer.body)["error"])
    assert ("500", "server", "0") == tuple(simulator.row("fails")[key] for key in ("status", "error", "chunks"))


def test_above_its_quota_a_mock_answers_429_with_retry_after(simulator):
    """A bucket of one second's worth: four pass at once, the rest are told when to come back."""
    answers = [simulator.ask("limited", f"quota-{i}") for i in range(12)]
    refused = [answer for answer in answers if answer.status == 429]
    assert [200] * 4 == [answer.status for answer in answers[:4]]
    assert len(refused) >= 4
    assert "1" == refused[0].headers["retry-after"]
    assert 0 < refused[0].reply.failure.retry_after_s <= 0.25
    assert "rate_limited" == refused[0].reply.failure.kind
    limits = {key: refused[0].headers[f"x-ratelimit-{key}-requests"] for key in ("limit", "remaining", "reset")}
    assert ("4", "0") == (limits["limit"], limits["remaining"])
    assert limits["reset"].endswith("ms")
    assert "rate_limited" == simulator.row(f"quota-{[a.status for a in answers].index(429)}")["error"]


def test_above_its_capacity_a_mock_slows_in_proportion(simulator):
    """Eight at once on a capacity of two take about four times as long as one alone."""
    simulator.ask("narrow", "alone")
    simulator.ask_many("narrow", 8)
    alone = float(simulator.row("alone")["e2e_s"])
    crowded = [float(simulator.row(f"narrow-{i}")["e2e_s"]) for i in range(8)]
    assert 3.2 < sum(crowded) / 8 / alone < 4.4


def test_a_truncated_stream_ends_without_its_marker(simulator):
    """The connection closes halfway: no finish, no [DONE], and the client's verdict equals the truth's."""
    answer = simulator.ask("truncating", "cut")
    row = simulator.row("cut")
    assert b"[DONE]" not in answer.body
    assert ("truncated", "truncated") == (answer.reply.failure.kind, row["error"])
    assert ("4", "4", "") == (row["chunks"], row["output_tokens"], row["finish"])


def test_a_malformed_stream_holds_one_broken_frame_and_goes_on(simulator):
    """All content still comes, but a correct client reports the kind protocol."""
    answer = simulator.ask("malforming", "garbled")
    row = simulator.row("garbled")
    assert 8 == len(answer.reply.chunks)
    assert ("protocol", "protocol") == (answer.reply.failure.kind, row["error"])


@pytest.mark.parametrize(("name", "error"), [("truncating", "truncated"), ("malforming", "protocol")])
def test_a_unary_answer_breaks_in_the_same_ways(simulator, name, error):
    """Half a document: with its announced length unmet, or complete but no JSON."""
    answer = simulator.ask(name, f"unary-{name}", stream=False)
    assert answer.reply.failure is not None
    assert error == simulator.row(f"unary-{name}")["error"]


@pytest.mark.parametrize(("max_tokens", "error", "chunks"), [(8, "timeout_idle", "4"), (1, "timeout_first_token", "0")])
def test_a_stalled_stream_stays_silent_until_the_client_leaves(simulator, max_tokens, error, chunks):
    """The connection stays open without a byte, and the log says which timeout a client must report."""
    connection = simulator.connect()
    simulator.send(connection, "stalling", f"stall-{max_tokens}", max_tokens=max_tokens)
    response = connection.getresponse()
    connection.sock.settimeout(0.5)
    with pytest.raises(TimeoutError):
        response.read()
    response.close()
    connection.close()
    row = simulator.row(f"stall-{max_tokens}")
    assert (error, chunks) == (row["error"], row["chunks"])
    assert 0.5 < float(row["end_s"]) < 2


def test_a_client_that_leaves_is_noticed_at_once(simulator):
    """A departure from a healthy mock is logged as cut_off within moments, not when its answer was due."""
    connection = simulator.connect()
    simulator.send(connection, "slow", "left")
    time.sleep(0.2)
    connection.close()
    row = simulator.row("left", within_s=1.0)
    assert ("cut_off", "", "0") == (row["error"], row["status"], row["chunks"])
    assert pytest.approx(0.2, abs=0.1) == float(row["end_s"])


def test_a_client_that_leaves_midway_is_logged_with_what_it_got(simulator):
    """Tokens that were sent before the departure stand in the row."""
    connection = simulator.connect()
    simulator.send(connection, "plain", "midway", max_tokens=500)
    response = connection.getresponse()
    while b"content" not in response.read1(65536):
        pass
    time.sleep(0.2)
    connection.sock.shutdown(socket.SHUT_RDWR)
    response.close()
    connection.close()
    row = simulator.row("midway")
    assert ("cut_off", "200", "") == (row["error"], row["status"], row["finish"])
    assert 3 < int(row["output_tokens"]) < 100


def test_connections_are_reused(simulator):
    """Two requests go over one connection: nothing but a fault closes it."""
    connection = simulator.connect()
    for number in range(2):
        simulator.send(connection, "instant", f"kept-{number}")
        assert b"[DONE]" in connection.getresponse().read()
        wire = connection.sock
    assert wire is connection.sock is not None
    connection.close()


def test_the_request_id_is_echoed(simulator):
    """x-request-id comes back on answers and on refusals."""
    assert "mine" == simulator.ask("instant", "mine").headers["x-request-id"]
    assert "mine-too" == simulator.ask("broken", "mine-too").headers["x-request-id"]


def raw(simulator, method: str, path: str, body: bytes | None = None) -> tuple[int, dict]:
    connection = simulator.connect()
    connection.request(method, path, body, {"x-request-id": f"raw{path}"})
    response = connection.getresponse()
    document = json.loads(response.read())
    connection.close()
    return response.status, document


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b"{}", b'{"messages": []}', b'{"messages": ["a"]}', b'{"messages": [{}], "max_tokens": 0}',
     b'{"messages": [{}], "max_tokens": "many"}', b"\xff\xfe"],
)  # fmt: skip
def test_bad_bodies_are_answered_400(simulator, body):
    """What is no chat request is refused in OpenAI's shape."""
    status, document = raw(simulator, "POST", "/instant/v1/chat/completions", body)
    assert (400, "invalid_request_error") == (status, document["error"]["type"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/healthz", 200), ("GET", "/plain/v1/models", 200), ("GET", "/nobody/v1/models", 404), ("GET", "/", 404),
     ("POST", "/nobody/v1/chat/completions", 404), ("GET", "/plain/v1/chat/completions", 405),
     ("POST", "/plain/v1/models", 405), ("GET", "/plain/v2/models", 404)],
)  # fmt: skip
def test_paths_and_methods_are_told_apart(simulator, method, path, status):
    """Known ones answer, the rest say so in JSON."""
    assert status == raw(simulator, method, path)[0]


def test_the_model_list_names_the_model(simulator):
    """/v1/models lists the mock's model."""
    assert ["mock-8b"] == [model["id"] for model in raw(simulator, "GET", "/plain/v1/models")[1]["data"]]


def test_a_body_over_the_limit_is_refused(simulator):
    """Nine megabytes are answered 413 without being read to their end."""
    with socket.create_connection(simulator.address.split(":"), timeout=5) as wire:
        head = b"POST /instant/v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (9 * 2**20)
        wire.sendall(head + b"x" * (8 * 2**20 + 1))
        assert wire.recv(65536).startswith(b"HTTP/1.1 413")


def test_a_client_that_leaves_while_sending_is_logged(simulator):
    """A body that never ends well is still one row."""
    with socket.create_connection(simulator.address.split(":"), timeout=5) as wire:
        wire.sendall(
            b"POST /instant/v1/chat/completions HTTP/1.1\r\nx-request-id: unsent\r\ncontent-length: 99\r\n\r\n{"
        )
        time.sleep(0.1)
    assert "cut_off" == simulator.row("unsent")["error"]


def test_every_request_is_logged_once_and_by_a_known_kind(simulator):
    """As many rows as requests, no id twice, and no error outside the closed list."""
    before = len(simulator.rows())
    simulator.ask_many("plain", 40)
    rows = simulator.rows()
    assert 40 == len(rows) - before
    assert {row["error"] for row in rows} <= {"", *ERROR_KINDS}


def test_the_key_guards_everything_but_health(start):
    """With NEPHOSCOPE_SIMULATOR_KEY set only its bearer is answered; the refusal is logged as auth."""
    guarded = start(MOCKS, key="canary-key")
    assert 200 == guarded.ask("instant").status
    assert 401 == raw(guarded, "POST", "/instant/v1/chat/completions", b"{}")[0]
    assert 401 == raw(guarded, "GET", "/instant/v1/models")[0]
    assert 200 == raw(guarded, "GET", "/healthz")[0]
    assert "auth" == guarded.row("raw/instant/v1/chat/completions")["error"]


def test_public_caps_hold_for_every_mock(start):
    """--max-tokens cuts answers, --max-rps refuses bursts."""
    capped = start(MOCKS, "--max-tokens", "4", "--max-rps", "3")
    assert (4, "length") == ((reply := capped.ask("short").reply).usage.output_tokens, reply.finish)
    assert 429 in [capped.ask("instant").status for _ in range(6)]


def test_a_second_run_draws_the_same(start):
    """The k-th request of a provider gets the same answer in every process."""
    text = "providers: [{name: a, type: mock, mock: {ttft_s: 0, gap_s: 0, error_rate: 0.5}}]"
    runs = []
    for _ in range(2):
        simulator = start(text)
        runs.append([simulator.ask("a").status for _ in range(16)])
    assert runs[0] == runs[1]
    assert {200, 500} == set(runs[0])


def test_sigterm_ends_it_within_a_second_with_every_row(start):
    """Running requests are logged when the simulator is stopped: what the client saw is a broken answer."""
    stopped = start(MOCKS)
    connections = [stopped.connect() for _ in range(3)]
    stopped.send(connections[0], "slow", "waiting")
    for number, connection in enumerate(connections[1:]):
        stopped.send(connection, "plain", f"running-{number}", max_tokens=1000)
    time.sleep(0.4)
    code, took_s = stopped.stop()
    assert 0 == code
    assert took_s < 1.0
    assert {"waiting": "connection", "running-0": "truncated", "running-1": "truncated"} == {
        row["request_id"]: row["error"] for row in stopped.rows()
    }
    for connection in connections:
        connection.close()


def test_ctrl_c_is_an_ordinary_end(start):
    """SIGINT ends it as SIGTERM does, exit code 0."""
    assert 0 == start(MOCKS).stop(signal.SIGINT)[0]


def test_it_ends_when_its_parent_is_gone(start):
    """With --until-eof the end of stdin ends it, exit code 0."""
    child = start(MOCKS, "--until-eof")
    assert child.process.poll() is None
    child.process.stdin.close()
    assert 0 == child.process.wait(3)


def test_without_until_eof_it_outlives_its_stdin(start):
    """A simulator that is a service does not read stdin."""
    service = start(MOCKS)
    service.process.stdin.close()
    time.sleep(0.3)
    assert 200 == service.ask("instant").status


def test_rows_are_appended_to_an_existing_log(start):
    """A restart adds rows under the one head that stands there."""
    first = start(MOCKS)
    first.ask("instant", "one")
    first.stop()
    second = start(MOCKS, "--truth", str(first.truth_file))
    second.ask("instant", "two")
    first.row("two")
    assert ["one", "two"] == [row["request_id"] for row in first.rows()]


def test_a_stream_may_end_in_an_error_event(start):
    """After HTTP 200 and half of the words the mock says that it failed; a unary request is answered 500."""
    failing = start("providers: [{name: a, type: mock, mock: {ttft_s: 0, gap_s: 0, stream_error_rate: 1}}]")
    answer = failing.ask("a", "inside")
    row = failing.row("inside")
    assert (200, "server") == (answer.status, answer.reply.failure.kind)
    assert ("200", "server", "4", "") == tuple(row[key] for key in ("status", "error", "chunks", "finish"))
    assert 500 == failing.ask("a", "unary", stream=False).status


def test_cached_tokens_are_told_and_never_exceed_the_prompt(start):
    """What is read from a cache is part of the prompt's count."""
    laws = "ttft_s: 0, gap_s: 0, cached_tokens"
    file = f"providers: [{{name: a, type: mock, mock: {{{laws}: 2}}}}, {{name: b, type: mock, mock: {{{laws}: 9}}}}]"
    caching = start(file)
    usages = [caching.ask(name).reply.usage for name in "ab"]
    assert [(3, 2), (3, 3)] == [(usage.input_tokens, usage.cached_tokens) for usage in usages]


@pytest.mark.parametrize(
    ("path", "body", "refused"),
    [("v1/messages", {"model": "m", "messages": [{"role": "user", "content": "a"}]}, b"invalid_request_error"),
     ("model/m/converse", {"messages": [{"role": "user", "content": "no list"}]}, b"message"),
     ("v1beta/models/m:generateContent", {"contents": [{"role": "user"}]}, b"INVALID_ARGUMENT"),
     ("v1beta/models/m:streamGenerateContent", {"contents": [{"parts": []}]}, b"alt=sse"),
     ("openai/deployments/m/chat/completions", {"messages": [{}]}, b"api-version"),
     ("v1/responses", {"model": "m"}, b"'input'"), ("v1/completions", {"model": "m"}, b"'prompt'"),
     ("api/chat", {"messages": [{}]}, b"'model'"), ("v2/chat", {"model": "m"}, b"'messages'")],
)  # fmt: skip
def test_each_dialect_refuses_what_its_vendor_would(simulator, path, body, refused):
    """A request that lacks what the format demands is a 4xx in the vendor's words, not an answer."""
    status, document = raw(simulator, "POST", f"/instant/{path}", json.dumps(body).encode())
    assert status in (400, 404)
    assert refused in json.dumps(document).encode()

"""The probe finds the fast wrong model: real servers of which one knows the answers and the other is only quick."""

from __future__ import annotations

import csv
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from signal import SIGINT
from threading import Thread

import pytest

from providers.probe import QUESTIONS

RIGHT = {question.prompt.messages[0][1]: question.accepted[0] for question in QUESTIONS}
PROVIDERS = """\
defaults: {{type: http, dialect: openai-chat, model: m-8b, capability: c, request: {{ignore_eos: true, min_tokens: 9}}}}
providers:
  - {{name: right, base_url: "{right}", price: {{input_per_1m: 1, output_per_1m: 10}}}}
  - {{name: fast, base_url: "{fast}"}}
  - {{name: played, type: mock, mock: {{ttft_s: 0.05, gap_s: 0.01, tokens_per_chunk: 32}}}}
"""


class Server(ThreadingHTTPServer):
    """Streams an answer in openai-chat; what it knows and how long it thinks is its own."""

    daemon_threads = True

    def __init__(self, answers, thinks_s):
        self.answers, self.thinks_s, self.asked = answers, thinks_s, []
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(body)
        time.sleep(self.server.thinks_s)
        answer = self.server.answers.get(body["messages"][-1]["content"], "seven")
        usage = {"prompt_tokens": 30, "completion_tokens": 3}
        frames = [{"choices": [{"delta": {"content": answer}}]}, {"choices": [], "usage": usage}]
        text = "".join(f"data: {json.dumps(frame)}\n\n" for frame in frames) + "data: [DONE]\n\n"
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def servers():
    """One knows every answer, the other says the same word at once."""
    started = {"right": Server(RIGHT, 0.05), "fast": Server({}, 0.0)}
    for server in started.values():
        Thread(target=server.serve_forever, daemon=True).start()
    yield started
    for server in started.values():
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def file(servers, tmp_path_factory):
    path = tmp_path_factory.mktemp("probe") / "two.yaml"
    path.write_text(PROVIDERS.format(**{name: server.url for name, server in servers.items()}))
    return str(path)


@pytest.fixture(scope="module")
def outcome(locust_once, file):
    load = ("--rate", "10", "--warm-up", "0s", "-t", "4s", "--max-cost-usd", "5", "--no-self-check")
    return locust_once("--providers", file, "--probe", *load)


def test_the_wrong_model_is_named_and_the_right_one_is_not(outcome):
    """Of two that disagree, whoever is right less often."""
    summary = json.loads(outcome.run.summary.read_text())
    named = [reason for reason in summary["verdict"]["reasons"] if reason["code"] == "model_differs"]
    assert ["fast"] == [reason["provider"] for reason in named], summary["verdict"]["reasons"]
    assert "0 of 24 are right" in named[0]["text"]
    by_name = {provider["name"]: provider for provider in summary["tags"][0]["providers"]}
    assert "model_differs" in by_name["fast"]["verdict"]["reasons"]
    assert "model_differs" not in by_name["right"]["verdict"]["reasons"]
    assert "model_differs (fast):" in outcome.out


def test_what_was_found_stands_in_the_manifest_and_no_answer_stands_anywhere(outcome):
    """Null says that a simulated provider has no model."""
    found = outcome.run.read_manifest()["probe"]
    counts = {"asked": 24, "answered": 24, "agreement": 0.0, "lo": 0.0}
    assert {"right": 24} | counts == {key: value for key, value in found["right"].items() if key != "hi"}
    assert {"right": 0} | counts == {key: value for key, value in found["fast"].items() if key != "hi"}
    assert None is found["played"]
    written = b"".join(path.read_bytes() for path in outcome.run.path.iterdir() if path.is_file())
    assert not any(word in written.lower() for word in (b"canberra", b"shakespeare", b"seven"))


def test_every_question_is_a_row_before_the_load(outcome):
    """With its cost, and as part of no figure of the load."""
    rows = [sample for sample in outcome.samples() if sample.prompt_id.startswith("probe-")]
    names = {question.prompt.prompt_id for question in QUESTIONS}
    for provider in ("right", "fast"):
        own = [sample for sample in rows if sample.provider == provider]
        assert (24, names, {"preflight"}) == (len(own), {s.prompt_id for s in own}, {s.phase for s in own})
    assert 48 == len(rows)
    assert {0.00006} == {sample.cost_usd for sample in rows if sample.provider == "right"}
    begun = min(sample.started_at for sample in outcome.samples() if sample.phase != "preflight")
    assert max(sample.started_at for sample in rows) < begun


def test_who_is_asked_in_one_word_need_not_fill_a_length(outcome, servers):
    """The load keeps the entry's own request."""
    assert outcome.run.samples.exists()
    probed = [body for body in servers["right"].asked if body["messages"][-1]["content"] in RIGHT]
    loaded = [body for body in servers["right"].asked if body["messages"][-1]["content"] not in RIGHT]
    assert [] == [body for body in probed if {"ignore_eos", "min_tokens"} & body.keys()]
    assert {512} == {body["max_tokens"] for body in probed}
    assert {(True, 9)} == {(body["ignore_eos"], body["min_tokens"]) for body in loaded}


def test_the_figures_stand_in_every_report(outcome):
    """On the terminal, and as lines of results.csv with their intervals."""
    assert "Probe of right: 100 % answered, 100 % right, agrees with the others on 0 %" in outcome.out
    assert "Probe of played: not asked: it is simulated and has no model" in outcome.out
    assert "played: not probed" in outcome.err
    with outcome.run.results.open(newline="") as file:
        rows = {(row["provider"], row["metric"]): row for row in csv.DictReader(file) if row["region"] == "all"}
    told = [(rows["fast", metric]["value"], rows["fast", metric]["n"]) for metric in ("probe_answered", "probe_right")]
    assert [("1", "24"), ("0", "24")] == told
    assert pytest.approx(0.138, abs=0.001) == float(rows["fast", "probe_agreement"]["hi"])
    assert ("played", "probe_right") not in rows


def test_ctrl_c_ends_the_probe_and_every_question_asked_is_a_row(locust, tmp_path):
    """A provider that thinks would have kept it for half a minute."""
    server = Server(RIGHT, 5.0)
    Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "slow.yaml").write_text(PROVIDERS.format(right=server.url, fast=server.url))
    load = ("-t", "4s", "--max-cost-usd", "5", "--drain", "1s", "--no-preflight", "--no-self-check")
    stopped = locust("--providers", str(tmp_path / "slow.yaml"), "--probe", *load, signals=[("Probe: ", SIGINT)])
    server.shutdown()
    server.server_close()
    assert 3 == stopped.code, stopped.err
    rows = stopped.samples()
    assert {"cut_off"} == {sample.error for sample in rows}
    assert {name: counts["scheduled"] for name, counts in stopped.run.read_manifest()["counts"].items()} == {
        name: sum(sample.provider == name for sample in rows) for name in ("right", "fast", "played")
    }
    assert "Traceback" not in stopped.err


def test_the_plan_says_who_is_asked_and_what_it_costs_at_most(locust, file):
    """24 answers of 512 tokens at 10 USD per million are 0.12 USD, and the questions a little more."""
    planned = locust("--providers", file, "--probe", "--plan", "--max-cost-usd", "5", "-t", "4s")
    assert 0 == planned.code, planned.err
    assert "--probe: 24 requests more, before the load, to right, fast; at most 0.13 USD and what has no price" in (
        planned.out
    )


def test_the_cap_ends_the_probe_like_any_request(locust, file):
    """Four at once may cost more than 0.018 USD, so the fourth is not asked, and no load follows."""
    load = ("--rate", "1", "--warm-up", "0s", "-t", "1s", "--no-preflight", "--no-self-check", "--no-score")
    stopped = locust("--providers", file, "--probe", "--max-cost-usd", "0.018", *load)
    assert 5 == stopped.code, stopped.err
    manifest = stopped.run.read_manifest()
    assert "spend_cap" == manifest["ended"]
    assert 3 == manifest["probe"]["right"]["asked"] == manifest["probe"]["right"]["answered"]
    assert {"preflight"} == {sample.phase for sample in stopped.samples()}

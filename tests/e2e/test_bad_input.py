"""What cannot be done as asked gives one line that says what and how to mend it, exit 2, and no run folder."""

from __future__ import annotations

import socket

import pytest

from providers.run import find_runs

GOOD = "version: 1\nproviders:\n  - {name: a, type: mock}\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--host", "http://x"], "--host"),
        (["--prov", "x.yaml"], "written in full"),
        (["--providers", "none.yaml"], "none.yaml: cannot be read"),
        (["--rate", "0"], "--rate: got '0'; expected a number above 0"),
        (["--rate", "fast"], "--rate: got 'fast'"),
        (["--warm-up", "-3"], "--warm-up"),
        (["-t", "soon"], "--run-time"),
        (["--rate", "-2"], "--rate: got '-2'; expected a number above 0"),
        (["--arrivals", "trace"], "--arrivals trace: no trace is named; write --trace FILE"),
        (["--trace", "x.csv"], "--trace x.csv: needs --arrivals trace"),
        (["--arrivals", "trace", "--trace", "none.csv"], "none.csv: cannot be read"),
        (["-t", "0s"], "-t 0: the measured window has no length"),
        (["--slo", "ttft"], "--slo: got 'ttft'"),
        (["--workload", "poetry"], "--workload poetry: unknown; expected one of agent, batch, chat"),
        (["-u", "4"], "-u 4: 3 providers cannot share it equally; write -u 3 or 6"),
        (["-u", "3", "--arrivals", "poisson"], "leave -u out"),
        (["--arrivals", "closed"], "needs -u"),
        (["--stop-timeout", "5"], "--drain"),
        (["--reset-stats"], "--reset-stats"),
        (["--enable-rebalancing"], "--enable-rebalancing"),
        (["--results", "/proc/none"], "--results /proc/none: cannot be written"),
    ],
)
def test_flag_that_cannot_be_honoured_is_refused_in_one_line(locust, arguments, expected):
    """One line on stderr, exit 2; a later --results replaces the test's own."""
    outcome = locust(*arguments)
    assert outcome.code == 2
    assert len(outcome.error_lines()) == 1, outcome.err
    assert expected in outcome.error_lines()[0]
    assert "Traceback" not in outcome.err
    assert list(find_runs(outcome.results)) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD + "  - {name: b, type: mock, modle: x}\n", "bad.yaml:4: provider 'b': key 'modle': unknown"),
        (GOOD + "  - {name: a, type: mock}\n", "bad.yaml:4: provider 'a': key 'name': stands twice"),
        (GOOD + "  - {name: b, type: http, base_url: 'ftp://x'}\n", "key 'base_url': got 'ftp://x'"),
        (
            GOOD
            + "  - {name: b, type: http, base_url: 'https://x/v1', auth: {kind: bearer, token: '${NEPHO_UNSET}'}}\n",
            "key 'auth.token': variable NEPHO_UNSET is not set; export NEPHO_UNSET=...",
        ),
        (GOOD + "  - {name: b, type: http, base_url: 'https://foo..bar/v1'}\n", "not a host name"),
        (
            GOOD + '  - {name: b, type: http, base_url: "https://x/v1", auth: {kind: bearer, token: "a\\n"}}\n',
            "holds a line end or a character that HTTP cannot carry",
        ),
        (GOOD + "  - {name: b, type: mock, mock: {ttft_s: 0.2s}}\n", "key 'mock.ttft_s': got '0.2s'"),
        (GOOD + "  - [\n", "bad.yaml:5: not YAML"),
        ("providers: []\n", "at least one provider"),
        ("just text\n", "expected a mapping"),
    ],
)
def test_providers_file_that_cannot_be_used_names_line_provider_and_key(locust, tmp_path, text, expected):
    """The line names file, line, provider, key, what stood there, what was expected, and the remedy."""
    (tmp_path / "bad.yaml").write_text(text, encoding="utf-8")
    outcome = locust("--providers", str(tmp_path / "bad.yaml"))
    assert outcome.code == 2
    assert len(outcome.error_lines()) == 1, outcome.err
    assert expected in outcome.error_lines()[0]
    assert "Traceback" not in outcome.err


PAID = (
    "providers: [{name: p, type: http, base_url: 'https://x/v1', limits: {context_tokens: 200},"
    " price: {input_per_1m: 10, output_per_1m: 40}}]\n"
)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "provider 'p': key 'limits.context_tokens': 200, but --workload chat takes up to 128 + 128 tokens"),
        (("--workload", "short.yaml", "--max-cost-usd", "0.01"), "requests cost 0.33 USD; lower --rate or -t to 3% of"),
        (("--workload", "own.yaml"), "history: own waits for answers, which arrivals do not"),
        (("--arrivals", "trace", "--trace", "bad.jsonl"), "bad.jsonl:2: "),
        (("--arrivals", "trace", "--trace", "brief.jsonl"), "lasts 1 s, all within --warm-up 10s"),
    ],
)
def test_load_that_cannot_be_sent_or_paid_is_refused_before_it_begins(locust, tmp_path, arguments, expected):
    """Longer than a context, dearer than the cap, waiting for answers it will not have, a broken or too short trace."""
    files = {
        "paid.yaml": PAID,
        "short.yaml": "name: short\ninput_tokens: 20\noutput_tokens: 20\n",
        "own.yaml": "name: own\nsession: {turns: 2, turn_input_tokens: 9, history: own}\noutput_tokens: 9\n",
        "bad.jsonl": '{"at_s": 0, "input_tokens": 9, "output_tokens": 9}\n{"at_s": 1, "input_tokens": "nine"}\n',
        "brief.jsonl": "".join(f'{{"at_s": {at}, "input_tokens": 9, "output_tokens": 9}}\n' for at in (0, 1)),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    arguments = [str(tmp_path / a) if a in files else a for a in arguments]
    outcome = locust("--providers", str(tmp_path / "paid.yaml"), "--max-cost-usd", "5", *arguments)
    assert 2 == outcome.code
    assert 1 == len(outcome.error_lines()), outcome.err
    assert expected in outcome.error_lines()[0]
    assert "Traceback" not in outcome.err
    assert [] == list(find_runs(outcome.results))


def test_priced_real_provider_needs_a_cap(locust, tmp_path):
    """Money is never spent without a limit somebody set."""
    path = tmp_path / "paid.yaml"
    path.write_text("providers: [{name: p, type: http, base_url: 'https://x/v1', price_per_1k_tokens: 0.001}]\n")
    outcome = locust("--providers", str(path))
    assert outcome.code == 2
    assert "provider 'p': costs money and no cap is set; write --max-cost-usd" in outcome.error_lines()[0]


def test_taken_web_port_is_said_before_anything_starts(locust):
    """The port's owner is left alone."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = str(taken.getsockname()[1])
        outcome = locust("--web-port", port, headless=False)
    assert outcome.code == 2
    assert f"--web-port {port}: cannot listen on 127.0.0.1" in outcome.error_lines()[0]


def test_web_ui_open_to_everyone_needs_saying_so(locust):
    """Anybody who reached it could start load."""
    outcome = locust("--web-host", "0.0.0.0", headless=False)
    assert outcome.code == 2
    assert "--insecure-web" in outcome.error_lines()[0]


def test_literal_secret_and_price_typo_are_one_warning_line_each(locust, tmp_path):
    """They do not stop the run; the secret itself is not repeated."""
    path = tmp_path / "seed.yaml"
    path.write_text(
        "providers:\n  - {name: p, type: http, base_url: 'http://127.0.0.1:9/invoke', auth_header: 'x-key: CANARY-1',"
        " price_per_1k_tokens: 0.60}\n"
    )
    outcome = locust("--providers", str(path), "--max-cost-usd", "500", "--plan")
    assert outcome.code == 0
    warnings = [line for line in outcome.err.splitlines() if line.startswith("Warning: ")]
    assert len(warnings) == 2
    assert "literal secret" in warnings[0]
    assert "600 USD per 1M" in warnings[1]
    assert "CANARY-1" not in outcome.err + outcome.out

"""``python -m providers``: check, new, schema, simulate, as a person runs them."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from providers import roster
from providers.arguments import ALIASES, TEMPLATES
from providers.errors import ConfigError
from providers.presets import PRESETS
from providers.roster import load_roster
from providers.simulator.child import simulator

CANARY = "CANARY-5f2c9d81"
MOCK_FILE = Path(__file__).parents[3] / "providers" / "mock.yaml"
SECRETIVE = """
version: 1
providers:
  - name: a
    type: http
    base_url: https://x.example/v1
    model: m
    auth: {kind: bearer, token: "${CANARY_KEY}"}
    request: {extra_headers: {x-api-key: "${CANARY_KEY}"}, extra_body: {deep: ["${CANARY_KEY}"]}}
  - {name: b, type: http, base_url: "https://y.example/invoke", auth_header: "x-key: CANARY-literal-1"}
"""
KINDS = sorted([*ALIASES, *(file.stem for file in TEMPLATES.glob("*.yaml"))])
SHIPPED = sorted(Path(roster.__file__).parent.glob("*.yaml"))
VARIABLES = ["MY_ENDPOINT_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "VLLM_HOST", "VLLM_AWS_HOST", "VLLM_GCP_HOST",
             "VLLM_API_KEY", "AZURE_RESOURCE", "AZURE_OPENAI_API_KEY", "GCP_PROJECT"]  # fmt: skip


def providers(*arguments, **env):
    """The finished process."""
    command = [sys.executable, "-m", "providers", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, env={**os.environ, **env}, check=False)


def roster_file(name):
    return MOCK_FILE.with_name(f"{name}.yaml")


def told(result, *words):
    """Exit 2 and one line on stderr that starts with Error and holds the words."""
    assert 2 == result.returncode
    assert "" == result.stdout
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert all(word in line for word in words), line
    return True


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "providers.yaml"
        path.write_text(text)
        return path

    return write


def test_check_prints_ok_and_a_table_and_what_to_do_next():
    """One line with the count, one line per provider, and the next command."""
    result = providers("check", MOCK_FILE)
    head, *table, _, following, step = result.stdout.splitlines()
    assert (0, "") == (result.returncode, result.stderr)
    assert f"OK: {MOCK_FILE}: 3 providers" == head
    assert ["provider", "aws", "azure", "gcp"] == [line.split()[0] for line in table]
    assert ("Next:", f"- python -m providers check {MOCK_FILE} --live") == (following, step)


def test_check_asks_for_the_price_and_the_package_that_are_missing(file):
    """Nothing is sent for it; a price is asked for once it is old, too."""
    text = """
providers:
  - {name: a, type: http, base_url: "https://x/v1"}
  - {name: b, type: http, base_url: "https://x/v1", price: {input_per_1m: 1, output_per_1m: 1, as_of: 2020-01-31}}
"""
    steps = providers("check", file(text)).stdout.partition("Next:\n")[2].splitlines()
    assert steps[0].startswith("- a: its price is unknown: add price {input_per_1m")
    assert re.match(r"- b: its price is \d{4} days old: read it again and set price.as_of", steps[1])


def test_check_warns_on_stderr(file):
    """A warning is no error, and does not stand in the way of a pipe."""
    result = providers("check", file(SECRETIVE), CANARY_KEY=CANARY)
    assert 0 == result.returncode
    assert "Warning: " in result.stderr
    assert "a literal secret stands in the file" in result.stderr
    assert "Warning" not in result.stdout


def test_a_bad_file_is_one_line_and_exit_2(file, tmp_path):
    """No traceback for what a person wrote."""
    assert told(providers("check", file("providers: [{name: a, type: mock, prize: 1}]")), "did you mean 'price'?")
    assert told(providers("check", tmp_path / "nowhere.yaml"), "cannot be read")
    assert told(providers("simulate", tmp_path / "nowhere.yaml"), "cannot be read")


@pytest.mark.parametrize("mode", [[], ["--explain"], ["--dry-run"], ["--live"]])
def test_no_command_prints_a_secret(file, mode):
    """Neither the variable's value nor a literal one, on either stream."""
    text = SECRETIVE.replace("https://x.example", "http://127.0.0.1:9").replace(
        "https://y.example", "http://127.0.0.1:9"
    )
    result = providers("check", file(text), *mode, CANARY_KEY=CANARY)
    assert result.stdout
    assert CANARY not in result.stdout + result.stderr
    assert "CANARY-literal-1" not in result.stdout + result.stderr


def test_explain_fills_in_every_default_and_can_be_read_again(file, monkeypatch, tmp_path):
    """The output is a providers file of the same meaning, with variables' names for secrets."""
    monkeypatch.setenv("CANARY_KEY", CANARY)
    path = file(SECRETIVE.replace("CANARY-literal-1", "${CANARY_KEY}"))
    result = providers("check", path, "--explain")
    again = tmp_path / "again.yaml"
    again.write_text(result.stdout)
    entries = yaml.safe_load(result.stdout)["providers"]
    assert "${CANARY_KEY}" == entries[0]["auth"]["token"]
    assert 30.0 == entries[0]["limits"]["first_token_timeout_s"]
    first, second = load_roster(path).providers, load_roster(again).providers
    assert [p.auth.headers() for p in first] == [p.auth.headers() for p in second]
    assert [(p.price, p.request, p.limits, p.mock) for p in first] == [
        (p.price, p.request, p.limits, p.mock) for p in second
    ]


def test_dry_run_prints_the_request_with_masked_secrets(file):
    """URL, headers and body as they would be sent."""
    result = providers("check", file(SECRETIVE), "--dry-run", CANARY_KEY=CANARY)
    lines = result.stdout.splitlines()
    assert {"POST /v1/chat/completions HTTP/1.1", "host: x.example", "POST /invoke HTTP/1.1"} <= set(lines)
    assert {"authorization: ***", "x-api-key: ***", "x-key: ***", "accept-encoding: identity"} <= set(lines)
    assert any(line.startswith("content-length: ") for line in lines)
    body = json.loads(next(line for line in lines if line.startswith("{")))
    assert ("m", 128, ["***"]) == (body["model"], body["max_tokens"], body["deep"])


def test_live_asks_every_provider_once_and_shows_times_and_cost(file):
    """Mock entries are served for it; exit 0 when all answered."""
    text = (
        "providers: [{name: a, type: mock, model: m, region: r, mock: {ttft_s: 0.1, gap_s: 0},"
        " price: {input_per_1m: 1, output_per_1m: 2}}]"
    )
    path = file(text)
    result = providers("check", path, "--live")
    tables = [part.splitlines() for part in result.stdout.split("\n\n")]
    answered, served = ([re.split(r"  +", line) for line in table] for table in tables[:2])
    assert 0 == result.returncode, result.stderr
    said = dict(zip(answered[0], answered[1], strict=True))
    assert 90 <= int(said.pop("TTFT ms")) < 300
    assert float(said.pop("E2E ms")) > 0
    assert {
        "provider": "a", "answer": "200 ok", "auth": "none wanted", "stream": "whole", "usage": "yes",
        "length": "128 of 128", "cached": "0", "in / out": "128 / 128", "USD": f"{(128 + 256) / 1e6:.6f}",
    } == said  # fmt: skip
    assert ["a", "m", "m", "r", "-", "1 / 2", "-"] == served[1]
    assert f"- locust --headless --providers {path}" in result.stdout


FAULTS = """
defaults: {limits: {first_token_timeout_s: 0.5, idle_timeout_s: 0.5}}
providers:
  - {name: broken, type: mock, mock: {error_rate: 1}}
  - {name: cut, type: mock, mock: {ttft_s: 0, gap_s: 0, truncate_rate: 1}}
  - {name: garbled, type: mock, mock: {ttft_s: 0, gap_s: 0, malformed_rate: 1}}
  - {name: silent, type: mock, mock: {ttft_s: 0, gap_s: 0, stall_rate: 1}}
  - {name: late, type: mock, mock: {ttft_s: 5}}
  - {name: away, type: http, base_url: "http://127.0.0.1:9/v1"}
  - {name: fine, type: mock, mock: {ttft_s: 0, gap_s: 0}}
"""


def test_live_names_each_failure_and_exits_3(file):
    """Every kind that a provider can fail with is told as what it is."""
    result = providers("check", file(FAULTS), "--live")
    outcome = {line.split()[0]: line.split()[2] for line in result.stdout.splitlines()[1:8]}
    assert 3 == result.returncode
    expected = {
        "broken": "server", "cut": "truncated", "garbled": "protocol", "silent": "timeout_idle",
        "late": "timeout_first_token", "away": "connection", "fine": "ok",
    }  # fmt: skip
    assert expected == outcome
    assert "broken: server: The server had an error" in result.stdout


def test_a_taken_port_is_one_line_and_exit_2():
    """Host, port, reason, remedy."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert told(
            providers("simulate", MOCK_FILE, "--port", port), f"--port {port}", "Address already in use", "--port 0"
        )


def test_a_file_without_mocks_cannot_be_simulated(file):
    """Exit 2, and how to get one."""
    text = "providers: [{name: a, type: http, base_url: 'https://x/v1'}]"
    assert told(providers("simulate", file(text)), "no provider of type mock is enabled", "new mock")


def test_a_simulator_that_cannot_start_is_an_error_of_its_parent(file):
    """The context manager that others use raises one line; the child's own stands on stderr."""
    path = file("providers: [{name: a, type: http, base_url: 'https://x/v1'}]")
    with pytest.raises(ConfigError, match="the simulator did not start"), simulator(path):
        pass


def test_a_truth_log_that_cannot_be_written_is_one_line(tmp_path):
    """Told before anything is served."""
    assert told(providers("simulate", MOCK_FILE, "--truth", tmp_path), "--truth", "Is a directory")


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["chekc"], ["check"], ["check", "x.yaml", "--expl"], ["check", "x.yaml", "--live", "--dry-run"],
        ["new", "alibaba"], ["simulate", "x.yaml", "--port", "many"], ["simulate", "x.yaml", "--max-rps", "0"],
        ["simulate", "x.yaml", "--max-tokens", "-1"],
    ],
)  # fmt: skip
def test_a_wrong_command_line_exits_2(arguments):
    """Unknown, shortened and contradictory flags are refused with the usage."""
    result = providers(*arguments)
    assert (2, True) == (result.returncode, result.stderr.startswith("usage: python -m providers"))


def test_new_offers_every_type():
    """And the three clouds by their names."""
    assert sorted(["http", "mock", *PRESETS, "aws", "azure", "gcp"]) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_what_new_prints_passes_check_when_its_variables_are_set(kind, file):
    """A commented file that is valid as it stands and names no secret."""
    text = providers("new", kind).stdout
    assert text.startswith("# ")
    result = providers("check", file(text), **dict.fromkeys(VARIABLES, "set"))
    assert (0, "") == (result.returncode, result.stderr)
    assert "OK: " in result.stdout


@pytest.mark.parametrize("path", [p for p in SHIPPED if p.name != "prices.yaml"], ids=lambda path: path.stem)
@pytest.mark.parametrize("mode", [[], ["--explain"], ["--dry-run"]])
def test_a_shipped_file_needs_its_variables_and_nothing_else(path, mode):
    """No account, no package, no network: it can be checked, explained and shown as requests."""
    assert path.read_text().startswith("# ")
    result = providers("check", path, *mode, **dict.fromkeys(VARIABLES, "set"))
    assert (0, "") == (result.returncode, result.stderr)


def test_one_model_stands_on_three_clouds():
    """The first comparison anyone wants."""
    result = providers("check", roster_file("multicloud"), "--explain", **dict.fromkeys(VARIABLES, "set"))
    entries = yaml.safe_load(result.stdout)["providers"]
    assert {("aws", "gpt-oss-120b"), ("azure", "gpt-oss-120b"), ("gcp", "gpt-oss-120b")} == {
        (entry["cloud"], entry["capability"]) for entry in entries
    }
    assert [0.15, 0.15, 0.09] == [entry["price"]["input_per_1m"] for entry in entries]


def test_every_variable_that_is_missing_is_named_at_once():
    """Nobody sets one to be told of the next."""
    env = {key: value for key, value in os.environ.items() if key not in VARIABLES}
    command = [sys.executable, "-m", "providers", "check", roster_file("multicloud")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, env=env, check=False)
    assert told(result, "AZURE_RESOURCE is not set; export AZURE_RESOURCE=", "AZURE_OPENAI_API_KEY", "GCP_PROJECT")


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(providers("schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize(
    "path",
    [*(p for p in SHIPPED if p.name != "prices.yaml"), *sorted(TEMPLATES.glob("*.yaml"))],
    ids=lambda path: path.stem,
)
def test_the_schema_accepts_every_shipped_file(validator, path):
    """An editor shows no false alarm."""
    document = json.loads(json.dumps(yaml.safe_load(path.read_text()), default=str))  # dates are strings in JSON
    assert [] == [error.message for error in validator.iter_errors(document)]


@pytest.mark.parametrize(
    "document",
    [{}, {"providers": []}, {"providers": [{"type": "mock"}]},
     {"providers": [{"name": "a", "type": "mock", "prize": 1}]},
     {"providers": [{"name": "a", "type": "mock"}], "defaults": {"prize": 1}},
     {"version": 2, "providers": [{"name": "a", "type": "mock"}]}],
)  # fmt: skip
def test_the_schema_refuses_what_check_refuses(validator, document):
    """Unknown keys, missing names, another version."""
    assert not validator.is_valid(document)


def test_the_schema_knows_numbers_for_laws(validator):
    """ttft_s: 0.2 and {p50, p95} are both laws."""
    for law in (0.2, {"p50": 0.2, "p95": 0.4}):
        assert validator.is_valid({"providers": [{"name": "a", "type": "mock", "mock": {"ttft_s": law}}]})
    assert not validator.is_valid({"providers": [{"name": "a", "type": "mock", "mock": {"ttft_s": "fast"}}]})


def test_the_simulator_needs_no_network_library_of_the_other_worlds():
    """Starting it loads no gevent, pandas or numpy, and checking a file loads no server."""
    code = "import sys, providers.%s; print(*sorted({'gevent', 'pandas', 'numpy', 'uvicorn'} & set(sys.modules)))"
    for module, expected in (("simulator.server", "uvicorn"), ("trial", "")):
        result = subprocess.run([sys.executable, "-c", code % module], capture_output=True, text=True, check=True)
        assert expected == result.stdout.strip()

"""Rosters: what a providers file may say, and one line for everything it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from providers.dialects import DIALECTS
from providers.dialects.base import Prompt
from providers.errors import ConfigError
from providers.roster import load_roster

SEED_FILE = Path(__file__).parent / "data" / "seed_providers.yaml"
CANARY = "CANARY-5f2c9d81"


def test_the_seed_files_shape_loads_unchanged(monkeypatch):
    """No version key, seed fields only: names, types, price and header mean what they always meant."""
    monkeypatch.setenv("PROXY_KEY", CANARY)
    roster = load_roster(SEED_FILE)
    fast, slow, http = roster.providers
    assert ["mock-fast", "mock-slow", "aws-bedrock-llama31"] == [p.name for p in roster.providers]
    assert ("mock", "mock", "http") == (fast.type, slow.type, http.type)
    assert pytest.approx(0.6) == fast.price.input_per_1m == fast.price.output_per_1m
    assert {"x-api-key": CANARY} == http.auth.headers()
    assert http.posts_exactly
    assert "https://your-proxy.example.com/invoke" == http.base_url


def test_a_price_per_1k_that_was_meant_per_1m_is_warned_of(monkeypatch):
    """The seed's 0.60 is 600 USD per 1M: the warning says so and what to write."""
    monkeypatch.setenv("PROXY_KEY", CANARY)
    (warning,) = load_roster(SEED_FILE).warnings
    assert "0.6 USD per 1K tokens is 600 USD per 1M; if it was meant per 1M write 0.0006" in warning


def test_defaults_are_merged_key_by_key(load):
    """An entry overrides single keys of a mapping and inherits the others."""
    roster = load("""
defaults: {type: mock, mock: {ttft_s: 0.5, seed: 4}, limits: {total_timeout_s: 9}}
providers:
  - {name: a}
  - {name: b, mock: {seed: 5}}
""")
    assert [(0.5, 4, 9), (0.5, 5, 9)] == [
        (p.mock.ttft_s.p50, p.mock.seed, p.limits.total_timeout_s) for p in roster.providers
    ]


def test_a_disabled_provider_needs_no_secret(load, monkeypatch):
    """It is declared but does not take part, and its unset variables are no error."""
    monkeypatch.delenv("NOT_SET", raising=False)
    roster = load("""
providers:
  - {name: a, type: mock}
  - {name: b, type: http, base_url: "https://x/v1", auth: {kind: bearer, token: "${NOT_SET}"}, enabled: false}
""")
    assert ["a"] == [p.name for p in roster.providers]
    assert ["a", "b"] == list(roster.declared)


BAD_LINES = [
    ("providers: [{name: a, type: mock, prize: 1}]", "key 'prize': unknown; expected one of name, type,"),
    ("providers: [{name: a, type: mock, prize: 1}]", "did you mean 'price'?"),
    ("providers: [{name: a, type: mock, mock: {ttft: 1}}]", "key 'mock.ttft': unknown"),
    ("providers: [{name: a, type: mock}, {name: a, type: mock}]", "provider 'a': key 'name': stands twice"),
    ("providers: [{type: mock}]", "provider '1': key 'name': missing; expected lower-case letters"),
    ("providers: [{name: a}]", "key 'type': missing; expected mock, http, openai,"),
    ("providers: [{name: A_b, type: mock}]", "key 'name': got 'A_b'; expected lower-case letters"),
    ("providers: [{name: a, type: ftp}]", "key 'type': got 'ftp'; expected mock, http, openai,"),
    ("providers: [{name: a, type: http}]", "'base_url' is missing; type http needs one"),
    ("providers: [{name: a, type: http, base_url: 'ftp://x'}]", "key 'base_url': got 'ftp://x': not an http(s) URL"),
    ("providers: [{name: a, type: http, base_url: 'https://u:p@x/v1'}]", "must not carry a user or password"),
    ("providers: [{name: a, type: http, base_url: 'https://x/v1?api-key=1'}]", "must not carry a key; use auth"),
    ("providers: [{name: a, type: http, base_url: 'https://x/v1', path: '/m?key=1'}]", "must not carry a key"),
    ("providers: [{name: a, type: http, base_url: 'https://x/v1?X-Amz-Signature=1'}]", "must not carry a key"),
    ("providers: [{name: a, type: http, base_url: 'https://h:99999/v1'}]", "Port out of range"),
    ("providers: [{name: a, type: http, base_url: 'http://far.example/v1'}]", "use https or allow_insecure"),
    ("providers: [{name: a, type: mock, base_url: 'https://x'}]", "a mock has no 'base_url'"),
    ("providers: [{name: a, type: mock, price_per_1k_tokens: cheap}]", "got 'cheap'; expected USD per 1,000 tokens"),
    ("providers: [{name: a, type: mock, price: {input_per_1m: 1}}]", "'output_per_1m' is missing"),
    ("providers: [{name: a, type: mock, price_per_1k_tokens: 1, price: {per_request: 1}}]", "keep one of them"),
    ("providers: [{name: a, type: mock, auth_header: 'x: ${HOME}', auth: {kind: none}}]", "keep one of them"),
    ("providers: [{name: a, type: mock, auth: {kind: bearer}}]", "kind bearer needs 'token'"),
    ("providers: [{name: a, type: mock, mock: {error_rate: 2}}]", "key 'mock.error_rate': got 2; expected share"),
    ("providers: [{name: a, type: mock, mock: {error_rate: .nan}}]", "key 'mock.error_rate': got nan"),
    ("providers: [{name: a, type: mock, mock: {ttft_s: -1}}]", "key 'mock.ttft_s.p50': got -1; expected the median"),
    ("providers: [{name: a, type: mock, mock: {gap_s: {p50: 2, p95: 1}}}]", "p95 1 lies below p50 2"),
    ("providers: [{name: a, type: mock, limits: {max_rps: 0}}]", "key 'limits.max_rps': got 0; expected requests/s"),
    ("providers: [{name: a, type: mock, dialect: openai-chta}]", "did you mean 'openai-chat'?"),
    ("providers: [{name: a, type: mock, model: '${NOT_SET}'}]", "variable NOT_SET is not set; export NOT_SET=..."),
    ("providers: [{name: a, type: mock, model: '${file:/no/such}'}]", "secret file /no/such cannot be read"),
    ("providers: [{name: a, type: mock, enabled: false}]", "no provider is enabled; enable one"),
    ("providers: [{name: a, type: mock, auth: {kind: aws-sigv4}}]", "signs for a region; add 'region' to the entry"),
    ("providers: [{name: a, type: mock, auth: {kind: gcp-oauth, token: '${HOME}'}}]", "gcp-oauth takes no 'token'"),
    ("providers: [{name: a, type: mock, price: {catalogue: bedrock/gpt-oss-12b}}]", "mean 'bedrock/gpt-oss-120b'?"),
    ("providers: [{name: a, type: bedrock, model: m}]", "key 'region': missing; type bedrock needs it; add it, as us-"),
    ("providers: [{name: a, type: vertex, project: p, region: r}]", "key 'model': missing; type vertex needs it"),
    ("providers: [{name: a, type: azure-openai, model: m}]", "key 'resource': missing; type azure-openai needs it"),
    ("providers: [{name: a, type: vllm, base_url: 'https://x/v1', api_version: 1}]", "key 'api_version': unknown"),
    ("providers: [{name: a, type: azure-openai, resource: r, auth_header: 'x: y', api_vers: 1}]", "'api_version'?"),
    ("providers: []", "expected a list of at least one provider"),
    ("providers: 5", "expected a list of at least one provider"),
    ("providers: [5]", "provider 1: got 5; expected a mapping"),
    ("- name: a", "expected a mapping with the key 'providers'"),
    ("", "expected a mapping with the key 'providers'"),
    ("version: 2\nproviders: [{name: a, type: mock}]", "key 'version': got 2; expected 1"),
    ("provider: [{name: a, type: mock}]", "key 'provider': unknown; expected one of version, defaults, providers"),
    ("defaults: 5\nproviders: [{name: a, type: mock}]", "key 'defaults': got 5; expected a mapping"),
    ("defaults: {tpye: mock}\nproviders: [{name: a, type: mock}]", ":1: provider 'a': key 'tpye': unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), BAD_LINES)
def test_every_mistake_is_one_line_that_says_what_to_do(load, monkeypatch, text, words):
    """File, line, provider, key, value, expectation; never a second line, never a traceback."""
    monkeypatch.delenv("NOT_SET", raising=False)
    with pytest.raises(ConfigError) as caught:
        load(text)
    message = str(caught.value)
    assert words in message
    assert "providers.yaml:" in message
    assert "\n" not in message


def test_the_line_is_where_the_value_stands(load):
    """Deep in the second entry of a long file, too; further problems are counted."""
    text = """version: 1
providers:
  - {name: a, type: mock}
  - name: b
    type: mock
    mock:
      seed: 1
      drift: y
      capacity: x
"""
    with pytest.raises(
        ConfigError, match=r"providers\.yaml:9: provider 'b': key 'mock\.capacity'.*\(1 more after this one\)"
    ):
        load(text)


LITERAL_OR_NOT = """
providers:
  - name: a
    type: http
    base_url: https://x/v1
    auth: {kind: bearer, token: "%s"}
    request:
      extra_headers: {x-api-key: "%s", x-plain: open}
      extra_body: {nested: [{deep: "%s"}]}
"""


def test_no_public_form_shows_a_secret(load, monkeypatch):
    """Resolved values stand in no repr, no declared entry and no hash input; the variable's name does."""
    monkeypatch.setenv("KEY", CANARY)
    roster = load(LITERAL_OR_NOT % ("${KEY}", "${KEY}", "${KEY}"))
    for public in (repr(roster), str(roster.providers), repr(roster.declared), repr(roster.secrets)):
        assert CANARY not in public
    declared = roster.declared["a"]
    assert "${KEY}" == declared["auth"]["token"] == declared["request"]["extra_headers"]["x-api-key"]
    assert [{"deep": "${KEY}"}] == declared["request"]["extra_body"]["nested"]
    assert "open" == declared["request"]["extra_headers"]["x-plain"]
    assert () == roster.warnings
    assert "*** and ***" == roster.scrubber().scrub(f"{CANARY} and {CANARY}")


def test_a_literal_secret_is_masked_and_warned_of(load):
    """What stands in the file itself works, with a warning that does not repeat it."""
    roster = load(LITERAL_OR_NOT % (CANARY, CANARY, "x"))
    assert 1 == len(roster.warnings)
    assert "a literal secret stands in the file" in roster.warnings[0]
    assert CANARY not in repr(roster)
    assert CANARY == roster.providers[0].auth.token.reveal()


@pytest.mark.parametrize(
    "entry",
    [
        f"auth: {{kind: bearer, token: [{CANARY}]}}",
        f"auth_header: {CANARY}",
        f"auth: {{kind: {CANARY}}}",
        f"request: {{extra_headers: {{x-api-key: [{CANARY}]}}}}",
    ],
)
def test_no_error_repeats_a_secret(load, entry):
    """A misplaced key is told by its place alone."""
    with pytest.raises(ConfigError) as caught:
        load(f"providers: [{{name: a, type: http, base_url: 'https://x/v1', {entry}}}]")
    assert CANARY not in str(caught.value)


def test_the_hash_follows_the_declaration_and_not_the_secret(load, monkeypatch):
    """Comments, order of keys and the secret's value do not change it; a law does."""
    text = "providers: [{name: a, type: mock, auth: {kind: bearer, token: '${KEY}'}, mock: {seed: %d}}]"
    monkeypatch.setenv("KEY", "one-secret")
    first = load(text % 1).sha256
    monkeypatch.setenv("KEY", "another-secret")
    assert first == load("# a comment\n" + text % 1).sha256
    assert first != load(text % 2).sha256


def test_a_quoted_price_and_one_from_a_variable_are_numbers(load, monkeypatch):
    """price_per_1k_tokens sets the price however it is written."""
    monkeypatch.setenv("PRICE", "0.0007")
    roster = load("""
providers:
  - {name: a, type: mock, price_per_1k_tokens: "0.0006"}
  - {name: b, type: mock, price_per_1k_tokens: "${PRICE}"}
""")
    assert [pytest.approx(0.6), pytest.approx(0.7)] == [p.price.input_per_1m for p in roster.providers]


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ("base_url: https://x/invoke", "https://x/invoke"),
        ("base_url: https://x/v1", "https://x/v1/chat/completions"),
        ("base_url: https://x/v1/", "https://x/v1/chat/completions"),
        ("base_url: https://x/openai, dialect: openai-chat", "https://x/openai/chat/completions"),
        ("base_url: https://x/openai, path: /mine", "https://x/openai/mine"),
        ("base_url: http://localhost:8080/v1", "http://localhost:8080/v1/chat/completions"),
        ("base_url: 'http://[::1]:8080/v1'", "http://[::1]:8080/v1/chat/completions"),
        ("base_url: http://far.example/v1, allow_insecure: true", "http://far.example/v1/chat/completions"),
    ],
)
def test_where_a_request_goes(load, fields, url):
    """Posted as written without dialect or /v1 (the seed's way), else to the dialect's path."""
    (provider,) = load(f"providers: [{{name: a, type: http, {fields}}}]").providers
    assert url == DIALECTS[provider.dialect_name].build(Prompt("p", (("user", "x"),)), provider).url

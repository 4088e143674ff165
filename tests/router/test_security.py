"""Security defaults: nobody gets in, nothing gets out, and what is unsafe does not start."""

from __future__ import annotations

import json
import logging
import socket

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from providers.errors import ConfigError
from router.keys import new_key
from router.settings import settings
from tests.router.test_failures import status
from tests.router.world import KEY, STREAM, entry, event, fetch, providers_file

PAGES = ["/v1/models", "/metrics", "/status", "/status.json"]


def refused(tmp_path, text, *flags, **environ):
    with pytest.raises(ConfigError) as error:
        settings(["--providers", str(providers_file(tmp_path, text)), *flags], environ)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_it_does_not_start_in_public_without_keys(tmp_path):
    """Unless --insecure is typed, or nothing behind it costs money."""
    real = entry("real", "https://example.com")
    assert "ROUTER_API_KEYS" in refused(tmp_path, real, "--host", "0.0.0.0")
    file = str(providers_file(tmp_path, real))
    for safe in (["--host", "0.0.0.0", "--insecure"], ["--host", "127.0.0.1"]):
        assert settings(["--providers", file, *safe], {})
    assert settings(["--providers", file, "--host", "0.0.0.0"], {"ROUTER_API_KEYS": new_key()[1]})
    assert settings(["--providers", "providers/mock.yaml", "--host", "0.0.0.0"], {})


@pytest.mark.parametrize("host", ["169.254.169.254", "metadata.google.internal", "168.63.129.16"])
def test_a_metadata_address_is_no_provider(tmp_path, host):
    """Whatever the entry says."""
    assert "metadata" in refused(tmp_path, entry("m", f"https://{host}"))


def test_a_secret_in_the_file_is_refused(tmp_path):
    """Only its variable's name may stand there, and it is not repeated."""
    text = entry("m", "https://example.com").replace("${ROUTER_TEST_KEY}", KEY)
    assert KEY not in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("ROUTER_API_KEYS", "nr-a-key-itself"), ("ROUTER_MAX_TOKENS", "-1"), ("ROUTER_KEY_RPS", "x")],
)
def test_a_wrong_variable_is_named(tmp_path, variable, value):
    """In one line, and a key is not repeated."""
    told = refused(tmp_path, entry("m", "https://example.com"), **{variable: value})
    assert variable in told
    assert "nr-a-key" not in told


def test_every_page_but_the_two_probes_wants_a_key(providers, routed):
    """401 before the body is read; the observer's key opens the pages and not the chat."""
    key, digest = new_key()
    watcher, watcher_digest = new_key()
    router = routed("good", ROUTER_API_KEYS=digest, ROUTER_OBSERVE_KEYS=watcher_digest)
    assert [200, 200] == [router.get(path)[0] for path in ("/healthz", "/readyz")]
    assert [401] * 4 == [router.get(path)[0] for path in PAGES]
    assert [401, 200, 200, 200] == [router.get(path, authorization=f"Bearer {watcher}")[0] for path in PAGES]
    assert [401, 401, 401] == [
        router.ask(headers=[("authorization", value)])[0] for value in (f"Bearer {watcher}", key, "Basic eA==")
    ]
    assert 200 == router.ask(headers=[("authorization", f"Bearer {key}")])[0]
    assert [KEY in asked.head and key not in asked.head for asked in providers.asked] == [True]


def test_a_body_is_refused_before_it_is_read(routed):
    """Without a key, and when it is announced as too large: nothing of it was sent here."""
    for environ, wanted in (({"ROUTER_API_KEYS": new_key()[1]}, b" 401 "), ({"ROUTER_BODY_BYTES": "100"}, b" 413 ")):
        router = routed("good", **environ)
        with socket.create_connection(("127.0.0.1", router.port), timeout=5) as sock:
            sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 101\r\n\r\n")
            assert wanted in sock.recv(4096)


def test_only_what_is_listed_is_passed_on_and_back(providers, routed):
    """The caller's cookies and forwarding headers stay here, the provider's, too."""

    async def chatty(asked):
        await asked.answer(STREAM, headers="set-cookie: a=b\r\nserver: secret\r\nx-ratelimit-limit-requests: 7\r\n")

    providers.scripts["bad"] = chatty
    router = routed("bad")
    sent = [("cookie", "c=1"), ("x-forwarded-for", "1.2.3.4"), ("traceparent", "00-1"), ("x-request-id", "abc")]
    _, headers, _ = router.ask(True, sent)
    head = providers.asked[0].head.lower()
    assert all(word in head for word in ("traceparent: 00-1", "x-request-id: abc", "accept-encoding: identity"))
    assert not any(word in head for word in ("cookie", "forwarded", "user-agent: python-urllib"))
    assert "7" == headers["x-ratelimit-limit-requests"]
    assert {"set-cookie", "server"}.isdisjoint(headers)


def test_a_redirect_is_never_followed(providers, routed):
    """Our key would travel along."""
    providers.scripts["bad"] = status(307, f"location: {providers.url}/thief/v1/chat/completions\r\n")
    router = routed("bad")
    assert 502 == router.ask()[0]
    assert ["bad"] == [asked.name for asked in providers.asked]


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"messages": []}, 400), ({"messages": "x"}, 400), ({"n": 2}, 400), ({"n": True}, 400), ({"model": 3}, 400),
        ({"model": "nobody"}, 404), ({"stream": "yes"}, 400), ({"max_tokens": 0}, 400), ({"max_tokens": 101}, 400),
        ({"max_tokens": 1, "max_completion_tokens": 5000}, 400), ({"stream_options": 1}, 400), ({"strange": 1}, 400),
        ({"max_tokens": 100}, 200),
    ],
)  # fmt: skip
def test_what_could_cost_more_than_allowed_is_refused(routed, body, wanted):
    """Ceiling, number of answers, and the strict list of keys."""
    keys = "messages model stream n max_tokens max_completion_tokens stream_options"
    router = routed("good", ROUTER_MAX_TOKENS="100", ROUTER_BODY_KEYS=keys)
    assert wanted == router.ask(body=body)[0]


def test_without_a_ceiling_of_its_own_a_call_gets_the_routers(providers, routed):
    """So that nothing is unbounded."""
    routed("good", ROUTER_MAX_TOKENS="100").ask()
    assert 100 == providers.asked[0].body["max_tokens"]


def test_a_key_has_a_rate_and_a_daily_spend(routed):
    """429 with Retry-After; what is reserved counts."""
    router = routed("good", ROUTER_KEY_RPS="0.5")
    assert [200, 429] == [router.ask()[0] for _ in range(2)]
    router = routed("good", ROUTER_USD_PER_DAY="0.000000001")
    code, headers, body = router.ask()
    assert (429, "1", "quota") == (code, headers["retry-after"], json.loads(body)["error"]["code"])


def test_other_hosts_and_methods_and_paths_are_refused(routed):
    """Nothing else is served: no docs, no schema, no redirects."""
    router = routed("good", ROUTER_HOSTS="127.0.0.1")
    assert 400 == router.get("/healthz", host="evil.example")[0]
    assert 405 == router.ask(method="PUT")[0]
    assert {404} == {router.get(path)[0] for path in ("/docs", "/openapi.json", "/status/", "/v1/embeddings", "/")}


def test_the_page_lets_nothing_in_from_elsewhere(routed):
    """Its policy forbids scripts, and it names no other address."""
    _, headers, body = routed("good").get("/status")
    assert "default-src 'none'" in headers["content-security-policy"]
    assert b"http" not in body.replace(b"http-equiv", b"")
    assert b"<script" not in body


def test_a_provider_that_says_our_key_back_tells_nobody(providers, routed, caplog):
    """In errors, headers, the log and the pages."""
    caplog.set_level(logging.DEBUG)

    async def echo(asked):
        body = json.dumps({"error": {"message": f"wrong key {asked.head}"}}).encode()
        await asked.answer(body, 400, "application/json", f"x-request-id: {KEY}\r\n")

    async def late(asked):
        await asked.answer(STREAM[:-20] + event(error={"message": KEY}))

    providers.scripts |= {"bad": echo, "late": late}
    router = routed("bad", "late", "good")
    told = [router.ask(stream) for stream in (True, False)] + [router.get(path) for path in PAGES]
    router.relay.upstreams["bad"].target.breaker.open_for(60, 0, "x")
    told += [router.ask(True)]
    assert KEY not in repr(told) + caplog.text + repr(router.relay)


HEADER = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
VALUE = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40)
OURS = st.sampled_from(["x-router-strategy", "x-router-deadline-s", "x-router-explore", "content-type", "x-request-id",
                        "traceparent", "accept", "authorization"])  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=15,
)
KNOWN = st.sampled_from(["model", "messages", "stream", "n", "max_tokens", "max_completion_tokens", "stream_options"])


def test_no_body_and_no_header_makes_it_stumble(routed, caplog):
    """Never a 500, never a secret; the router answers the next caller."""
    caplog.set_level(logging.DEBUG)
    router = routed("good")

    @hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.binary(max_size=200) | st.dictionaries(KNOWN | st.text(max_size=8), JSON, max_size=6),
        st.dictionaries(OURS | HEADER, VALUE, max_size=4),
    )
    def ask(body, headers):
        if isinstance(body, dict):
            body = json.dumps({"messages": [{"role": "user", "content": "x"}]} | body)
        for framing in ("content-length", "transfer-encoding", "connection", "expect", "upgrade", "host"):
            headers.pop(framing, None)
        try:
            sent = {name: value.strip().encode("latin-1") for name, value in headers.items()}
            code, _, answer = fetch(router.url, "/v1/chat/completions", body, sent, "POST", 20)
        except ValueError:
            return  # the client itself refuses such a header
        assert code != 500, answer
        assert KEY.encode() not in answer

    ask()
    deep = b'{"messages":' + b"[" * 400 + b"]" * 400 + b"}"
    assert 400 == fetch(router.url, "/v1/chat/completions", deep, {}, "POST", 20)[0]
    assert 200 == router.ask()[0]
    assert KEY not in caplog.text

"""Tokens are renewed beside the load: a send only ever reads the current header."""

from __future__ import annotations

import time
from types import SimpleNamespace

import gevent
import pytest
from gevent.pywsgi import WSGIServer

from locustfiles.engine import load as load_module
from locustfiles.engine.credentials import EARLY_S, Keyring, pause_s
from providers.dialects.base import HttpRequest
from providers.errors import ConfigError
from providers.roster import load_roster

ASK = HttpRequest("POST", "https://api.test/v1", {}, b"{}")
FILE = """
providers:
  - {name: a, type: http, base_url: "https://api.test/v1", auth: {kind: azure-entra}}
  - {name: b, type: http, base_url: "https://api.test/v1", auth: {kind: bearer, token: "${B_KEY}"}}
"""


class Tokens:
    """A managed identity's endpoint: token k lives for ``lives_s`` and takes ``takes_s`` to be given."""

    def __init__(self, lives_s: float, takes_s: float) -> None:
        self.lives_s, self.takes_s = lives_s, takes_s
        self.given: dict[str, float] = {}  # token -> when it expires
        self.busy = self.down = False
        self.asked = 0

    def __call__(self, _environ, start_response):
        self.busy = True
        self.asked += 1
        gevent.sleep(self.takes_s)
        self.busy = False
        if self.down:
            start_response("500 Internal Server Error", [("content-type", "application/json")])
            return [b'{"error": {"code": "down", "message": "token-1 is refused"}}']
        until = int(time.time() + self.lives_s)
        token = f"CANARY-token-{self.asked}"
        self.given[token] = until
        start_response("200 OK", [("content-type", "application/json")])
        body = f'{{"access_token": "{token}", "expires_on": {until}, "resource": "r", "token_type": "Bearer"}}'
        return [body.encode()]


@pytest.fixture
def tokens(monkeypatch, tmp_path):
    """``tokens(lives_s, takes_s)``: (the endpoint, the roster of a file that wants it)."""
    servers = []

    def start(lives_s, takes_s):
        endpoint = Tokens(lives_s, takes_s)
        server = WSGIServer(("127.0.0.1", 0), endpoint, log=None, error_log=None)
        server.start()
        servers.append(server)
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{server.server_port}/token")
        monkeypatch.setenv("IDENTITY_HEADER", "secret")
        monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
        monkeypatch.setenv("B_KEY", "b-key-1")
        path = tmp_path / "providers.yaml"
        path.write_text(FILE, encoding="utf-8")
        return endpoint, load_roster(path)

    yield start
    for server in servers:
        server.stop(timeout=0)


def test_no_request_ever_carries_an_expired_token_or_waits_for_a_new_one(tokens):
    """Tokens of four seconds, half a second to get one: the sender takes what is there, also while one is fetched."""
    endpoint, roster = tokens(4, 0.5)
    keyring = Keyring(roster, roster.providers)
    sent = []
    with keyring:
        end = time.time() + 7
        while time.time() < end:
            asked_before = endpoint.asked
            token = keyring.of("a").headers(ASK)["authorization"].removeprefix("Bearer ")
            sent.append((time.time(), token, endpoint.busy))
            assert asked_before == endpoint.asked  # reading a header asks nobody
            gevent.sleep(0.01)
    assert len(endpoint.given) >= 3
    assert {*endpoint.given} >= {token for _, token, _ in sent}
    assert [] == [(at, token) for at, token, _ in sent if at >= endpoint.given[token]]
    assert any(busy for _, _, busy in sent)  # sends went on while a token was on its way
    assert "***" == roster.scrubber().scrub(sent[-1][1])


def test_a_renewal_that_fails_is_logged_and_tried_again(tokens, caplog):
    """The load goes on with the token it has."""
    endpoint, roster = tokens(4, 0.0)
    keyring = Keyring(roster, roster.providers)
    endpoint.down = True
    with keyring, caplog.at_level("WARNING", logger="nephoscope"):
        while "could not be renewed" not in caplog.text:
            gevent.sleep(0.02)
        endpoint.down = False
        first = keyring.of("a").headers(ASK)
        while keyring.of("a").headers(ASK) == first:
            gevent.sleep(0.02)
    assert "a: its credential could not be renewed" in caplog.text


def test_what_cannot_be_obtained_is_told_before_the_run_with_the_files_name(tokens):
    """The constructor refuses: nothing was opened, nothing was sent."""
    endpoint, roster = tokens(4, 0.0)
    endpoint.down = True
    with pytest.raises(ConfigError, match=r"providers\.yaml: provider 'a': key 'auth': azure-entra gave no credential"):
        Keyring(roster, roster.providers)


def test_a_fixed_header_needs_no_greenlet(tokens):
    """Only what expires is renewed."""
    _, roster = tokens(4, 0.0)
    keyring = Keyring(roster, [p for p in roster.providers if p.name == "b"])
    with keyring:
        assert [] == keyring._renewals
    assert {"authorization": "Bearer b-key-1"} == keyring.of("b").headers(ASK)


@pytest.mark.parametrize(
    ("left_s", "pause"), [(3600, 3300), (600, 300), (300, 150), (60, 30), (1, 1), (0, 10), (-50, 10)]
)
def test_renewal_comes_well_before_the_end_and_again_where_nothing_new_came(left_s, pause):
    """Five minutes early; halfway where less is left; every ten seconds once it is too late."""
    assert pause == pause_s(left_s)
    assert 300 == EARLY_S


def test_a_request_is_signed_shortly_before_its_moment(monkeypatch):
    """Not when the one before it has left: at a low rate, or in a trace that pauses, it would be too old by then."""
    monkeypatch.setattr(load_module, "AHEAD_S", 0.1)
    signed_at: list[float] = []
    offsets_s = [0.0, 0.5, 1.0]
    load = SimpleNamespace(
        experiment=SimpleNamespace(offsets_s=lambda: offsets_s, seed=1, workload=None),
        timetable=SimpleNamespace(over=lambda _due: False, phase=lambda _due: "measure"),
        lanes={"a": SimpleNamespace(prepare=lambda *_: signed_at.append(time.time()))},
        retired=set(), workers=1, worker=0, stopped=lambda: False, admit=lambda *_: False,
    )  # fmt: skip
    start = time.time()
    load_module.run_open(load, start)
    assert len(offsets_s) == len(signed_at)
    assert all(start + offset - 0.1 <= at for offset, at in zip(offsets_s, signed_at, strict=True))

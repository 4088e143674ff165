"""Secrets print as their variables' names, and the scrubber removes every form of them."""

from __future__ import annotations

import base64
import json
import pickle
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.secret import Expanded, Scrubber, Secret, is_sensitive_header

CANARY = "CANARY-77aa/+=&x"


def test_a_secret_shows_its_variable_in_every_form():
    """str, repr, format and f-strings give the name; only reveal gives the value."""
    secret = Secret.of(Expanded(CANARY, "${KEY}"))
    assert ("${KEY}", "Secret(${KEY})", "${KEY}") == (str(secret), repr(secret), f"{secret}")
    assert CANARY == secret.reveal()
    assert not secret.literal


def test_a_literal_secret_shows_nothing():
    """What stood in the file itself prints as ***."""
    assert ("***", True) == (str(Secret.of(CANARY)), Secret.of(CANARY).literal)


def test_a_secret_is_never_pickled_or_dumped():
    """It cannot reach another process by accident."""
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(Secret.of(CANARY))
    with pytest.raises(TypeError):
        json.dumps(Secret.of(CANARY))


@given(st.text(min_size=4).filter(lambda text: "*" not in text), st.text(), st.text())
def test_the_scrubber_leaves_no_form_of_a_secret(value, before, after):
    """Plain, URL-encoded and base64 forms vanish wherever they stand."""
    scrubber = Scrubber([Secret.of(value)])
    for form in (value, quote(value, safe=""), base64.b64encode(value.encode()).decode()):
        assert form not in scrubber.scrub(f"{before}*{form}*{after}".replace(value, "*") + f"*{form}*")


def test_a_bearer_value_is_scrubbed_with_and_without_its_word():
    """auth_header: 'Authorization: Bearer KEY' also masks the bare key."""
    scrubber = Scrubber([Secret.of(f"Bearer {CANARY}")])
    assert "key *** in ***" == scrubber.scrub(f"key {CANARY} in Bearer {CANARY}")


@pytest.mark.parametrize(
    "key", ["sk-abcdefgh12345", "AKIAABCDEFGHIJKL", "ya29.abcdefghijk", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig-part"]
)
def test_what_looks_like_a_key_is_masked_without_being_known(key):
    """Servers echo keys in their errors: the usual shapes never pass."""
    assert "Incorrect API key provided: ***" == Scrubber().scrub(f"Incorrect API key provided: {key}")


def test_ordinary_text_passes_unchanged():
    """A short secret does not mask ordinary words."""
    assert "an ordinary line" == Scrubber([Secret.of("an")]).scrub("an ordinary line")


@pytest.mark.parametrize("name", ["Authorization", "api-key", "X-Api-Key", "x-goog-api-key", "Cookie", "x-auth-token"])
def test_headers_that_carry_secrets_are_known_by_name(name):
    """They are masked wherever headers are shown."""
    assert is_sensitive_header(name)
    assert not is_sensitive_header("content-type")

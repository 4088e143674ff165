"""Failures in words for a person, and what to do next."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from providers.dialects.base import Failure
from providers.remedy import next_step, words_of
from providers.sample import ERROR_KINDS
from providers.spec import Provider


def provider(**fields):
    entry = {"name": "p", "type": "http", "base_url": "https://api.test/v1", "model": "m", **fields}
    return Provider.model_validate(entry)


@pytest.mark.parametrize(
    ("message", "ahead_s", "words"),
    [
        (
            "Signature expired: 1 is now earlier than 2",
            -700,
            "clock skew: this machine is 700 s behind the server; Sig",
        ),
        ("Signature not yet current: 1", 700, "clock skew: this machine is 700 s ahead of the server; Signature"),
        ("RequestTimeTooSkewed", 0, "clock skew: set this machine's clock; RequestTimeTooSkewed"),
        ("The security token included in the request is expired", 700, "The security token included"),
    ],
)
def test_a_skewed_clock_is_told_by_the_servers_own_date(message, ahead_s, words):
    """Only where the server complains of time; the kind stays what it was."""
    headers = {"date": formatdate(time.time() - ahead_s, usegmt=True)}
    told = words_of(Failure("auth", message), 403, headers)
    assert told.replace("701 s", "700 s").replace("699 s", "700 s").startswith(words)


def test_a_redirect_names_the_host_and_nothing_else():
    """A path or a query may hold a key."""
    headers = {"location": "https://login.test:8443/a?key=CANARY-1"}
    assert "HTTP 307: redirected to login.test, and redirects are not followed" == words_of(
        Failure("protocol", "HTTP 307"), 307, headers
    )
    assert "redirected to another path" in words_of(Failure("protocol", "x"), 302, {"location": "/else?key=CANARY-1"})


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("<!DOCTYPE html>\n<html><head><title>\n 504 Gateway\n Time-out</title>", "504 Gateway Time-out"),
        ("<html><body><h1>Access <b>denied</b> &amp; logged</h1>", "Access denied & logged"),
        ("  <html><body>secret words", "no title"),
    ],
)
def test_a_web_page_is_told_by_its_title(page, title):
    """Two hundred characters of markup say nothing."""
    assert f"HTTP 504: a web page in place of an answer: {title}" == words_of(Failure("server", page), 504, {})


def test_every_kind_of_failure_has_a_next_step():
    """In words that name what the entry says."""
    for kind in ERROR_KINDS:
        assert next_step(provider(), Failure(kind, "x")), kind
    assert "'m'" in next_step(provider(), Failure("bad_request", "x"))
    assert "api.test" in next_step(provider(), Failure("connection", "x"))


@pytest.mark.parametrize(
    ("message", "step"),
    [
        (
            "The 'max_tokens' parameter is not supported, use 'max_completion_tokens' instead",
            "request.max_tokens_field",
        ),
        ("`temperature` is deprecated for this model.", "request.temperature to null"),
        ("Unsupported value: 'temperature' does not support 0 with this model.", "request.temperature to null"),
        ("Extra inputs are not permitted: stream_options", "request.extra_body to {stream_options: null}"),
        ("max_tokens: 9000 > 8192, which is the maximum", "check model 'm'"),
        ("The provided model identifier is invalid.", "check model 'm'"),
    ],
)
def test_a_refused_setting_is_told_by_the_key_that_changes_it(message, step):
    """Words of Bedrock, Anthropic, OpenAI and Mistral; a model that is not there is another matter."""
    assert step in next_step(provider(), Failure("bad_request", message))


def test_a_cap_that_thinking_used_up_is_told_by_the_key_that_raises_it():
    """The dialect is right, and the model said nothing that anyone may see."""
    failure = Failure("protocol", "the answer held no content: its cap went into 128 tokens of hidden reasoning")
    assert "raise request.max_tokens" in next_step(provider(), failure)


def test_a_refused_key_is_told_by_its_variable(load, monkeypatch):
    """'set AZURE_OPENAI_API_KEY', as a person would."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "abcde")
    (azure,) = load("providers: [{name: a, type: azure-openai, resource: r, model: d}]").providers
    step = next_step(azure, Failure("auth", "denied"))
    assert "set AZURE_OPENAI_API_KEY to a key that is valid for this endpoint" == step
    assert "add auth" in next_step(provider(), Failure("auth", "denied"))

"""Failures as the table has them: failover before the first real output, the truth about a broken stream after it."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.router.world import DONE, FINISH, ROLE, STREAM, USAGE, WHOLE, delta, event

SHORT = ", limits: {first_token_timeout_s: 0.3, idle_timeout_s: 0.3, total_timeout_s: 0.6}"
QUICK = (("x-router-explore", "off"),)


async def reset(asked):
    asked.writer.transport.abort()


async def hang(_asked):
    await asyncio.sleep(30)


async def silent_head(asked):
    await asked.answer(b"", length=False)
    await asyncio.sleep(30)


def status(code, headers=""):
    async def script(asked):
        await asked.answer(b'{"error":{"message":"no"}}', code, "application/json", headers)

    return script


async def error_first(asked):
    error = {"error": {"message": "insufficient_quota", "code": "insufficient_quota"}}
    await asked.answer(event(**error) if asked.stream else json.dumps(error).encode())


async def empty(asked):
    await asked.answer(DONE if asked.stream else b'{"object":"chat.completion","choices":[]}')


async def malformed(asked):
    await asked.answer(b'data: {"choices":[{\n\n' if asked.stream else b'{"choices":[{')


async def role_then_cut(asked):
    if asked.stream:
        await asked.answer(ROLE, length=False)
    else:
        asked.writer.write(b"HTTP/1.1 200 X\r\ncontent-length: 999\r\n\r\n" + WHOLE[:40])
        await asked.writer.drain()
    asked.writer.close()


async def not_http(asked):
    asked.writer.write(b"SSH-2.0-nothing\r\n\r\n")
    asked.writer.close()


BEFORE = {
    "reset": reset, "hang": hang, "head-then-silence": silent_head, "http-500": status(500), "http-503": status(503),
    "http-429": status(429, "retry-after: 7\r\n"), "http-408": status(408), "http-401": status(401),
    "redirect": status(302, "location: http://127.0.0.1:1/\r\n"), "error-first": error_first, "empty": empty,
    "malformed": malformed, "role-then-cut": role_then_cut, "not-http": not_http,
}  # fmt: skip


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("fault", BEFORE)
def test_a_fault_before_the_first_output_is_answered_by_the_other(providers, routed, fault, stream):
    """The caller sees the other's answer, byte for byte, and which attempt it was."""
    providers.scripts["bad"] = BEFORE[fault]
    router = routed("bad", "good", more=SHORT)
    code, headers, body = router.ask(stream, QUICK)
    assert (200, "good", "2") == (code, headers["x-router-provider"], headers["x-router-attempts"])
    assert (STREAM if stream else WHOLE) == body
    assert ["bad", "good"] == [asked.name for asked in providers.asked]
    assert {0} == {upstream.target.in_flight for upstream in router.relay.upstreams.values()}


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_a_closed_port_is_answered_by_the_other(routed, stream):
    """Nobody listens at the address of the first."""
    router = routed("bad", "good")
    router.relay.upstreams["bad"].url = "http://127.0.0.1:9/v1/chat/completions"
    assert "good" == router.ask(stream, QUICK)[1]["x-router-provider"]


async def cut(asked):
    await asked.answer(ROLE + delta(content="one"), length=False)
    asked.writer.close()


async def clean_end_without_finish(asked):
    await asked.answer(ROLE + delta(content="one"), length=False)
    await asked.end()


async def stall(asked):
    await asked.answer(ROLE + delta(content="one"), length=False)
    await asyncio.sleep(30)


async def late_error(asked):
    await asked.answer(ROLE + delta(content="one"), length=False)
    await asyncio.sleep(0.05)
    await asked.part(event(error={"message": "overloaded", "code": 503}))
    await asked.end()


async def late_malformed(asked):
    await asked.answer(ROLE + delta(content="one"), length=False)
    await asyncio.sleep(0.05)
    await asked.part(b'data: {"choi\n\n' + FINISH + DONE)
    await asked.end()


async def half_an_event(asked):
    await asked.answer(ROLE + delta(content="one") + b'data: {"choices":[{"del', length=False)
    await asked.end()


@pytest.mark.parametrize(
    "script",
    [cut, clean_end_without_finish, stall, late_error, late_malformed, half_an_event],
    ids=lambda s: s.__name__,
)
def test_a_stream_that_breaks_after_its_first_output_says_so(providers, routed, script):
    """What came stays, an error event follows, never ``[DONE]``, and nobody else is asked."""
    providers.scripts["bad"] = script
    router = routed("bad", "good", more=SHORT)
    _, headers, body = router.ask(True, QUICK)
    assert "bad" == headers["x-router-provider"]
    assert body.startswith(ROLE + delta(content="one"))
    *_, last = body.strip().split(b"\n\n")
    assert "upstream_stream_error" == json.loads(last.removeprefix(b"data: "))["error"]["type"]
    assert b"[DONE]" not in body
    assert ["bad"] == [asked.name for asked in providers.asked]
    assert router.relay.upstreams["bad"].target.modes[True].success.live < 1


@pytest.mark.parametrize("code", [400, 404, 422])
def test_the_callers_own_mistake_is_passed_back(providers, routed, code):
    """No retry, no blame."""
    providers.scripts["bad"] = status(code)
    router = routed("bad", "good")
    answered, headers, body = router.ask(headers=QUICK)
    assert (code, "bad", b'{"error":{"message":"no"}}') == (answered, headers["x-router-provider"], body)
    assert 0 == router.relay.upstreams["bad"].target.modes[False].success.weight


@pytest.mark.parametrize(("code", "headers", "least_s"), [(401, "", 50), (403, "", 50), (429, "retry-after: 9\r\n", 8)])
def test_a_refused_key_and_retry_after_open_the_breaker_at_once(providers, routed, code, headers, least_s):
    """For a minute, or for as long as the provider asks."""
    providers.scripts["bad"] = status(code, headers)
    router = routed("bad", "good")
    router.ask(headers=QUICK)
    router.ask(headers=QUICK)
    assert ["bad", "good", "good"] == [asked.name for asked in providers.asked]
    row = next(row for row in json.loads(router.get("/status.json")[2])["providers"] if row["name"] == "bad")
    assert "open" == row["breaker"]
    assert least_s <= row["returns_in_s"] <= 60


def test_when_everyone_is_kept_away_the_caller_is_told_when_to_return(providers, routed):
    """503 with Retry-After and the name of who returns first."""
    providers.scripts |= {"a": status(401), "b": status(401)}
    router = routed("a", "b")
    assert 502 == router.ask()[0]
    code, headers, body = router.ask()
    assert (503, "no_provider") == (code, json.loads(body)["error"]["type"])
    assert 50 <= int(headers["retry-after"]) <= 60
    assert 503 == router.get("/readyz")[0]


def test_the_callers_deadline_is_not_the_providers_failure(providers, routed):
    """504 in time, no second attempt, no blame: else one caller could close every breaker."""
    providers.scripts["bad"] = hang
    router = routed("bad", "good")
    code, _, body = router.ask(True, [*QUICK, ("x-router-deadline-s", "0.2")])
    assert (504, True) == (code, b"deadline" in body)
    assert ["bad"] == [asked.name for asked in providers.asked]
    assert 0 == router.relay.upstreams["bad"].target.modes[True].success.weight


def test_the_platforms_timeout_ends_a_stream_in_words(providers, routed):
    """Five seconds before the platform would cut it: here after one."""

    async def endless(asked):
        await asked.answer(ROLE, length=False)
        while True:
            await asked.part(delta(content="x"))
            await asyncio.sleep(0.1)

    providers.scripts["bad"] = endless
    router = routed("bad", ROUTER_PLATFORM_TIMEOUT_S="6")
    body = router.ask(True)[2]
    assert b"deadline" in body.strip().split(b"\n\n")[-1]
    assert b"[DONE]" not in body


def test_a_retry_never_becomes_the_load(providers, routed):
    """Once the budget is spent, a failure is told at once."""
    providers.scripts["bad"] = status(500)
    router = routed("bad", "good")
    router.relay.budget.left = 0.0
    assert 502 == router.ask(headers=QUICK)[0]
    assert ["bad"] == [asked.name for asked in providers.asked]


def test_the_usage_that_only_we_asked_for_is_taken_out(providers, routed):
    """And is left in when the caller asked, too."""

    async def reports(asked):
        assert {"include_usage": True} == asked.body["stream_options"]
        await asked.answer(STREAM.replace(DONE, USAGE + DONE))

    providers.scripts["bad"] = reports
    router = routed("bad")
    assert STREAM == router.ask(True)[2]
    assert STREAM.replace(DONE, USAGE + DONE) == router.ask(True, body={"stream_options": {"include_usage": True}})[2]
    assert 'router_tokens_total{direction="output",provider="bad"} 4.0' in router.get("/metrics")[2].decode()

"""The clock: what happens where the kernel gives no stamps, or the wall clock is set while streams run."""

from __future__ import annotations

import time

import pytest

from locustfiles.engine import hub
from locustfiles.engine.exchange import Exchange
from locustfiles.engine.transport import Endpoint, Transport
from providers.errors import ConfigError
from providers.spec import Limits
from tests.load.scripted import REQUEST, reply_of, whole_stream


def _one_stream(transport: Transport, url: str) -> Exchange:
    endpoint, exchange = Endpoint(url, Limits()), Exchange()
    transport.send(endpoint, REQUEST, exchange, lambda _: True)
    transport.close([endpoint])
    return exchange


def test_without_kernel_stamps_the_user_clock_serves_and_the_sample_says_so(serve, monkeypatch):
    """Other systems take the same path; only ``stamp`` differs."""
    monkeypatch.setattr(hub, "_stamping_socket", lambda: None)
    transport = Transport()
    assert not transport.hub.stamps
    exchange = _one_stream(transport, serve(whole_stream))
    assert ("user", None) == (exchange.stamp, exchange.failure)
    assert 0.019 < reply_of(exchange).ttft_s < 0.06


@pytest.mark.parametrize("step_s", [5, -5, 0.001])
def test_stamp_that_cannot_be_true_is_not_believed(serve, monkeypatch, step_s):
    """The wall clock was set between the offset's sample and the stamp: the request is dated by the user clock."""
    transport = Transport()
    monkeypatch.setattr(transport.hub, "_refresh_offset", lambda: setattr(transport.hub, "_round_ns", hub.now_ns()))
    transport.hub.offset_ns += int(step_s * 1e9)
    exchange = _one_stream(transport, serve(whole_stream))
    assert "user" == exchange.stamp
    assert transport.hub.unstamped > 0
    assert 0.019 < reply_of(exchange).ttft_s < 0.06


def test_step_of_the_wall_clock_is_counted_once(serve, monkeypatch):
    """Three seconds forward in mid-stream: one step, and times go on as if nothing had happened."""
    real = time.clock_gettime_ns
    transport = Transport()
    monkeypatch.setattr(hub.time, "clock_gettime_ns", lambda clock: real(clock) + 3_000_000_000)
    exchange = _one_stream(transport, serve(whole_stream))
    assert 1 == transport.hub.clock_steps
    assert 0.019 < reply_of(exchange).ttft_s < 0.06


def test_libuv_is_refused_in_one_line(monkeypatch):
    """It wakes later and costs more; the remedy is to unset a variable."""

    class Uv:
        pass

    Uv.__module__ = "gevent.libuv.loop"
    monkeypatch.setattr(hub.gevent, "get_hub", lambda: type("Hub", (), {"loop": Uv()}))
    with pytest.raises(ConfigError, match="unset GEVENT_LOOP"):
        hub.Hub()

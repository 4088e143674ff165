"""What the router counts, for Prometheus; children are made once per provider, so that counting costs no look-up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from router.record import Record

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_OVERHEAD = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05)


class Metrics:
    """One per application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        of = self.registry
        self.requests = Counter("router_requests", "Requests by how they ended", ["provider", "outcome"], registry=of)
        self.attempts = Counter("router_attempts", "Attempts that failed, by why", ["provider", "reason"], registry=of)
        self.ttft = Histogram(
            "router_ttft_seconds", "Time to first output", ["provider"], buckets=_SECONDS, registry=of
        )
        self.total = Histogram("router_request_seconds", "Time to the end", ["provider"], buckets=_SECONDS, registry=of)
        self.overhead = Histogram(
            "router_overhead_seconds", "Time in the router before the request was sent", buckets=_OVERHEAD, registry=of
        )
        self.tokens = Counter("router_tokens", "Tokens, billed or estimated", ["provider", "direction"], registry=of)
        self.cost = Counter("router_cost_usd", "Estimated spend", ["provider"], registry=of)
        self.in_flight = Gauge("router_inflight", "Requests in flight", ["provider"], registry=of)
        self.breaker = Gauge(
            "router_breaker_open", "1 while the breaker keeps requests away", ["provider"], registry=of
        )
        self.choice = Gauge("router_choice_cost", "Terms of J for a typical stream", ["provider", "term"], registry=of)
        self.age = Gauge("router_scorecard_age_seconds", "Age of the scorecard in use", registry=of)
        self.refusals = Gauge("router_scorecard_refusals", "Scorecards refused", registry=of)
        self.loop_lag = Gauge("router_loop_lag_seconds", "How late the event loop last woke", registry=of)

    def count(self, record: Record) -> None:
        self.requests.labels(record.provider, record.outcome).inc()
        if record.overhead_s is not None:
            self.overhead.observe(record.overhead_s)
        if record.outcome == "ok":
            self.total.labels(record.provider).observe(time.monotonic() - record.begun_s)
        if record.first_s is not None:
            self.ttft.labels(record.provider).observe(record.first_s)

    def charge(self, provider: str, input_tokens: int, output_tokens: int, usd: float) -> None:
        self.tokens.labels(provider, "input").inc(input_tokens)
        self.tokens.labels(provider, "output").inc(output_tokens)
        self.cost.labels(provider).inc(usd)

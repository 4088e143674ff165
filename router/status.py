"""The status page: every provider with every term of its J, from the same figures the choice uses."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, select_autoescape

from router.policy import Ask, Target, Terms, terms
from router.prior import Scorecard
from router.relay import Relay

_TYPICAL = Ask(stream=True, input_tokens=256)
_PAGE = Environment(autoescape=select_autoescape(default=True)).from_string(
    Path(__file__).with_name("status.html").read_text(encoding="utf-8")
)


def status(relay: Relay, scorecard: Scorecard | None) -> dict[str, Any]:
    """As ``/status.json`` gives it: terms of J for a stream of 256 tokens in and out, the least first."""
    now_s = time.monotonic()
    targets = [upstream.target for upstream in relay.upstreams]
    found = sorted(zip(terms(targets, _TYPICAL, relay.weights, now_s), targets, strict=True), key=lambda row: row[0].j)
    return {
        "strategy": relay.strategy,
        "weights": asdict(relay.weights),
        "scorecard": scorecard.status() if scorecard else None,
        "scope": "this instance only: others keep their own evidence",
        "providers": [_row(term, target, now_s) for term, target in found],
    }


def _row(term: Terms, target: Target, now_s: float) -> dict[str, Any]:
    breaker = target.breaker
    state = breaker.state(now_s)
    return asdict(term) | {
        "breaker": state,
        "reason": "" if state == "closed" else breaker.reason,
        "returns_in_s": round(max(0.0, breaker.open_until_s - now_s), 1),
        "in_flight": target.in_flight,
        "evidence": round(target.stream.success.left(now_s), 1),
        "score": target.prior.score,
    }


def page(found: dict[str, Any]) -> str:
    return _PAGE.render(found, at=time.strftime("%H:%M:%S UTC", time.gmtime()))

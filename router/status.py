"""The status page: every provider with every term of its J, from the same figures the choice uses."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment

from router.policy import Ask, Terms, terms
from router.prior import Scorecard
from router.relay import Relay

_TYPICAL = Ask(stream=True, input_tokens=256)
_TEMPLATE = Path(__file__).with_name("status.html").read_text(encoding="utf-8")
_PAGE = Environment(autoescape=True).from_string(_TEMPLATE)


def status(relay: Relay) -> dict[str, Any]:
    """As ``/status.json`` gives it: terms of J for a stream of 256 tokens in and out, the least first."""
    now_s, targets = time.monotonic(), [upstream.target for upstream in relay.upstreams.values()]
    found = sorted(terms(targets, _TYPICAL, relay.weights, now_s), key=lambda term: term.j)
    return {
        "strategy": relay.strategy,
        "weights": asdict(relay.weights),
        "scorecard": _card(relay.scorecard) if relay.scorecard else None,
        "stopping": relay.stopping,
        "scope": "this instance only: others keep their own evidence",
        "providers": [_row(term, now_s) for term in found],
    }


def _card(scorecard: Scorecard) -> dict[str, Any]:
    run = scorecard.card.run_id if scorecard.card else ""
    return {"run": run, "age_s": scorecard.age_s, "refused": scorecard.refused, "refusals": scorecard.refusals}


def _row(term: Terms, now_s: float) -> dict[str, Any]:
    target, breaker = term.target, term.target.breaker
    state = breaker.state(now_s)
    shown = {name: getattr(term, name) for name in ("j", "seconds", "usd", "success", "crowding")}
    return {"name": target.name, **shown} | {
        "breaker": state,
        "reason": "" if state == "closed" else breaker.reason,
        "returns_in_s": round(max(0.0, breaker.open_until_s - now_s), 1),
        "in_flight": target.in_flight,
        "evidence": round(target.modes[True].success.left(now_s), 1),
        "score": target.prior.score if target.prior.known else None,
        "has_prior": target.prior.known,
    }


def page(found: dict[str, Any]) -> str:
    return _PAGE.render(found, at=time.strftime("%H:%M:%S UTC", time.gmtime()))

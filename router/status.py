"""The status page: every provider with every term of its J, from the same figures the choice uses."""

from __future__ import annotations

import time
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from router.policy import Ask, terms
from router.prior import Scorecard
from router.relay import Relay

_PAGE = Template(Path(__file__).with_name("status.html").read_text(encoding="utf-8"))
TYPICAL = Ask(stream=True, input_tokens=256)


def status(relay: Relay, scorecard: Scorecard | None, strategy: str) -> dict[str, Any]:
    """As ``/status.json`` gives it: terms of J for a stream of typical length, in the order of J."""
    now_s = time.monotonic()
    targets = [upstream.target for upstream in relay.upstreams]
    found = terms(targets, TYPICAL, relay.weights, now_s)
    rows = [
        {
            "provider": target.name,
            "model": upstream.provider.model,
            "breaker": target.breaker.state(now_s),
            "returns_in_s": round(max(0.0, target.breaker.open_until_s - now_s), 1),
            "reason": target.breaker.reason if target.breaker.state(now_s) != "closed" else "",
            "in_flight": target.in_flight,
            "j": round(term.j, 4),
            "seconds": round(term.seconds, 4),
            "usd": term.usd,
            "success": round(term.success, 4),
            "crowding": round(term.crowding, 3),
            "evidence": round(target.stream.success.left(now_s), 1),
            "prior": "scorecard" if term.has_prior else "none: the others' median",
            "score": target.prior.score,
        }
        for upstream, target, term in zip(relay.upstreams, targets, found, strict=True)
    ]
    return {
        "strategy": strategy,
        "weights": {"latency": relay.weights.latency, "cost": relay.weights.cost, "score": relay.weights.score},
        "scorecard": None if scorecard is None else _card(scorecard),
        "scope": "this instance only: others keep their own evidence",
        "providers": sorted(rows, key=lambda row: row["j"]),
    }


def page(found: dict[str, Any]) -> str:
    least = min((row["j"] for row in found["providers"]), default=1.0)
    rows = "".join(_row(row, least) for row in found["providers"])
    card = found["scorecard"]
    prior = "none; live evidence alone" if card is None else card["refused"] or f"{card['run']}, {card['age']} old"
    weights = ", ".join(f"{name} {value:.2f}" for name, value in found["weights"].items())
    return _PAGE.substitute(
        strategy=escape(found["strategy"]), weights=escape(weights), prior=escape(prior), rows=rows,
        scope=escape(found["scope"]), at=time.strftime("%H:%M:%S UTC", time.gmtime()),
    )  # fmt: skip


def _row(row: dict[str, Any], least: float) -> str:
    state = row["breaker"] if row["breaker"] != "open" else f"open {row['returns_in_s']:.0f} s"
    usd = "unknown" if row["usd"] is None else f"{row['usd'] * 1000:.3f}"
    cells = (
        f"{row['j']:.3f}", f"{row['seconds'] * 1000:.0f}", usd, f"{100 * row['success']:.1f}",
        f"{row['crowding']:.2f}", str(row["in_flight"]), f"{row['evidence']:.0f}",
        "-" if row["score"] is None else f"{row['score']:.1f}",
    )  # fmt: skip
    width = 100 * least / row["j"] if row["j"] else 100
    bar = f'<meter min="0" max="100" value="{width:.0f}"></meter>'
    head = f'<th scope="row">{escape(row["provider"])}<small>{escape(row["model"])}</small></th>'
    badge = f'<td><span class="{row["breaker"]}">{state}</span><small>{escape(row["reason"])}</small></td>'
    return f"<tr>{head}{badge}<td>{bar}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _card(scorecard: Scorecard) -> dict[str, Any]:
    card, age_s = scorecard.card, scorecard.age_s
    age = f"{age_s / 86400:.1f} d" if age_s >= 86400 else f"{age_s / 60:.0f} min"
    run, level = (card.run_id, card.level) if card else ("", "")
    return {"run": run, "level": level, "age": age, "refused": scorecard.refused, "refusals": scorecard.refusals}

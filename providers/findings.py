"""A Finding is what one trial showed of one provider: what is set up, what answered, and what to do next.

It does not send anything; ``providers.trial`` did.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

from providers.remedy import next_step
from providers.roster import Roster
from providers.spec import Provider
from providers.table import table
from providers.trial import Trial

STALE_DAYS = 30
_ANSWERED = (
    "provider",
    "answer",
    "auth",
    "TTFT ms",
    "E2E ms",
    "stream",
    "usage",
    "length",
    "cached",
    "in / out",
    "USD",
)
_SERVED = ("provider", "model asked", "model served", "region asked", "region served", "price", "its own USD")


def report(roster: Roster, trials: Sequence[Trial]) -> str:
    """Two tables, a line for each failure, and the next steps; no secret is in it."""
    scrubber = roster.scrubber()
    for trial in trials:
        scrubber.learn(trial.secrets)
    failed = [f"{t.provider.name}: {t.failure.kind}: {one_line(t.failure.message)}" for t in trials if t.failure]
    steps = [f"- {trial.provider.name}: {step}" for trial in trials for step in next_steps(trial)]
    parts = [
        table([_ANSWERED, *map(_answered, trials)]),
        table([_SERVED, *map(_served, trials)]),
        "\n".join(failed),
        "\n".join(["Next:", *(steps or [f"- locust --headless --providers {roster.path} --max-cost-usd 5"])]),
    ]
    return scrubber.scrub("\n\n".join(part for part in parts if part))


def next_steps(trial: Trial) -> Iterator[str]:
    """What this provider still wants, the failure first."""
    provider, reply = trial.provider, trial.reply
    if trial.failure:
        never_asked = trial.failure.kind == "auth" and trial.status is None
        yield trial.failure.message.rpartition("; ")[2] if never_asked else next_step(provider, trial.failure)
        return
    if reply.usage.output_tokens is None:
        yield "it reports no usage: tokens and cost will be estimates"
    if trial.headers.get("content-encoding", "identity") != "identity":
        yield "it compresses although identity was asked: events may be held back, look for a setting"
    if provider.request.stream and len(reply.chunks) == 1 and (reply.output_tokens or 0) > 1:
        yield "its whole answer came as one event: TTFT will equal E2E"
    if _ended_early(trial):
        yield "its answer ended early: compare it only with providers that end alike, or set ignore_eos and min_tokens"
    if reply.usage.cached_tokens:
        yield "a prompt that nobody sent before came from a cache: see what the provider prepends"
    yield from price_steps(provider)


def price_steps(provider: Provider, today: date | None = None) -> Iterator[str]:
    """What a mock's invented price never needs."""
    if provider.type == "mock":
        return
    price = provider.price
    if not provider.priced and price.hourly_usd is None:
        yield "its price is unknown: add price {input_per_1m, output_per_1m, source, as_of}, or {catalogue: NAME}"
    elif price.as_of is None:
        yield "its price has no date: add price.as_of, the day you read it"
    elif (age := ((today or datetime.now(UTC).date()) - price.as_of).days) > STALE_DAYS:
        yield f"its price is {age} days old: read it again and set price.as_of"


def _answered(trial: Trial) -> list[str]:
    reply, usage = trial.reply, trial.reply.usage
    return [
        trial.provider.name,
        f"{trial.status or '-'} {trial.failure.kind if trial.failure else 'ok'}",
        _auth(trial),
        _milliseconds(reply.ttft_s),
        _milliseconds(reply.e2e_s),
        _stream(trial),
        "-" if not reply.chunks else "yes" if usage.output_tokens is not None else "no",
        _length(trial),
        _shown(usage.cached_tokens),
        f"{_shown(usage.input_tokens)} / {_shown(reply.output_tokens)}",
        "-" if trial.cost_usd is None else f"{trial.cost_usd:.6f}",
    ]


def _served(trial: Trial) -> list[str]:
    provider, reply = trial.provider, trial.reply
    theirs = reply.usage.cost_usd
    return [
        provider.name,
        provider.model or "-",
        one_line(reply.served.model) or "-",
        provider.region or "-",
        one_line(reply.served.region) or "-",
        price_words(provider),
        "-" if theirs is None else f"{theirs:.6f}",
    ]


def price_words(provider: Provider) -> str:
    """USD per 1M tokens in/out, per request, per hour, and of which day."""
    price = provider.price
    parts = [f"{price.input_per_1m:g} / {price.output_per_1m:g}"] if price.per_token else []
    parts += [f"{price.per_request:g} per request"] if price.per_request else []
    parts += [f"{price.hourly_usd:g} x {price.replicas} per hour"] if price.hourly_usd is not None else []
    return ", ".join(parts) + (f" ({price.as_of})" if parts and price.as_of else "") or "unknown"


def one_line(text: str) -> str:
    return " ".join(text.split())[:200]


def _auth(trial: Trial) -> str:
    """Refused only by the server's own word: an answer of any other kind means that it let us in."""
    if trial.provider.auth.kind == "none":
        return "none wanted" if trial.status and not trial.failure else "none sent"
    if trial.failure and trial.failure.kind == "auth":
        return "refused" if trial.status else "missing"
    return "accepted" if trial.status == 200 else "-"


def _stream(trial: Trial) -> str:
    reply = trial.reply
    if trial.status != 200:
        return "-"
    if trial.headers.get("content-encoding", "identity") != "identity":
        return "compressed"
    if not reply.ended or (trial.failure and trial.failure.kind == "protocol"):
        return "broken"
    return "whole" if "application/json" not in trial.headers.get("content-type", "") else "unary"


def _asked(trial: Trial) -> int | None:
    return trial.provider.request.max_tokens or trial.prompt.target_output_tokens


def _ended_early(trial: Trial) -> bool:
    got, asked = trial.reply.usage.output_tokens, _asked(trial)
    return got is not None and asked is not None and got < asked and trial.reply.finish != "length"


def _length(trial: Trial) -> str:
    return f"{_shown(trial.reply.usage.output_tokens)} of {_shown(_asked(trial))}" if trial.reply.chunks else "-"


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.0f}"


def _shown(count: int | None) -> str:
    return "-" if count is None else str(count)

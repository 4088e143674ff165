"""The Relay is what all calls share: the upstreams, the rules of the choice, the retry budget and the bill."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp

from providers.dialects.base import Usage
from router.budget import RetryBudget
from router.call import Call
from router.metrics import Metrics
from router.policy import Terms, Weights, choose, terms
from router.prior import Scorecard
from router.record import Record
from router.refusal import Refusal
from router.upstream import Upstream

_SOON_S = 1.0


@dataclass(slots=True)
class Relay:
    """``limit_s`` is the longest a call may take; ``scorecard`` None: live evidence alone."""

    upstreams: dict[str, Upstream]
    scorecard: Scorecard | None
    strategy: str
    allow_fixed: bool
    limit_s: float
    metrics: Metrics = field(default_factory=Metrics)
    weights: Weights = field(default_factory=Weights)
    budget: RetryBudget = field(default_factory=RetryBudget)
    session: aiohttp.ClientSession | None = None
    stopping: bool = False
    in_flight: int = 0
    rng: random.Random = field(default_factory=random.Random)

    def believe(self) -> None:
        """Put the scorecard's word, aged as it is, into the choice; live evidence stays."""
        if self.scorecard:
            self.scorecard.read()
            self.weights = self.scorecard.weights()
            for name, prior in self.scorecard.priors(self.upstreams).items():
                self.upstreams[name].target.prior = prior

    def candidates(self, call: Call, strategy: str) -> list[Upstream]:
        """Those that could serve the call; Refusal when there is none."""
        kind, _, name = strategy.partition(":")
        found = [upstream for upstream in self.upstreams.values() if upstream.fits(call)]
        if kind == "fixed":
            found = [upstream for upstream in found if upstream.provider.name == name]
        if not found:
            text = f"nobody serves model '{call.model[:100]}' with so many tokens ({strategy[:100]}); see /v1/models"
            raise Refusal(404, text, "not_found")
        return found

    def strategy_of(self, call: Call) -> str:
        """The caller's ``fixed:NAME`` where that is allowed, else the router's own."""
        if not call.strategy:
            return self.strategy
        if not (self.allow_fixed and call.strategy.startswith("fixed:")):
            raise Refusal(400, "x-router-strategy can be fixed:NAME, where the router runs with --allow-fixed")
        return call.strategy

    def choose(self, call: Call, strategy: str, untried: Sequence[Upstream]) -> Terms:
        """As the strategy says; where every breaker is open, the one that is due soonest, if that is soon."""
        now_s, targets = time.monotonic(), [upstream.target for upstream in untried]
        chosen = choose(strategy, targets, call.ask, self.weights, now_s, self.rng)
        if chosen is None:
            first = min(targets, key=lambda target: target.breaker.open_until_s)
            wait_s = first.breaker.open_until_s - now_s
            if wait_s > _SOON_S and not strategy.startswith("fixed:"):  # fixed is fixed: its errors are what is asked
                text = f"every provider is kept away; {first.name} ({first.breaker.reason}) returns first"
                raise Refusal(503, text, "no_provider", wait_s)
            (chosen,) = terms([first], call.ask, self.weights, now_s)
        return chosen

    def worst_usd(self, call: Call) -> float:
        prices = [upstream.provider.price for upstream in self.upstreams.values()]
        return max(price.worst_usd(2 * call.ask.input_tokens, call.worst_output_tokens) for price in prices)

    def bill(self, call: Call, record: Record) -> float:
        """USD of what came: billed usage where it was reported, else an estimate; of what was abandoned, the worst."""
        left = record.outcome in ("client_cancelled", "deadline") and record.attempts > 0
        if not (record.chars or record.usage or left):
            return 0.0
        usage = record.usage or Usage()
        unseen = left and not call.ask.stream and not record.usage
        output_tokens = call.worst_output_tokens if unseen else record.output_tokens
        input_tokens = call.ask.input_tokens if usage.input_tokens is None else usage.input_tokens
        parts = (usage.cached_tokens or 0, usage.cache_write_tokens or 0, usage.reasoning_tokens or 0)
        price = self.upstreams[record.provider].provider.price
        usd = price.request_usd(input_tokens, output_tokens, *parts) or 0.0
        self.metrics.charge(record.provider, input_tokens, output_tokens, usd)
        return usd

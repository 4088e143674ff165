"""The Budget holds spent + worst case in flight below a cap: asked before each send, told after each answer."""

from __future__ import annotations

import math

from providers.spec import Provider

# A chat template, a system prompt of the gateway, a tokenizer of another family: more may be billed than was sent.
_INPUT_MARGIN = 1.25


class Budget:
    def __init__(self, cap_usd: float | None) -> None:
        self._cap_usd = cap_usd
        self.spent_usd = self._reserved_usd = 0.0  # unknown bills count as their worst case
        self.exhausted = False

    def reserve(self, worst_usd: float) -> bool:
        """True when a request that may cost ``worst_usd`` still fits; the first that does not ends the run."""
        if self._cap_usd is not None and self.spent_usd + self._reserved_usd + worst_usd > self._cap_usd:
            self.exhausted = True
            return False
        self._reserved_usd += worst_usd
        return True

    def settle(self, worst_usd: float, cost_usd: float | None) -> None:
        """Replace the reservation by the bill; an unknown bill counts as its worst case."""
        self._reserved_usd -= worst_usd
        self.spent_usd += worst_usd if cost_usd is None else cost_usd


def worst_usd(provider: Provider, input_tokens: int, output_tokens: int) -> float:
    """USD one request may cost at most; 0 where the provider has no price, and for mock providers.

    ``output_tokens`` are the prompt's, where the entry does not cap them itself.
    """
    if provider.type == "mock":
        return 0.0
    return provider.price.worst_usd(math.ceil(input_tokens * _INPUT_MARGIN), output_cap(provider, output_tokens))


def output_cap(provider: Provider, output_tokens: int) -> int:
    """The output tokens a request asks for at most: ``extra_body`` is merged last, so it has the last word."""
    wanted = provider.request
    caps = (wanted.extra_body.get(key) for key in {wanted.max_tokens_field, "max_tokens", "max_completion_tokens"})
    last_word = max((cap for cap in caps if isinstance(cap, int)), default=None)
    return last_word or wanted.max_tokens or output_tokens

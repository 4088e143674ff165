"""A Price turns tokens into USD. An unknown price is None, never 0.

It does not know today's list prices: whoever writes the entry or the catalogue does, and says when and from where.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from pydantic import Field, model_validator

from providers.catalogue import listed
from providers.errors import ConfigError
from providers.strict import Strict

TYPO_PER_1K_USD = 0.1  # 0.60 per 1K tokens is 600 USD per 1M: surely a price per 1M


class Price(Strict):
    """USD. ``input_per_1m`` counts what is neither cached nor written to a cache."""

    input_per_1m: float | None = Field(None, ge=0, description="USD per 1M input tokens, 0 or more")
    output_per_1m: float | None = Field(None, ge=0, description="USD per 1M output tokens, 0 or more")
    cached_input_per_1m: float | None = Field(None, ge=0, description="USD per 1M cached input tokens, 0 or more")
    cache_write_per_1m: float | None = Field(None, ge=0, description="USD per 1M tokens written to a cache, 0 or more")
    reasoning_per_1m: float | None = Field(None, ge=0, description="USD per 1M reasoning tokens, 0 or more")
    per_request: float = Field(0.0, ge=0, description="USD per request, 0 or more")
    hourly_usd: float | None = Field(None, ge=0, description="USD per hour and replica, 0 or more")
    replicas: int = Field(1, ge=1, description="replicas billed by the hour, 1 or more")
    source: str = Field("", description="where the price stands: a page, an invoice")
    as_of: date | None = Field(None, description="the day the price was read, as 2026-11-23")
    catalogue: str | None = Field(None, description="a name of providers/prices.yaml, or FILE#NAME of a file like it")

    @model_validator(mode="before")
    @classmethod
    def _looked_up(cls, price: Any) -> Any:
        """A catalogue fills in what the entry does not say itself."""
        if not isinstance(price, dict) or not isinstance(price.get("catalogue"), str):
            return price
        try:
            return {**listed(price["catalogue"]), **price}
        except ConfigError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _both_sides(self) -> Price:
        if (self.input_per_1m is None) != (self.output_per_1m is None):
            missing = "input_per_1m" if self.input_per_1m is None else "output_per_1m"
            raise ValueError(f"'{missing}' is missing; a token price needs both sides")
        return self

    @property
    def per_token(self) -> bool:
        return self.input_per_1m is not None

    def worst_usd(self, input_tokens: int, output_tokens: int) -> float:
        """USD that a request of this size may cost at most: every token at the dearest price of its side."""
        sides = (
            (input_tokens, (self.input_per_1m, self.cached_input_per_1m, self.cache_write_per_1m)),
            (output_tokens, (self.output_per_1m, self.reasoning_per_1m)),
        )
        return sum(tokens * max(price or 0.0 for price in prices) for tokens, prices in sides) / 1e6 + self.per_request

    def request_usd(
        self, input_tokens: int, output_tokens: int, cached: int = 0, cache_write: int = 0, reasoning: int = 0
    ) -> float | None:
        """USD of one request: billed usage x price; None where tokens have no price.

        Totals come in (input with its cached part, output with its reasoning part); a part without a price of its own
        is billed as the rest of its side.
        """
        if self.input_per_1m is None or self.output_per_1m is None:
            return self.per_request or None
        cached_price = self.input_per_1m if self.cached_input_per_1m is None else self.cached_input_per_1m
        write_price = self.input_per_1m if self.cache_write_per_1m is None else self.cache_write_per_1m
        reasoning_price = self.output_per_1m if self.reasoning_per_1m is None else self.reasoning_per_1m
        return (
            self.input_per_1m * (input_tokens - cached - cache_write)
            + cached_price * cached
            + write_price * cache_write
            + self.output_per_1m * (output_tokens - reasoning)
            + reasoning_price * reasoning
        ) / 1e6 + self.per_request

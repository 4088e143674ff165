"""A Length is a count, fixed or drawn: the tokens of a prompt or an answer, the turns of a session.

Draws depend on their key alone, so every provider, worker and repetition gets the same. It does not know of what.
"""

from __future__ import annotations

import math
from functools import cached_property
from statistics import NormalDist
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from providers.strict import Strict
from providers.words import share

MOST_TOKENS = 1_000_000
_NORMAL = NormalDist()
_Z95 = _NORMAL.inv_cdf(0.95)
_Z999 = _NORMAL.inv_cdf(0.999)


class Length(Strict):
    """A distribution by two of its percentiles, cut at ``most``; a bare number is a constant."""

    dist: Literal["constant", "lognormal", "uniform"] = Field(
        "lognormal", description="one of constant, lognormal, uniform"
    )
    p50: int = Field(ge=1, le=MOST_TOKENS, description="the median, 1 or more")
    p95: int = Field(ge=1, le=MOST_TOKENS, description="the 95th percentile, not below p50")
    max: int | None = Field(None, ge=1, le=MOST_TOKENS, description="the longest, not below p95")

    @model_validator(mode="after")
    def _ordered(self) -> Length:
        if self.p95 < self.p50:
            raise ValueError(f"p95 {self.p95} lies below p50 {self.p50}")
        if self.dist == "constant" and self.p95 != self.p50:
            raise ValueError(f"a constant has one value, and p50 {self.p50} is not p95 {self.p95}")
        if self.max is not None and self.max < self.p95:
            raise ValueError(f"max {self.max} lies below p95 {self.p95}")
        if self.dist == "uniform" and self.p50 - self._width / 2 < 0:
            raise ValueError(f"a uniform with p50 {self.p50} and p95 {self.p95} would begin below 0")
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> Any:
        """A constant is written as its number, as people write it."""
        return self.p50 if self.constant and self.max is None else handler(self)

    @property
    def _width(self) -> float:
        return (self.p95 - self.p50) / 0.45  # p95 lies 45 % of the width above the median

    @cached_property
    def constant(self) -> bool:
        return self.p50 == self.p95

    @cached_property
    def most(self) -> int:
        """No draw is longer: ``max``, else where a uniform ends and the 99.9th percentile of a lognormal."""
        if self.constant:
            return self.p50
        end = self.p50 + self._width / 2 if self.dist == "uniform" else self._quantile(_Z999)
        return min(math.ceil(end), self.max or MOST_TOKENS)

    def at(self, *key: object, least: int = 1) -> int:
        """The draw of a key, not below ``least``."""
        if self.constant:
            return self.p50
        place = share(":".join(map(str, key)))
        if self.dist == "uniform":
            value = self.p50 + self._width * (place - 0.5)
        else:
            value = self._quantile(_NORMAL.inv_cdf(place))
        return min(self.most, max(least, round(value)))

    def _quantile(self, z: float) -> float:
        return self.p50 * math.exp(math.log(self.p95 / self.p50) / _Z95 * z)


def _length(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"dist": "constant", "p50": value, "p95": value}
    return value


LengthOrNumber = Annotated[Length, BeforeValidator(_length, json_schema_input_type=Length | int)]

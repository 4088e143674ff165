"""A Profile says how good is good and what matters: anchors, dimensions, weights, SLO. It is fixed before the data.

It does not know any measurement.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from providers.document import Document, read_document
from providers.errors import ConfigError
from providers.strict import Strict
from scoring.metrics import SCORABLE

DEFAULT_PROFILE = "chat-v1"
_FOLDER = Path(__file__).parent / "profiles"


class Anchor(Strict):
    """Between ``worst`` (0) and ``best`` (1) equal ratios are equal steps."""

    best: float = Field(gt=0, description="a number above 0")
    worst: float = Field(gt=0, description="a number above 0")


class Dimension(Strict):
    weight: float = Field(ge=0, description="a number, 0 or more")
    indicators: dict[str, float] = Field(min_length=1, description="a mapping of metric to share, each above 0")


class Slo(Strict):
    ttft_s: float | None = Field(None, gt=0, description="seconds, above 0")
    tpot_s: float | None = Field(None, gt=0, description="seconds, above 0")
    e2e_s: float | None = Field(None, gt=0, description="seconds, above 0")


class Eligibility(Strict):
    success_wilson_low: float = Field(0.90, ge=0, le=1, description="a share between 0 and 1")
    n: int = Field(100, ge=1, description="requests, 1 or more")


class Profile(Strict):
    """Weights of dimensions, and shares within each, count by their proportions."""

    version: int = Field(1, ge=1, le=1, description="1")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$", description="lower-case letters, digits, '.' and '-'")
    slo: Slo = Field(default_factory=Slo, description="{ttft_s, tpot_s, e2e_s}")
    anchors: dict[str, Anchor] = Field(description="a mapping of metric to {best, worst}")
    dimensions: dict[str, Dimension] = Field(min_length=1, description="a mapping of name to {weight, indicators}")
    presets: dict[str, dict[str, float]] = Field(default_factory=dict, description="a mapping of name to weights")
    eligibility: Eligibility = Field(default_factory=Eligibility, description="{success_wilson_low, n}")

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for name, dimension in self.dimensions.items():
            for metric, share in dimension.indicators.items():
                if share <= 0:
                    raise ValueError(f"'dimensions.{name}.indicators.{metric}' is {share:g}; expected a share above 0")
                if metric not in self.anchors:
                    raise ValueError(f"metric '{metric}' of dimension '{name}' has no anchor; add one to 'anchors'")
        for metric, anchor in self.anchors.items():
            _check_anchor(metric, anchor)
        for preset, weights in self.presets.items():
            check_weights(f"'presets.{preset}'", weights, self.dimensions)
        check_weights("'dimensions'", {name: d.weight for name, d in self.dimensions.items()}, self.dimensions)
        return self

    @cached_property
    def weights(self) -> dict[str, float]:
        """Of the dimensions; they add up to 1."""
        total = sum(dimension.weight for dimension in self.dimensions.values())
        return {name: dimension.weight / total for name, dimension in self.dimensions.items()}

    @cached_property
    def shares(self) -> dict[str, dict[str, float]]:
        """Of the indicators within each dimension; they add up to 1."""
        totals = {name: sum(dimension.indicators.values()) for name, dimension in self.dimensions.items()}
        return {
            name: {metric: share / totals[name] for metric, share in dimension.indicators.items()}
            for name, dimension in self.dimensions.items()
        }

    @cached_property
    def indicators(self) -> dict[str, float]:
        """Metric -> its weight in the score."""
        found: dict[str, float] = {}
        for name, shares in self.shares.items():
            for metric, share in shares.items():
                found[metric] = found.get(metric, 0.0) + self.weights[name] * share
        return found

    @property
    def sha256(self) -> str:
        """Hash of all that decides a score; presets not taken do not."""
        canonical = json.dumps(self.model_dump(mode="json", exclude={"presets"}), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def weighted(self, wanted: str) -> Profile:
        """The profile under other weights: a preset's name, or ``latency=.5,cost=.3``; what is not named weighs 0."""
        weights = self.presets.get(wanted) or _read_weights(wanted)
        try:
            check_weights(f"--weights {wanted}", weights, self.dimensions)
        except ValueError as error:
            presets = f" (presets: {', '.join(self.presets)})" if self.presets else ""
            raise ConfigError(f"{error}{presets}") from None
        dimensions = {
            name: dimension.model_copy(update={"weight": weights.get(name, 0.0)})
            for name, dimension in self.dimensions.items()
        }
        return Profile.model_validate(
            self.model_dump() | {"dimensions": {n: d.model_dump() for n, d in dimensions.items()}}
        )


def _check_anchor(metric: str, anchor: Anchor) -> None:
    if metric not in SCORABLE:
        close = difflib.get_close_matches(metric, list(SCORABLE), n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"expected one of {', '.join(SCORABLE)}"
        raise ValueError(f"metric '{metric}' is unknown or not scorable; {hint}")
    better = SCORABLE[metric][1]
    if anchor.best == anchor.worst or (anchor.best < anchor.worst) != (better == "lower"):
        side = "below" if better == "lower" else "above"
        raise ValueError(f"'anchors.{metric}': best {anchor.best:g} must lie {side} worst {anchor.worst:g}")


def check_weights(where: str, weights: Mapping[str, float], dimensions: Mapping[str, Any]) -> None:
    """ValueError, in one line, for an unknown dimension, a negative weight, or weights that add up to nothing."""
    for name, weight in weights.items():
        if name not in dimensions:
            raise ValueError(f"{where}: '{name}' is unknown; expected dimensions out of {', '.join(dimensions)}")
        if not (weight >= 0 and math.isfinite(weight)):
            raise ValueError(f"{where}: '{name}' weighs {weight:g}; expected 0 or more")
    if sum(weights.values()) <= 0:
        raise ValueError(f"{where}: the weights add up to 0; give at least one dimension a weight above 0")


def _read_weights(wanted: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for part in wanted.split(","):
        name, equals, number = (piece.strip() for piece in part.partition("="))
        try:
            weight = float(number)
        except ValueError:
            equals = ""
        if not equals:
            raise ConfigError(f"--weights {wanted}: got '{part}'; expected a preset's name or latency=.5,cost=.5")
        if name in weights:
            raise ConfigError(f"--weights {wanted}: '{name}' stands twice; keep one of them")
        weights[name] = weight
    return weights


def load_profile(name_or_file: str = DEFAULT_PROFILE) -> Profile:
    """A shipped profile by name, or one's own by file; ConfigError says what is wrong and where."""
    path = Path(name_or_file)
    if path.suffix not in (".yaml", ".yml"):
        path = _FOLDER / f"{name_or_file}.yaml"
        if not path.is_file():
            known = ", ".join(sorted(file.stem for file in _FOLDER.glob("*.yaml")))
            raise ConfigError(f"--profile {name_or_file}: unknown; expected one of {known}, or a .yaml file")
    return _profile(read_document(path))


def _profile(document: Document) -> Profile:
    if not isinstance(document.data, dict):
        raise document.error((), "expected a mapping with name, anchors and dimensions")
    try:
        return Profile.model_validate(document.data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = tuple(first["loc"])
        if first["type"] == "value_error":
            raise document.error(path, str(first["ctx"]["error"])) from None
        problem = "unknown key, remove it" if first["type"] == "extra_forbidden" else first["msg"]
        got = first["input"] if not isinstance(first["input"], dict) else "a mapping"
        key = ".".join(map(str, path))
        raise document.error(path, f"key '{key}': got {got!r}; {problem}") from None

"""Singles are prompts that have nothing to do with each other: words of a drawn length, with an answer of another.

They do not know the nonce that keeps caches cold (``providers.workload``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from providers.conversation import LEAST_TOKENS
from providers.draft import Draft
from providers.length import Length
from providers.words import asking, draw


@dataclass(frozen=True, slots=True)
class Singles:
    """The first ``prefix_tokens`` are common to all; ``repeat`` is one prompt for ever."""

    name: str
    input_tokens: Length
    output_tokens: Length
    prefix_tokens: int = 0
    repeat: bool = False
    turns_max: int = 1
    content_sha256: str = ""

    @property
    def largest(self) -> tuple[int, int]:
        return self.input_tokens.most, self.output_tokens.most

    def draft(self, seed: int, index: int, abreast: int | None, history: Sequence[str]) -> Draft:  # noqa: ARG002 - of Source
        index = 0 if self.repeat else index
        asked, answered = self.tokens(seed, index)
        shared = draw(f"prefix:{seed}", self.prefix_tokens) if self.prefix_tokens else []
        content = asking(f"prompt:{seed}:{index}", asked, shared)
        return Draft(f"{self.name}-{index}", (("user", content),), asked, answered, cold=str(index))

    def tokens(self, seed: int, index: int) -> tuple[int, int]:
        index = 0 if self.repeat else index
        least = max(LEAST_TOKENS, self.prefix_tokens)
        asked = self.input_tokens.at("input", seed, index, least=least)
        return asked, self.output_tokens.at("output", seed, index)

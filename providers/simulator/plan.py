"""A Plan is what one request will get, drawn before its first byte is answered.

It depends on nothing but (mock.seed, provider name, arrival index) and on what was asked, so the k-th request of a
provider is answered alike in every run, however requests overlap. Arrivals are counted per provider, refused ones too.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from typing import Literal

from providers.simulator.law import draw
from providers.spec import Mock

DEFAULT_OUTPUT_TOKENS = 128
Fault = Literal["", "error", "truncate", "stall", "malformed", "stream_error"]


@dataclass(frozen=True, slots=True)
class Plan:
    """``due_s[i]`` is when chunk i is written, in seconds of service after the arrival; ``sizes`` its tokens."""

    index: int
    fault: Fault
    sizes: tuple[int, ...]
    reasoning_chunks: int  # the first of them
    due_s: tuple[float, ...]
    finish: Literal["stop", "length"]

    @property
    def headers_s(self) -> float:
        """Headers and the role-only chunk leave early, so that a client that takes them for content is caught."""
        return self.due_s[0] / 2

    @property
    def break_at(self) -> int:
        """The chunk before which a drawn fault strikes."""
        return len(self.sizes) // 2


def draw_plan(
    mock: Mock, name: str, index: int, max_tokens: int | None, slowness: float = 1.0, delay_s: float = 0.0
) -> Plan:
    """``slowness`` multiplies every latency (drift); ``delay_s`` comes on top of the first token (cold start)."""
    rng = random.Random(f"{mock.seed}:{name}:{index}")
    fault = _fault(mock, rng.random())
    reasoning, answer, finish = _lengths(mock, max_tokens)
    thought = _sizes(reasoning, mock.tokens_per_chunk)
    sizes = thought + _sizes(answer, mock.tokens_per_chunk)
    first = draw(mock.ttft_s, rng) * slowness + delay_s
    gaps = (draw(mock.gap_s, rng) * slowness for _ in sizes[1:])
    return Plan(index, fault, sizes, len(thought), tuple(itertools.accumulate(gaps, initial=first)), finish)


def _fault(mock: Mock, dart: float) -> Fault:
    """One dart at one line: the shares exclude each other, so each is exactly the share of all requests."""
    shares: tuple[tuple[Fault, float], ...] = (
        ("error", mock.error_rate), ("truncate", mock.truncate_rate), ("stall", mock.stall_rate),
        ("malformed", mock.malformed_rate), ("stream_error", mock.stream_error_rate),
    )  # fmt: skip
    edge = 0.0
    for fault, share in shares:
        edge += share
        if dart < edge:
            return fault
    return ""


def _lengths(mock: Mock, max_tokens: int | None) -> tuple[int, int, Literal["stop", "length"]]:
    """(reasoning, answer, finish); the cap holds for both together, as OpenAI counts."""
    natural = None if mock.output_tokens is None else mock.reasoning_tokens + mock.output_tokens
    if natural is None and max_tokens is None:
        natural = mock.reasoning_tokens + DEFAULT_OUTPUT_TOKENS
    capped = natural is None or (max_tokens is not None and max_tokens < natural)
    total = max_tokens if capped else natural
    assert total is not None
    reasoning = min(mock.reasoning_tokens, total)
    return reasoning, total - reasoning, "length" if capped else "stop"


def _sizes(tokens: int, per_chunk: int) -> tuple[int, ...]:
    full, rest = divmod(tokens, per_chunk)
    return (per_chunk,) * full + ((rest,) if rest else ())

"""A Replay gives a trace its prompts: words of the traced lengths, in the traced order.

What shared its beginning then shares it now: requests of one session, and requests with the same leading blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from providers.draft import Draft
from providers.trace import BLOCK_TOKENS, Trace
from providers.words import TASK, asking, draw


@dataclass(frozen=True, slots=True)
class Replay:
    """``repeat`` draws all prompts from one text: each is the beginning of the longest."""

    name: str
    trace: Trace
    turns: Sequence[int]  # of each request in its session, from 0; empty without sessions
    repeat: bool = False

    @property
    def largest(self) -> tuple[int, int]:
        return max(self.trace.input_tokens), max(self.trace.output_tokens)

    @property
    def turns_max(self) -> int:
        return 1 + max(self.turns, default=0)

    @property
    def content_sha256(self) -> str:
        return self.trace.sha256

    def draft(self, seed: int, index: int, abreast: int | None, history: Sequence[str]) -> Draft:  # noqa: ARG002 - of Source
        cycle, place = divmod(index, len(self.trace))
        tokens = self.trace.input_tokens[place]
        session = self.trace.sessions[place] if self.trace.sessions else ""
        blocks = self.trace.blocks[place] if self.trace.blocks else ()
        if self.repeat:
            content, cold = asking(f"prompt:{seed}:0", tokens), ""
        elif session:
            content, cold = asking(f"session:{seed}:{cycle}:{session}", tokens), f"session {cycle} {session}"
        elif blocks:
            shared = _of_blocks(f"{seed}:{cycle}", blocks, tokens - len(TASK))
            content, cold = asking(f"prompt:{seed}:{index}", tokens, shared), f"block {cycle} {blocks[0]}"
        else:
            content, cold = asking(f"prompt:{seed}:{index}", tokens), str(index)
        return Draft(
            prompt_id=f"{self.name}-{place}",
            messages=(("user", content),),
            input_tokens=tokens,
            output_tokens=self.trace.output_tokens[place],
            cold=cold,
            session=f"{session}.{cycle}" if session else "",
            turn=self.turns[place] if session else None,
        )

    def tokens(self, seed: int, index: int) -> tuple[int, int]:  # noqa: ARG002 - of Source
        place = index % len(self.trace)
        return self.trace.input_tokens[place], self.trace.output_tokens[place]


def replay_of(name: str, trace: Trace, *, repeat: bool) -> Replay:
    seen: dict[str, int] = {}
    turns = []
    for session in trace.sessions:
        turns.append(seen.get(session, 0))
        seen[session] = turns[-1] + 1
    return Replay(name, trace, turns, repeat)


def _of_blocks(key: str, blocks: Sequence[int], tokens: int) -> list[str]:
    """The words that the blocks stand for; a request with fewer blocks than its length needs ends in its own."""
    shared: list[str] = []
    for block in blocks:
        if len(shared) >= tokens:
            break
        shared += draw(f"block:{key}:{block}", BLOCK_TOKENS)
    return shared

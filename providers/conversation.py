"""A Conversation is many sessions side by side: each prompt is a turn that carries all that was said before it.

Earlier answers are scripted, words of the drawn length, so that every prompt is known before any provider has
answered and is the same for all. ``history: own`` puts a provider's own answers there instead.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from providers.draft import Draft
from providers.length import LengthOrNumber
from providers.strict import Strict
from providers.words import asking, draw, text

LEAST_TOKENS = 8  # of a message: room for the nonce and some words beside it


class Session(Strict):
    """How long conversations are, and how many run side by side."""

    turns: LengthOrNumber = Field(description="turns of a session, a number or {dist, p50, p95, max}")
    system_tokens: int = Field(0, ge=0, le=1_000_000, description="tokens of the system message, 0 or 8 and more")
    turn_input_tokens: LengthOrNumber = Field(
        description="tokens a user adds each turn, 8 or more, a number or {dist, p50, p95, max}"
    )
    abreast: int = Field(8, ge=1, le=100_000, description="sessions side by side in open loop, 1 or more")
    history: Literal["scripted", "own"] = Field("scripted", description="scripted or own")


@dataclass(frozen=True, slots=True)
class Conversation:
    """``prefix_tokens`` of the system message are common to all sessions; ``repeat`` is one session for ever."""

    name: str
    session: Session
    output_tokens: LengthOrNumber
    prefix_tokens: int = 0
    repeat: bool = False
    content_sha256: str = ""
    # First iterations of the sessions of a lane, grown as they are asked for: (seed, abreast, lane) -> rising starts.
    _starts: dict[tuple[int, int, int], list[int]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def largest(self) -> tuple[int, int]:
        said, answered, turns = self.session.turn_input_tokens.most, self.output_tokens.most, self.turns_max
        return self.session.system_tokens + turns * said + (turns - 1) * answered, answered

    @property
    def turns_max(self) -> int:
        return self.session.turns.most

    def place(self, seed: int, index: int, abreast: int | None = None) -> tuple[int, int]:
        """(session, turn) of an index: lanes take turns, and in each lane session follows session."""
        if index < 0:  # what is asked outside of the load is the first turn of a session that it never reaches
            return index, 0
        lanes = abreast or self.session.abreast
        iteration, lane = divmod(index, lanes)
        if self.session.turns.constant:
            ordinal, turn = divmod(iteration, self.session.turns.p50)
        else:
            starts = self._starts.setdefault((seed, lanes, lane), [0])
            while starts[-1] <= iteration:
                nth = (len(starts) - 1) * lanes + lane
                starts.append(starts[-1] + self.session.turns.at("turns", seed, nth))
            ordinal = bisect_right(starts, iteration) - 1
            turn = iteration - starts[ordinal]
        return ordinal * lanes + lane, turn

    def draft(self, seed: int, index: int, abreast: int | None, history: Sequence[str]) -> Draft:
        """``history`` are the answers so far, for ``history: own``; a missing one is replaced by its script."""
        session, turn = self.place(seed, index, abreast)
        key = f"{seed}:{0 if self.repeat else session}"
        answers = history if self.session.history == "own" else ()
        messages = [("system", self._system(seed, key))] if self.session.system_tokens else []
        for earlier in range(turn):
            messages.append(("user", asking(f"user:{key}:{earlier}", self._said(key, earlier))))
            answer = answers[earlier] if earlier < len(answers) else ""
            script = f"assistant:{key}:{earlier}"
            messages.append(("assistant", answer or text(draw(script, self._answered(key, earlier)))))
        messages.append(("user", asking(f"user:{key}:{turn}", self._said(key, turn))))
        return Draft(
            prompt_id=f"{self.name}-{0 if self.repeat else session}-{turn}",
            messages=tuple(messages),
            input_tokens=None if any(answers[:turn]) else self._input(key, turn),
            output_tokens=self._answered(key, turn),
            cold=f"session {session}",
            session=str(session),
            turn=turn,
        )

    def tokens(self, seed: int, index: int) -> tuple[int, int]:
        session, turn = self.place(seed, index)
        key = f"{seed}:{0 if self.repeat else session}"
        return self._input(key, turn), self._answered(key, turn)

    def _system(self, seed: int, key: str) -> str:
        shared = draw(f"prefix:{seed}", self.prefix_tokens)
        return text([*shared, *draw(f"system:{key}", self.session.system_tokens - len(shared))])

    def _said(self, key: str, turn: int) -> int:
        return self.session.turn_input_tokens.at("said", key, turn, least=LEAST_TOKENS)

    def _answered(self, key: str, turn: int) -> int:
        return self.output_tokens.at("answered", key, turn)

    def _input(self, key: str, turn: int) -> int:
        earlier = sum(self._said(key, t) + self._answered(key, t) for t in range(turn))
        return self.session.system_tokens + earlier + self._said(key, turn)

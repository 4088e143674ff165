"""An Exchange plays one Plan to one client, on an absolute schedule, and notes the true time of every write."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from starlette.types import Send

from providers.simulator.ask import Ask
from providers.simulator.frames.base import Answer, Counts, Format
from providers.simulator.plan import Plan
from providers.simulator.provider import MockProvider
from providers.simulator.refusal import Headers, Refusal
from providers.simulator.text import text
from providers.simulator.truth import Truth

STALL_LIMIT_S = 300.0
SERVER_ERROR = "The server had an error while processing your request."
# What a correct client must report.
_ERROR_OF = {"truncate": "truncated", "malformed": "protocol", "stream_error": "server"}


class Exchange:
    """Coming back without the last body part makes the server close the connection: a truncated answer."""

    def __init__(self, provider: MockProvider, wire: Format, plan: Plan, ask: Ask, truth: Truth) -> None:
        self._plan, self._truth = plan, truth
        self._stream = ask.stream
        self._thoughts = plan.reasoning_chunks if ask.shows_reasoning else 0
        self._pace = provider.pace
        self._start = self._pace.now() - truth.elapsed_s()
        counts = Counts(
            ask.input_tokens, *provider.cached(ask.input_tokens), sum(plan.sizes), sum(plan.sizes[: self._thoughts])
        )
        self._counts = counts
        self._frames = wire.frames(
            Answer(
                f"{provider.name}-{plan.index}", time.time(), ask.model or provider.model, ask, counts, plan.finish,
                plan.due_s[0], plan.due_s[-1],
            )
        )  # fmt: skip

    async def run(self, send: Send, headers: Headers) -> None:
        if self._plan.fault == "error":
            await self._until(self._plan.headers_s)
            raise Refusal(500, SERVER_ERROR, "server_error")
        if self._stream:
            await self._events(send, headers)
        else:
            await self._whole(send, headers)

    async def _events(self, send: Send, headers: Headers) -> None:
        plan, frames = self._plan, self._frames
        await self._until(plan.headers_s)
        await self._head(send, [(b"content-type", frames.content_type), *headers])
        await _write_all(send, frames.opening())
        for number, due_s in enumerate(plan.due_s):
            if plan.fault and number == plan.break_at:
                await self._strike(send, due_s)
                if plan.fault != "malformed":
                    return
            await self._until(due_s)
            await self._content(send, number)
        self._truth.finish = plan.finish
        *events, last = frames.closing()
        await _write_all(send, events)
        self._truth.end_s = self._truth.elapsed_s()
        await _write(send, last, more=False)

    async def _content(self, send: Send, number: int) -> None:
        plan, truth = self._plan, self._truth
        reasoning = number < self._thoughts
        if number == self._thoughts and number:
            await _write_all(send, self._frames.turn())
        words = text(plan.index + truth.output_tokens, plan.sizes[number])
        frame = self._frames.content(words, reasoning=reasoning)
        truth.note_chunk(plan.sizes[number], reasoning=reasoning)
        await _write(send, frame)

    async def _strike(self, send: Send, due_s: float) -> None:
        """The drawn fault, when its chunk is due; a stall, as soon as the chunk before is out."""
        truth, fault = self._truth, self._plan.fault
        if fault == "stall":
            truth.error = "timeout_idle" if truth.chunks_s else "timeout_first_token"
            await asyncio.sleep(STALL_LIMIT_S)
            return
        await self._until(due_s)
        truth.error = _ERROR_OF[fault]
        if fault == "malformed":
            await _write(send, self._frames.broken())
        if fault == "stream_error":
            truth.end_s = truth.elapsed_s()
            await _write(send, self._frames.error(SERVER_ERROR), more=False)

    async def _whole(self, send: Send, headers: Headers) -> None:
        """The unary answer, when its last chunk would have been written; a fault leaves half of it, or none."""
        plan, truth = self._plan, self._truth
        if plan.fault == "stall":
            truth.error = "timeout_first_token"
            await asyncio.sleep(STALL_LIMIT_S)
            return
        await self._until(plan.due_s[-1])
        if plan.fault == "stream_error":
            raise Refusal(500, SERVER_ERROR, "server_error")
        body = self._body()
        sent = body[: len(body) // 2] if plan.fault else body
        announced = b"%d" % len(body if plan.fault == "truncate" else sent)
        await self._head(send, [(b"content-type", b"application/json"), (b"content-length", announced), *headers])
        if plan.fault:
            truth.error = _ERROR_OF[plan.fault]
        else:
            truth.finish = plan.finish
            truth.note_chunk(sum(plan.sizes), reasoning=False)
            truth.reasoning_tokens = self._counts.reasoning
        truth.end_s = truth.elapsed_s()
        await _write(send, sent, more=plan.fault == "truncate")

    def _body(self) -> bytes:
        index, reasoning = self._plan.index, self._counts.reasoning
        answer = text(index + reasoning, self._counts.output - reasoning)
        return self._frames.whole(text(index, reasoning).decode(), answer.decode())

    async def _head(self, send: Send, headers: Headers) -> None:
        self._truth.status, self._truth.headers_s = 200, self._truth.elapsed_s()
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _until(self, due_s: float) -> None:
        await self._pace.until(self._start + due_s)


async def _write(send: Send, data: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def _write_all(send: Send, events: Iterable[bytes]) -> None:
    for event in events:
        await _write(send, event)

"""An Exchange plays one Plan to one client, on an absolute schedule, and notes the true time of every write."""

from __future__ import annotations

import asyncio
import time

from starlette.types import Send

from providers.simulator.ask import Ask
from providers.simulator.frames import BROKEN, DONE, Frames, text, usage
from providers.simulator.plan import Plan
from providers.simulator.provider import MockProvider
from providers.simulator.refusal import Headers, Refusal
from providers.simulator.truth import Truth

STALL_LIMIT_S = 300.0
_ERROR_OF = {"truncate": "truncated", "malformed": "protocol"}  # what a correct client must report


class Exchange:
    """Coming back without the last body part makes the server close the connection: a truncated answer."""

    def __init__(self, provider: MockProvider, plan: Plan, ask: Ask, truth: Truth) -> None:
        self._plan, self._ask, self._truth = plan, ask, truth
        self._pace = provider.pace
        self._start = self._pace.now() - truth.elapsed_s()
        answer_id, model = f"chatcmpl-{provider.name}-{plan.index}", ask.model or provider.model
        self._frames = Frames(answer_id, int(time.time()), model, include_usage=ask.include_usage)

    async def run(self, send: Send, headers: Headers) -> None:
        if self._plan.fault == "error":
            await self._until(self._plan.headers_s)
            raise Refusal(500, "The server had an error while processing your request.", "server_error")
        if self._ask.stream:
            await self._stream(send, headers)
        else:
            await self._whole(send, headers)

    async def _stream(self, send: Send, headers: Headers) -> None:
        plan, frames = self._plan, self._frames
        await self._until(plan.headers_s)
        await self._head(send, [(b"content-type", b"text/event-stream; charset=utf-8"), *headers])
        await _write(send, frames.role)
        for number, due_s in enumerate(plan.due_s):
            if plan.fault and number == plan.break_at:
                await self._strike(send, due_s)
                if plan.fault != "malformed":
                    return
            await self._until(due_s)
            await self._content(send, number)
        self._truth.finish = plan.finish
        await _write(send, frames.finish(plan.finish))
        if self._ask.include_usage:
            await _write(send, frames.usage(self._usage()))
        self._truth.end_s = self._truth.elapsed_s()
        await _write(send, DONE, more=False)

    async def _content(self, send: Send, number: int) -> None:
        plan, truth = self._plan, self._truth
        reasoning = number < plan.reasoning_chunks
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
            await _write(send, BROKEN)

    async def _whole(self, send: Send, headers: Headers) -> None:
        """The unary answer, when its last chunk would have been written; a fault leaves half of it."""
        plan, truth = self._plan, self._truth
        if plan.fault == "stall":
            truth.error = "timeout_first_token"
            await asyncio.sleep(STALL_LIMIT_S)
            return
        await self._until(plan.due_s[-1])
        body = self._body()
        sent = body[: len(body) // 2] if plan.fault else body
        announced = b"%d" % len(body if plan.fault == "truncate" else sent)
        await self._head(send, [(b"content-type", b"application/json"), (b"content-length", announced), *headers])
        if plan.fault:
            truth.error = _ERROR_OF[plan.fault]
        else:
            truth.finish = plan.finish
            truth.note_chunk(sum(plan.sizes), reasoning=False)
            truth.reasoning_tokens = self._reasoning_tokens
        truth.end_s = truth.elapsed_s()
        await _write(send, sent, more=plan.fault == "truncate")

    @property
    def _reasoning_tokens(self) -> int:
        return sum(self._plan.sizes[: self._plan.reasoning_chunks])

    def _usage(self) -> dict[str, object]:
        return usage(self._ask.input_tokens, sum(self._plan.sizes), self._reasoning_tokens)

    def _body(self) -> bytes:
        index, reasoning = self._plan.index, self._reasoning_tokens
        answer = text(index + reasoning, sum(self._plan.sizes) - reasoning)
        return self._frames.whole(text(index, reasoning), answer, self._plan.finish, self._usage())

    async def _head(self, send: Send, headers: Headers) -> None:
        self._truth.status, self._truth.headers_s = 200, self._truth.elapsed_s()
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _until(self, due_s: float) -> None:
        await self._pace.until(self._start + due_s)


async def _write(send: Send, data: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})

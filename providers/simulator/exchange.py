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


class Exchange:
    """``arrived`` is the loop time of the arrival. Returning without the last body part closes the connection."""

    def __init__(self, provider: MockProvider, plan: Plan, ask: Ask, truth: Truth, arrived: float) -> None:  # noqa: PLR0913 - the five nouns an exchange is made of
        self._plan, self._ask, self._truth = plan, ask, truth
        self._arrived = arrived
        self._loop = asyncio.get_running_loop()
        self._pace = provider.pace
        self._start = self._pace.now() - (self._loop.time() - arrived)
        answer_id = f"chatcmpl-{provider.name}-{plan.index}"
        model = ask.model or provider.model
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
                if plan.fault != "malformed":
                    return await self._break_off(due_s)
                await self._until(due_s)
                self._truth.error = "protocol"
                await _write(send, BROKEN)
            await self._until(due_s)
            await self._content(send, number)
        self._truth.finish = plan.finish
        await _write(send, frames.finish(plan.finish))
        if self._ask.include_usage:
            await _write(send, frames.usage(self._usage()))
        self._truth.end_s = self._now()
        await _write(send, DONE, more=False)
        return None

    async def _content(self, send: Send, number: int) -> None:
        plan, truth = self._plan, self._truth
        reasoning = number < plan.reasoning_chunks
        size = plan.sizes[number]
        frame = self._frames.content(text(plan.index + truth.output_tokens, size), reasoning=reasoning)
        at = self._now()
        truth.chunks_s.append(at)
        if reasoning:
            truth.reasoning_tokens += size
        elif truth.ttfo_s is None:
            truth.ttfo_s = at
        truth.output_tokens += size
        await _write(send, frame)

    async def _break_off(self, due_s: float) -> None:
        if self._plan.fault == "truncate":
            await self._until(due_s)
            self._truth.error = "truncated"
        else:
            self._truth.error = "timeout_idle" if self._truth.chunks_s else "timeout_first_token"
            await asyncio.sleep(STALL_LIMIT_S)

    async def _whole(self, send: Send, headers: Headers) -> None:
        """The unary answer, when its last chunk would have been written."""
        plan, truth = self._plan, self._truth
        if plan.fault == "stall":
            await self._break_off(plan.due_s[-1])
            return
        await self._until(plan.due_s[-1])
        reasoning = sum(plan.sizes[: plan.reasoning_chunks])
        truth.output_tokens, truth.reasoning_tokens = sum(plan.sizes), reasoning
        thought, answer = text(plan.index, reasoning), text(plan.index + reasoning, truth.output_tokens - reasoning)
        body = self._frames.whole(thought, answer, plan.finish, self._usage())
        if plan.fault == "malformed":
            body = body[: len(body) // 2]
        size = b"%d" % len(body)
        await self._head(send, [(b"content-type", b"application/json"), (b"content-length", size), *headers])
        if plan.fault:
            truth.error = "truncated" if plan.fault == "truncate" else "protocol"
        else:
            truth.chunks_s.append(self._now())
            truth.ttfo_s, truth.finish = truth.chunks_s[0], plan.finish
        truth.end_s = self._now()
        if plan.fault == "truncate":
            await _write(send, body[: len(body) // 2])
        else:
            await _write(send, body, more=False)

    async def _head(self, send: Send, headers: Headers) -> None:
        self._truth.status, self._truth.headers_s = 200, self._now()
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _until(self, due_s: float) -> None:
        await self._pace.until(self._start + due_s)

    def _now(self) -> float:
        return self._loop.time() - self._arrived

    def _usage(self) -> dict[str, object]:
        return usage(self._ask.input_tokens, self._truth.output_tokens, self._truth.reasoning_tokens)


async def _write(send: Send, data: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})

"""openai-responses: named, numbered events that open and close an item for reasoning and one for the message."""

from __future__ import annotations

from typing import Any

import orjson

from providers.simulator.ask import Ask, cap, count_words, required
from providers.simulator.frames.base import TEXT, Answer, Call, Frames, around
from providers.simulator.frames.openai import OpenAI
from providers.simulator.refusal import Refusal


class OpenAIResponses(OpenAI):
    def ask(self, call: Call) -> Ask:
        document = call.document
        wanted = document.get("input")
        if not isinstance(wanted, str | list) or not wanted:
            raise Refusal(400, "'input' must be a text or a list of messages.")
        return Ask(
            model=required(document, "model"),
            stream=document.get("stream") is True,
            max_tokens=cap(document, "max_output_tokens"),
            input_tokens=count_words(wanted) + count_words(document.get("instructions")),
        )

    def frames(self, answer: Answer) -> Frames:
        return ResponseFrames(answer)


class ResponseFrames:
    """``content`` is the only event made often; the others are rendered from documents."""

    content_type = b"text/event-stream; charset=utf-8"

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._number = 0  # of the next event
        self._items: list[dict[str, Any]] = []  # those that are closed
        self._words: list[bytes] = []  # of the item that is open
        self._part: tuple[bytes, bytes] = (b"", b"")

    def opening(self) -> tuple[bytes, ...]:
        begun = [self._event(f"response.{name}", response=self._response("in_progress"))
                 for name in ("created", "in_progress")]  # fmt: skip
        return (*begun, *self._open("reasoning" if self._answer.counts.reasoning else "message"))

    def content(self, text: bytes, *, reasoning: bool) -> bytes:  # noqa: ARG002 - the open item says which it is
        self._words.append(text)
        before, after = self._part
        number = self._number
        self._number += 1
        return b'%b%b%b,"sequence_number":%d}\n\n' % (before, text, after, number)

    def turn(self) -> tuple[bytes, ...]:
        return (*self._close("completed"), *self._open("message"))

    def closing(self) -> tuple[bytes, ...]:
        """``incomplete`` is how this format calls an answer that met its cap."""
        status = "completed" if self._answer.finish == "stop" else "incomplete"
        closed = self._close(status)
        return (*closed, self._event(f"response.{status}", response=self._response(status)))

    def broken(self) -> bytes:
        return self._part[0] + b"\n\n"

    def error(self, message: str) -> bytes:
        response = self._response("failed") | {"error": {"code": "server_error", "message": message}}
        return self._event("response.failed", response=response)

    def whole(self, reasoning: str, answer: str) -> bytes:
        status = "completed" if self._answer.finish == "stop" else "incomplete"
        thought = [self._item("reasoning", reasoning, "completed")] if reasoning else []
        said = [self._item("message", answer, status)] if answer or not reasoning else []
        self._items = thought + said
        return orjson.dumps(self._response(status))

    def _open(self, kind: str) -> tuple[bytes, ...]:
        item, where = self._item(kind, None, "in_progress"), {"output_index": len(self._items)}
        part = {"item_id": item["id"], **where, "content_index": 0}
        delta = f"response.{'output' if kind == 'message' else 'reasoning'}_text.delta"
        tail: dict[str, Any] = {"logprobs": []} if kind == "message" else {}
        before, after = around({"type": delta, **part, **tail, "delta": TEXT})
        self._part = (f"event: {delta}\ndata: ".encode() + before, after[:-1])
        self._words = []
        added = self._event("response.output_item.added", **where, item=item)
        return added, self._event("response.content_part.added", **part, part=_part(kind, ""))

    def _close(self, status: str) -> tuple[bytes, ...]:
        """The three events that end the open item."""
        index = len(self._items)
        kind = "reasoning" if self._answer.counts.reasoning and not index else "message"
        text = b"".join(self._words).decode()
        item = self._item(kind, text, status)
        part = {"item_id": item["id"], "output_index": index, "content_index": 0}
        done = f"response.{'output' if kind == 'message' else 'reasoning'}_text.done"
        tail: dict[str, Any] = {"logprobs": []} if kind == "message" else {}
        self._items.append(item)
        return (
            self._event(done, **part, **tail, text=text),
            self._event("response.content_part.done", **part, part=_part(kind, text)),
            self._event("response.output_item.done", output_index=index, item=item),
        )

    def _item(self, kind: str, text: str | None, status: str) -> dict[str, Any]:
        item_id = f"{'msg' if kind == 'message' else 'rs'}_{self._answer.id}"
        content = [] if text is None else [_part(kind, text)]
        head: dict[str, Any] = {"id": item_id, "type": kind, "status": status, "content": content}
        return {**head, "role": "assistant"} if kind == "message" else {**head, "summary": []}

    def _response(self, status: str) -> dict[str, Any]:
        ended = status in ("completed", "incomplete")
        return {
            "id": f"resp_{self._answer.id}", "object": "response", "created_at": int(self._answer.created),
            "status": status, "model": self._answer.model, "output": list(self._items), "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "usage": self._usage() if ended else None,
            "instructions": None, "metadata": {}, "parallel_tool_calls": True, "temperature": 1.0,
            "tool_choice": "auto", "tools": [], "top_p": 1.0,
            "max_output_tokens": self._answer.ask.max_tokens, "store": False,
        }  # fmt: skip

    def _usage(self) -> dict[str, Any]:
        counts = self._answer.counts
        return {
            "input_tokens": counts.input,
            "input_tokens_details": {"cached_tokens": counts.cached, "cache_write_tokens": counts.cache_write},
            "output_tokens": counts.output,
            "output_tokens_details": {"reasoning_tokens": counts.reasoning},
            "total_tokens": counts.total,
        }

    def _event(self, kind: str, **fields: Any) -> bytes:
        document = {"type": kind, **fields, "sequence_number": self._number}
        self._number += 1
        return f"event: {kind}\ndata: ".encode() + orjson.dumps(document) + b"\n\n"


def _part(kind: str, text: str) -> dict[str, Any]:
    if kind == "reasoning":
        return {"type": "reasoning_text", "text": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}

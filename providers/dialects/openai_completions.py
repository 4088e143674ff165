"""OpenAI's older completions, as vLLM, SGLang and llama.cpp serve base models: ``base_url`` https://HOST/v1, operation
``/completions``.

A prompt is plain text here, without a chat template: the contents of its messages, a blank line between them. A
streamed object and a whole one have the same shape, and the finish reason is the end of both. All else is chat's.
"""

from __future__ import annotations

from providers.dialects.base import End, Event, Finish, HttpRequest, Prompt, Served
from providers.dialects.frame import counted, document, said
from providers.dialects.openai_chat import OpenAIChat, ask
from providers.dialects.openai_terms import FINISH, stream_failure, streamed, usage_of
from providers.spec import Provider


class OpenAICompletions(OpenAIChat):
    name = "openai-completions"

    def build(self, prompt: Prompt, provider: Provider) -> HttpRequest:
        text = "\n\n".join(content for _, content in prompt.messages)
        return ask(provider, prompt, "/completions", {"prompt": text})

    def events(self, frame: bytes) -> list[Event]:
        if frame.strip() == b"[DONE]":
            return [End()]
        chunk = document(frame)
        if failure := stream_failure(chunk):
            return [failure]
        choices, usage = chunk.get("choices") or (), usage_of(chunk)
        fragments = [event for choice in choices for event in said("answer", choice.get("text"))]
        reasons = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
        finishes = [Finish(FINISH.get(reason, "other")) for reason in reasons]
        text = counted(fragments, None if finishes else streamed(usage, fragments))
        return [*text, *finishes, *([usage] if usage else []), Served(model=str(chunk.get("model") or ""))]

"""The official SDKs as clients: what each makes of an answer, in words of ours. None of them retries.

It does not know what it talks to: ``root`` is the address below which the vendor's own paths begin.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import anthropic
import boto3
import cohere
import ollama
import openai
from botocore.config import Config
from google import genai
from google.oauth2.credentials import Credentials

MODEL = "mock-8b"
PROMPT = "one two three four five"
MAX_TOKENS = 8
_TURNS = [{"role": "user", "content": PROMPT}]


@dataclass(frozen=True)
class Said:
    """What an SDK read; totals, by its own documentation: input with what was cached, output with reasoning."""

    answer: str = ""
    reasoning: str = ""
    finish: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None

    def plus(self, answer: str | None = None, reasoning: str | None = None) -> Said:
        return replace(self, answer=self.answer + (answer or ""), reasoning=self.reasoning + (reasoning or ""))


class StreamFailedError(Exception):
    """A stream that told of its failure in an event which the SDK hands on."""


class OpenAIChat:
    """Also the base of AzureOpenAI, which asks the same at another path."""

    @contextlib.contextmanager
    def client(self, root: str) -> Iterator[Any]:
        with openai.OpenAI(api_key="none", base_url=f"{root}/v1", max_retries=0) as client:
            yield client

    def stream(self, root: str) -> Said:
        said = Said()
        options = {"include_usage": True}
        with self.client(root) as client:
            for chunk in client.chat.completions.create(**self._asked(), stream=True, stream_options=options):
                for choice in chunk.choices:
                    said = said.plus(choice.delta.content, getattr(choice.delta, "reasoning_content", None))
                    said = replace(said, finish=choice.finish_reason or said.finish)
                if chunk.usage:
                    said = replace(said, **_openai_usage(chunk.usage))
        return said

    def unary(self, root: str) -> Said:
        with self.client(root) as client:
            answer = client.chat.completions.create(**self._asked())
        message = answer.choices[0].message
        said = Said().plus(message.content, getattr(message, "reasoning_content", None))
        return replace(said, finish=answer.choices[0].finish_reason, **_openai_usage(answer.usage))

    def _asked(self) -> dict[str, Any]:
        return {"model": MODEL, "messages": _TURNS, "max_tokens": MAX_TOKENS}


class AzureChat(OpenAIChat):
    """The classic path: /openai/deployments/NAME/chat/completions?api-version=..."""

    @contextlib.contextmanager
    def client(self, root: str) -> Iterator[Any]:
        version = "2024-10-21"
        with openai.AzureOpenAI(api_key="none", azure_endpoint=root, api_version=version, max_retries=0) as client:
            yield client


class AzureV1Chat(OpenAIChat):
    """The path without versions: /openai/v1/chat/completions."""

    @contextlib.contextmanager
    def client(self, root: str) -> Iterator[Any]:
        with openai.OpenAI(api_key="none", base_url=f"{root}/openai/v1", max_retries=0) as client:
            yield client


def _openai_usage(usage: Any) -> dict[str, int | None]:
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return {
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "cached_tokens": prompt and prompt.cached_tokens,
        "reasoning_tokens": completion and completion.reasoning_tokens,
    }


class OpenAICompletions(OpenAIChat):
    def stream(self, root: str) -> Said:
        said = Said()
        options = {"include_usage": True}
        with self.client(root) as client:
            for chunk in client.completions.create(**self._asked(), stream=True, stream_options=options):
                for choice in chunk.choices:
                    said = replace(said.plus(choice.text), finish=choice.finish_reason or said.finish)
                if chunk.usage:
                    said = replace(said, **_openai_usage(chunk.usage))
        return said

    def unary(self, root: str) -> Said:
        with self.client(root) as client:
            answer = client.completions.create(**self._asked())
        choice = answer.choices[0]
        return Said(answer=choice.text, finish=choice.finish_reason, **_openai_usage(answer.usage))

    def _asked(self) -> dict[str, Any]:
        return {"model": MODEL, "prompt": PROMPT, "max_tokens": MAX_TOKENS}


class OpenAIResponses(OpenAIChat):
    def stream(self, root: str) -> Said:
        said, numbers = Said(), []
        with self.client(root) as client:
            for event in client.responses.create(**self._asked(), stream=True):
                numbers.append(event.sequence_number)
                match event.type:
                    case "response.output_text.delta":
                        said = said.plus(event.delta)
                    case "response.reasoning_text.delta":
                        said = said.plus(reasoning=event.delta)
                    case "response.completed" | "response.incomplete":
                        said = replace(said, **self._ending(event.response))
                        assert event.response.output_text == said.answer
                    case "response.failed":
                        raise StreamFailedError(event.response.error.message)
        assert numbers == list(range(len(numbers)))
        return said

    def unary(self, root: str) -> Said:
        with self.client(root) as client:
            response = client.responses.create(**self._asked())
        thoughts = [part.text for item in response.output if item.type == "reasoning" for part in item.content or ()]
        return Said(answer=response.output_text, reasoning="".join(thoughts), **self._ending(response))

    def _asked(self) -> dict[str, Any]:
        return {"model": MODEL, "input": PROMPT, "max_output_tokens": MAX_TOKENS, "store": False}

    def _ending(self, response: Any) -> dict[str, Any]:
        usage = response.usage
        return {
            "finish": response.incomplete_details.reason if response.incomplete_details else response.status,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cached_tokens": usage.input_tokens_details.cached_tokens,
            "reasoning_tokens": usage.output_tokens_details.reasoning_tokens,
        }


class AnthropicMessages:
    def stream(self, root: str) -> Said:
        with self._client(root) as client, client.messages.stream(**self._asked()) as stream:
            events = [event.type for event in stream]
            message = stream.get_final_message()
        assert events[0] == "message_start"
        return self._said(message)

    def unary(self, root: str) -> Said:
        with self._client(root) as client:
            return self._said(client.messages.create(**self._asked()))

    def _client(self, root: str) -> Any:
        return anthropic.Anthropic(api_key="none", base_url=root, max_retries=0)

    def _asked(self) -> dict[str, Any]:
        return {"model": MODEL, "messages": _TURNS, "max_tokens": MAX_TOKENS}

    def _said(self, message: Any) -> Said:
        usage = message.usage
        return Said(
            answer="".join(block.text for block in message.content if block.type == "text"),
            reasoning="".join(block.thinking for block in message.content if block.type == "thinking"),
            finish=message.stop_reason or "",
            input_tokens=usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cache_read_input_tokens,
        )


def _bedrock(root: str) -> Any:
    retries = {"total_max_attempts": 1, "mode": "standard"}
    return boto3.client(
        "bedrock-runtime", endpoint_url=root, region_name="us-east-1", aws_access_key_id="none",
        aws_secret_access_key="none", config=Config(retries=retries, read_timeout=10),
    )  # fmt: skip


class BedrockConverse:
    """The model's id holds a colon, which the path carries as %3A."""

    def stream(self, root: str) -> Said:
        said = Said()
        with contextlib.closing(_bedrock(root)) as client:
            for event in client.converse_stream(**self._asked())["stream"]:
                if "contentBlockDelta" in event:
                    delta = event["contentBlockDelta"]["delta"]
                    said = said.plus(delta.get("text"), delta.get("reasoningContent", {}).get("text"))
                if "messageStop" in event:
                    said = replace(said, finish=event["messageStop"]["stopReason"])
                if "metadata" in event:
                    assert event["metadata"]["metrics"]["latencyMs"] >= 0
                    said = replace(said, **self._usage(event["metadata"]["usage"]))
        return said

    def unary(self, root: str) -> Said:
        with contextlib.closing(_bedrock(root)) as client:
            answer = client.converse(**self._asked())
        said = Said(finish=answer["stopReason"], **self._usage(answer["usage"]))
        for block in answer["output"]["message"]["content"]:
            thought = block.get("reasoningContent", {}).get("reasoningText", {})
            said = said.plus(block.get("text"), thought.get("text"))
        return said

    def _asked(self) -> dict[str, Any]:
        turns = [{"role": "user", "content": [{"text": PROMPT}]}]
        return {"modelId": "mock.model-1:0", "messages": turns, "inferenceConfig": {"maxTokens": MAX_TOKENS}}

    def _usage(self, usage: dict[str, int]) -> dict[str, int | None]:
        return {
            "input_tokens": usage["inputTokens"] + usage["cacheReadInputTokens"] + usage["cacheWriteInputTokens"],
            "output_tokens": usage["outputTokens"],
            "cached_tokens": usage.get("cacheReadInputTokens"),
        }


class BedrockInvoke:
    """boto3 hands the model's own JSON through; this is Llama's."""

    def stream(self, root: str) -> Said:
        said = Said()
        with contextlib.closing(_bedrock(root)) as client:
            for event in client.invoke_model_with_response_stream(**self._asked())["body"]:
                piece = json.loads(event["chunk"]["bytes"])
                said = self._heard(said, piece)
                if metrics := piece.get("amazon-bedrock-invocationMetrics"):
                    assert metrics["outputTokenCount"] == said.output_tokens
        return said

    def unary(self, root: str) -> Said:
        with contextlib.closing(_bedrock(root)) as client:
            return self._heard(Said(), json.load(client.invoke_model(**self._asked())["body"]))

    def _asked(self) -> dict[str, Any]:
        return {"modelId": "meta.llama-1:0", "body": json.dumps({"prompt": PROMPT, "max_gen_len": MAX_TOKENS})}

    def _heard(self, said: Said, piece: dict[str, Any]) -> Said:
        return replace(
            said.plus(piece["generation"]),
            finish=piece["stop_reason"] or said.finish,
            input_tokens=piece["prompt_token_count"] or said.input_tokens,
            output_tokens=piece["generation_token_count"] or said.output_tokens,
        )


class AnthropicOnBedrock(AnthropicMessages):
    """Claude's own events inside AWS's stream, read by Anthropic's SDK."""

    def _client(self, root: str) -> Any:
        keys = {"aws_access_key": "none", "aws_secret_key": "none", "aws_region": "us-east-1"}
        return anthropic.AnthropicBedrock(**keys, base_url=root, max_retries=0)


class Gemini:
    """By the paths of AI Studio."""

    def stream(self, root: str) -> Said:
        said = Said()
        client = self._client(root)
        for chunk in client.models.generate_content_stream(**self._asked()):
            said = self._heard(said, chunk)
        return said

    def unary(self, root: str) -> Said:
        client = self._client(root)
        return self._heard(Said(), client.models.generate_content(**self._asked()))

    def _client(self, root: str) -> Any:
        return genai.Client(api_key="none", http_options=genai.types.HttpOptions(base_url=root))

    def _asked(self) -> dict[str, Any]:
        config = genai.types.GenerateContentConfig(max_output_tokens=MAX_TOKENS)
        return {"model": MODEL, "contents": PROMPT, "config": config}

    def _heard(self, said: Said, chunk: Any) -> Said:
        for candidate in chunk.candidates or ():
            for part in candidate.content.parts or ():
                said = said.plus(reasoning=part.text) if part.thought else said.plus(part.text)
            if candidate.finish_reason:
                said = replace(said, finish=candidate.finish_reason.value)
        usage = chunk.usage_metadata
        return replace(
            said,
            input_tokens=usage.prompt_token_count,
            output_tokens=(usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
            cached_tokens=usage.cached_content_token_count,
            reasoning_tokens=usage.thoughts_token_count,
        )


class Vertex(Gemini):
    """By the paths of a Google Cloud project."""

    def _client(self, root: str) -> Any:
        options = genai.types.HttpOptions(base_url=root, api_version="v1")
        token = Credentials("none")
        return genai.Client(vertexai=True, project="p", location="l", credentials=token, http_options=options)


class AnthropicOnVertex(AnthropicMessages):
    """Messages at Google's paths: the path names the model, the body the version."""

    def _client(self, root: str) -> Any:
        place = {"region": "l", "project_id": "p", "access_token": "none"}
        return anthropic.AnthropicVertex(**place, base_url=f"{root}/v1", max_retries=0)


class Ollama:
    def stream(self, root: str) -> Said:
        said = Said()
        for piece in ollama.Client(host=root).chat(**self._asked(), stream=True):
            said = self._heard(said, piece)
        return said

    def unary(self, root: str) -> Said:
        return self._heard(Said(), ollama.Client(host=root).chat(**self._asked()))

    def _asked(self) -> dict[str, Any]:
        return {"model": MODEL, "messages": _TURNS, "options": {"num_predict": MAX_TOKENS}}

    def _heard(self, said: Said, piece: Any) -> Said:
        said = said.plus(piece.message.content, piece.message.thinking)
        if not piece.done:
            return said
        return replace(
            said, finish=piece.done_reason, input_tokens=piece.prompt_eval_count, output_tokens=piece.eval_count
        )


class Cohere:
    def stream(self, root: str) -> Said:
        said = Said()
        for event in self._client(root).chat_stream(**self._asked()):
            match event.type:
                case "content-delta":
                    content = event.delta.message.content
                    said = said.plus(content.text, content.thinking)
                case "message-end":
                    if event.delta.error:
                        raise StreamFailedError(event.delta.error)
                    said = replace(said, finish=event.delta.finish_reason, **self._usage(event.delta.usage))
        return said

    def unary(self, root: str) -> Said:
        answer = self._client(root).chat(**self._asked())
        said = Said(finish=answer.finish_reason, **self._usage(answer.usage))
        for part in answer.message.content:
            said = said.plus(reasoning=part.thinking) if part.type == "thinking" else said.plus(part.text)
        return said

    def _client(self, root: str) -> Any:
        return cohere.ClientV2(api_key="none", base_url=root)

    def _asked(self) -> dict[str, Any]:
        return {
            "model": MODEL,
            "messages": [cohere.UserChatMessageV2(content=PROMPT)],
            "max_tokens": MAX_TOKENS,
            "request_options": {"max_retries": 0},
        }

    def _usage(self, usage: Any) -> dict[str, Any]:
        return {
            "input_tokens": int(usage.tokens.input_tokens),
            "output_tokens": int(usage.tokens.output_tokens),
            "cached_tokens": int(usage.cached_tokens),
        }


SDKS = {
    "openai-chat": (OpenAIChat(), AzureChat(), AzureV1Chat()),
    "openai-completions": (OpenAICompletions(),),
    "openai-responses": (OpenAIResponses(),),
    "anthropic-messages": (AnthropicMessages(), AnthropicOnVertex()),
    "bedrock-converse": (BedrockConverse(),),
    "bedrock-invoke": (AnthropicOnBedrock(), BedrockInvoke()),
    "vertex-gemini": (Vertex(), Gemini()),
    "ollama": (Ollama(),),
    "cohere-v2": (Cohere(),),
}

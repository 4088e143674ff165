"""A Route is what a path below ``/{provider}/`` asks for: the format, and the model and action it names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from providers.simulator.frames.anthropic_messages import AnthropicMessages
from providers.simulator.frames.base import Format
from providers.simulator.frames.bedrock_converse import BedrockConverse
from providers.simulator.frames.bedrock_invoke import BedrockInvoke
from providers.simulator.frames.cohere_v2 import CohereV2
from providers.simulator.frames.ollama import Ollama
from providers.simulator.frames.openai_chat import OpenAIChat
from providers.simulator.frames.openai_completions import OpenAICompletions
from providers.simulator.frames.openai_responses import OpenAIResponses
from providers.simulator.frames.vertex_gemini import VertexGemini


@dataclass(frozen=True, slots=True)
class Route:
    format: Format
    model: str = ""
    action: str = ""


_CHAT = OpenAIChat()
_GOOGLE = r"(?:v1|v1beta|v1beta1)/projects/[^/]+/locations/[^/]+"
_EXACT = {
    "v1/chat/completions": Route(_CHAT),
    "openai/v1/chat/completions": Route(_CHAT),  # Azure v1, Bedrock
    "v1/completions": Route(OpenAICompletions()),
    "v1/responses": Route(OpenAIResponses()),
    "openai/v1/responses": Route(OpenAIResponses()),
    "v1/messages": Route(AnthropicMessages()),
    "api/chat": Route(Ollama()),
    "v2/chat": Route(CohereV2()),
}
_PATTERNS: tuple[tuple[re.Pattern[str], Format], ...] = (
    (re.compile(r"openai/(?P<action>deployments)/(?P<model>[^/]+)/chat/completions"), _CHAT),
    (re.compile(rf"{_GOOGLE}/endpoints/openapi/chat/completions"), _CHAT),
    (re.compile(r"model/(?P<model>.+)/(?P<action>converse|converse-stream)"), BedrockConverse()),
    (re.compile(r"model/(?P<model>.+)/(?P<action>invoke|invoke-with-response-stream)"), BedrockInvoke()),
    (
        re.compile(
            rf"(?:{_GOOGLE}/publishers/google|v1|v1beta)/models/(?P<model>[^/]+)"
            r":(?P<action>generateContent|streamGenerateContent)"
        ),
        VertexGemini(),
    ),
    (
        re.compile(rf"{_GOOGLE}/publishers/anthropic/models/(?P<model>[^/]+):(?P<action>rawPredict|streamRawPredict)"),
        AnthropicMessages(),
    ),
)


def find_route(path: str) -> Route | None:
    """``path`` is decoded and begins behind the provider's name."""
    if route := _EXACT.get(path):
        return route
    for pattern, wire in _PATTERNS:
        if found := pattern.fullmatch(path):
            return Route(wire, **found.groupdict(""))
    return None

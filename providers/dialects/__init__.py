"""Wire formats by name: ``DIALECTS['openai-chat']``. Each is a file of pure functions behind ``base.Dialect``.

Adding one: a file beside these, and a line here; from outside this package, an entry point in the group
``nephoscope.dialects``.
"""

from __future__ import annotations

from providers.dialects.registry import Registry

DIALECTS = Registry(
    {
        "openai-chat": "providers.dialects.openai_chat:OpenAIChat",
        "openai-completions": "providers.dialects.openai_completions:OpenAICompletions",
        "openai-responses": "providers.dialects.openai_responses:OpenAIResponses",
        "anthropic-messages": "providers.dialects.anthropic_messages:AnthropicMessages",
        "bedrock-converse": "providers.dialects.bedrock_converse:BedrockConverse",
        "bedrock-invoke": "providers.dialects.bedrock_invoke:BedrockInvoke",
        "vertex-gemini": "providers.dialects.vertex_gemini:VertexGemini",
        "ollama": "providers.dialects.ollama:Ollama",
        "cohere-v2": "providers.dialects.cohere_v2:CohereV2",
    }
)

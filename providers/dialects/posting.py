"""What requests of every dialect share: where they go, and what the entry adds to them.

It does not know any wire format, nor how the request proves who sends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from providers.dialects.base import HttpRequest, Prompt
from providers.spec import Provider


def post(
    provider: Provider,
    operation: str,
    body: Mapping[str, Any],
    *,
    accept: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> HttpRequest:
    """``body`` at ``base_url`` + ``operation``, or + the entry's own ``path``; its extra body and headers win."""
    suffix = "" if provider.posts_exactly else provider.path or operation
    extra = provider.request.extra_headers
    theirs = {name.lower() for name in extra}
    ours = {"content-type": "application/json", "accept": accept, **(headers or {})}
    head = {name: value for name, value in ours.items() if name not in theirs} | extra
    content = orjson.dumps(merged(body, provider.request.extra_body))
    return HttpRequest("POST", provider.base_url + suffix, head, content)


def merged(body: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """RFC 7396: mappings are merged key by key, and a null takes a key out."""
    result = dict(body)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            inner = result.get(key)
            result[key] = merged(inner if isinstance(inner, Mapping) else {}, value)
        else:
            result[key] = value
    return result


def present(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those that were set: most servers take a null for an error."""
    return {key: value for key, value in settings.items() if value is not None}


def cap(prompt: Prompt, provider: Provider) -> int | None:
    """The most output tokens: the entry's own cap, else what the workload wants."""
    return provider.request.max_tokens or prompt.target_output_tokens


def system_and_turns(prompt: Prompt) -> tuple[str, list[tuple[str, str]]]:
    """For formats in which the system's words stand beside the conversation, not in it."""
    system = "\n\n".join(content for role, content in prompt.messages if role == "system")
    return system, [(role, content) for role, content in prompt.messages if role != "system"]

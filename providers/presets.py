"""A Preset is a short way to write an entry: ``type: bedrock`` and a model stand for URL, dialect and authentication.

It works on entries as declared, before variables are resolved, and yields one of type http; whatever the entry says
itself wins. ``python -m providers check FILE --explain`` shows what it stands for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Entry = dict[str, Any]


class MissingKeyError(ValueError):
    """``key`` is what the preset cannot do without."""

    def __init__(self, key: str, example: str) -> None:
        super().__init__(key)
        self.key, self.example = key, example


def spelled_out(entry: Mapping[str, Any]) -> Entry:
    """The http entry that a preset stands for; any other entry as it is. MissingKeyError names what it lacks."""
    kind = entry.get("type")
    if not isinstance(kind, str) or kind not in PRESETS:
        return dict(entry)
    make, own_keys = PRESETS[kind]
    preset = make(entry)
    said = {key: value for key, value in entry.items() if key not in own_keys}
    if "auth_header" in said or _names_another_kind(preset.get("auth"), said.get("auth")):
        preset.pop("auth", None)
    return _merged(preset, said) | {"type": "http"}


def keys_of(kind: object) -> tuple[str, ...]:
    """The keys that an entry of this type may have beside those of every entry."""
    return PRESETS[kind][1] if isinstance(kind, str) and kind in PRESETS else ()


def _merged(preset: Mapping[str, Any], said: Mapping[str, Any]) -> Entry:
    merged = dict(preset)
    for key, value in said.items():
        inner = merged.get(key)
        both = isinstance(inner, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(inner, value) if both else value  # type: ignore[arg-type]
    return merged


def _names_another_kind(preset: Any, said: Any) -> bool:
    """Then nothing of the preset's way fits: a signature has no token."""
    return (
        isinstance(preset, Mapping) and isinstance(said, Mapping) and said.get("kind", preset["kind"]) != preset["kind"]
    )


def _need(entry: Mapping[str, Any], key: str, example: str) -> str:
    if not (value := entry.get(key)) or not isinstance(value, str):
        raise MissingKeyError(key, example)
    return value


def _newer_cap(entry: Mapping[str, Any]) -> Entry:
    """OpenAI's newer models refuse ``max_tokens`` in a chat; its other formats have names of their own for the cap."""
    chat = entry.get("dialect", "openai-chat") == "openai-chat"
    return {"request": {"max_tokens_field": "max_completion_tokens"}} if chat else {}


def _openai(entry: Mapping[str, Any]) -> Entry:
    return {
        "base_url": "https://api.openai.com/v1",
        "dialect": "openai-chat",
        "auth": {"kind": "bearer", "token": "${OPENAI_API_KEY}"},
        "deployment": "managed",
        **_newer_cap(entry),
    }


def _anthropic(_: Mapping[str, Any]) -> Entry:
    return {
        "base_url": "https://api.anthropic.com/v1",
        "dialect": "anthropic-messages",
        "auth": {"kind": "api-key", "header": "x-api-key", "token": "${ANTHROPIC_API_KEY}"},
        "deployment": "managed",
    }


def _azure_openai(entry: Mapping[str, Any]) -> Entry:
    """The v1 endpoint, or with ``api_version`` the classic one, where the deployment stands in the path."""
    if not (host := entry.get("endpoint")):
        resource = _need(entry, "resource", "the name of the Azure resource, or endpoint: its URL")
        host = f"https://{resource}.openai.azure.com"
    preset: Entry = {
        "base_url": f"{str(host).rstrip('/')}/openai/v1",
        "dialect": "openai-chat",
        "auth": {"kind": "api-key", "token": "${AZURE_OPENAI_API_KEY}"},
        "cloud": "azure",
        "deployment": "managed",
        **_newer_cap(entry),
    }
    if version := entry.get("api_version"):
        deployment = _need(entry, "model", "the name of the deployment")
        preset["base_url"] = f"{str(host).rstrip('/')}/openai/deployments/{deployment}"
        preset["path"] = f"/chat/completions?api-version={version}"
    return preset


def _bedrock(entry: Mapping[str, Any]) -> Entry:
    """Converse under a signature; an OpenAI dialect goes to the compatible endpoint of the same host."""
    region = _need(entry, "region", "us-east-1")
    _need(entry, "model", "openai.gpt-oss-120b-1:0")
    host = f"https://bedrock-runtime.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")
    openai = str(entry.get("dialect", "")).startswith("openai-")
    return {
        "base_url": f"{host}/openai/v1" if openai else host,
        "dialect": "bedrock-converse",
        "auth": {"kind": "aws-sigv4", "region": region, "service": "bedrock"},
        "cloud": "aws",
        "deployment": "managed",
        **(_newer_cap(entry) if openai else {}),
    }


def _vertex(entry: Mapping[str, Any]) -> Entry:
    """Google's and Anthropic's models in their own dialects; all others through the OpenAI-compatible endpoint."""
    project = _need(entry, "project", "${GCP_PROJECT}")
    location = entry.get("location") or _need(entry, "region", "us-central1, or location: global")
    model = _need(entry, "model", "gemini-2.5-flash")
    root = f"https://{_vertex_host(str(location))}/v1/projects/{project}/locations/{location}"
    way, dialect = _vertex_way(model)
    return {
        "base_url": f"{root}/{way}",
        "dialect": dialect,
        "auth": {"kind": "gcp-oauth"},
        "cloud": "gcp",
        "region": str(location),
        "deployment": "managed",
    }


def _vertex_way(model: str) -> tuple[str, str]:
    if re.match(r"gemini|gemma", model):
        return "publishers/google", "vertex-gemini"
    if model.startswith("claude"):
        return "publishers/anthropic", "anthropic-messages"
    return "endpoints/openapi", "openai-chat"  # meta/llama-..., openai/gpt-oss-..., google/gemini-...


def _vertex_host(location: str) -> str:
    if location == "global":
        return "aiplatform.googleapis.com"
    if location in ("us", "eu"):
        return f"aiplatform.{location}.rep.googleapis.com"
    return f"{location}-aiplatform.googleapis.com"


def _vllm(entry: Mapping[str, Any]) -> Entry:
    _need(entry, "base_url", "https://${VLLM_HOST}/v1")
    return {"dialect": "openai-chat", "deployment": "self-hosted"}


def _ollama(_: Mapping[str, Any]) -> Entry:
    return {"base_url": "http://127.0.0.1:11434", "dialect": "ollama", "deployment": "self-hosted"}


# type: (what it stands for, keys of its own)
PRESETS: dict[str, tuple[Callable[[Mapping[str, Any]], Entry], tuple[str, ...]]] = {
    "openai": (_openai, ()),
    "azure-openai": (_azure_openai, ("resource", "endpoint", "api_version")),
    "bedrock": (_bedrock, ()),
    "vertex": (_vertex, ("project", "location")),
    "vllm": (_vllm, ()),
    "anthropic": (_anthropic, ()),
    "ollama": (_ollama, ()),
}

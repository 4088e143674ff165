"""Short types: what each stands for, and that the entry's own keys win."""

from __future__ import annotations

import pytest

from providers.dialects import DIALECTS
from providers.dialects.base import Prompt
from providers.presets import PRESETS, spelled_out
from providers.spec import Provider

KEYS = {"OPENAI_API_KEY": "openai-k", "ANTHROPIC_API_KEY": "anthropic-k", "AZURE_OPENAI_API_KEY": "azure-k"}
GOOGLE = "aiplatform.googleapis.com/v1/projects/p/locations"
WHERE = [
    ("type: openai, model: m", "https://api.openai.com/v1/chat/completions", "bearer"),
    ("type: openai, model: m, dialect: openai-responses", "https://api.openai.com/v1/responses", "bearer"),
    ("type: anthropic, model: m", "https://api.anthropic.com/v1/messages", "api-key"),
    ("type: azure-openai, resource: r, model: d", "https://r.openai.azure.com/openai/v1/chat/completions", "api-key"),
    (
        "type: azure-openai, endpoint: 'https://r.services.ai.azure.com/', model: d, auth: {kind: azure-entra}",
        "https://r.services.ai.azure.com/openai/v1/chat/completions", "azure-entra",
    ),
    (
        "type: azure-openai, resource: r, model: d, api_version: 2024-10-21",
        "https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21", "api-key",
    ),
    (
        "type: bedrock, region: eu-west-1, model: 'openai.gpt-oss-120b-1:0'",
        "https://bedrock-runtime.eu-west-1.amazonaws.com/model/openai.gpt-oss-120b-1%3A0/converse-stream", "aws-sigv4",
    ),
    (
        "type: bedrock, region: us-east-1, model: m, dialect: openai-chat, auth: {kind: bearer, token: abcde}",
        "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1/chat/completions", "bearer",
    ),
    (
        "type: bedrock, region: cn-north-1, model: m",
        "https://bedrock-runtime.cn-north-1.amazonaws.com.cn/model/m/converse-stream", "aws-sigv4",
    ),
    (
        "type: vertex, project: p, region: r1, model: gemini-2.5-flash",
        f"https://r1-{GOOGLE}/r1/publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse", "gcp-oauth",
    ),
    (
        "type: vertex, project: p, location: global, model: claude-haiku-4-5@20251001",
        f"https://{GOOGLE}/global/publishers/anthropic/models/claude-haiku-4-5@20251001:streamRawPredict", "gcp-oauth",
    ),
    (
        "type: vertex, project: p, location: eu, model: meta/llama-3.3-70b-instruct-maas",
        "https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu/endpoints/openapi/chat/completions",
        "gcp-oauth",
    ),
    ("type: vllm, base_url: 'https://gpu.test/v1', model: m", "https://gpu.test/v1/chat/completions", "none"),
    ("type: ollama, model: m", "http://127.0.0.1:11434/api/chat", "none"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "url", "kind"), WHERE)
def test_where_a_short_type_sends_its_requests_and_how_it_proves_itself(load, monkeypatch, fields, url, kind):
    """URL, dialect and authentication follow from few keys."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    (provider,) = load(f"providers: [{{name: a, {fields}}}]").providers
    assert url == DIALECTS[provider.dialect_name].build(Prompt("p", (("user", "x"),)), provider).url
    assert ("http", kind) == (provider.type, provider.auth.kind)


def test_every_short_type_is_tried_above():
    """Whoever adds one adds its line."""
    assert set(PRESETS) == {fields.partition(",")[0].removeprefix("type: ") for fields, _, _ in WHERE}


def test_what_the_entry_says_itself_wins(load, monkeypatch):
    """Key by key, except that another kind of authentication replaces all of the preset's."""
    monkeypatch.setenv("OPENAI_API_KEY", "openai-k")
    monkeypatch.setenv("MINE", "mine-k")
    roster = load("""
providers:
  - {name: a, type: openai, base_url: "https://proxy.test/v1", request: {max_tokens_field: max_tokens}}
  - {name: b, type: openai, auth: {token: "${MINE}"}}
  - {name: c, type: openai, auth_header: "x-key: ${MINE}"}
  - {name: d, type: bedrock, region: us-east-1, model: m, auth: {region: us-west-2, profile: work}, cloud: other}
""")
    a, b, c, d = roster.providers
    assert ("https://proxy.test/v1", "max_tokens", "openai-k") == (
        a.base_url, a.request.max_tokens_field, a.auth.token.reveal(),
    )  # fmt: skip
    assert [{"authorization": "Bearer mine-k"}, {"x-key": "mine-k"}] == [b.auth.headers(), c.auth.headers()]
    assert ("aws-sigv4", "us-west-2", "work", "other") == (d.auth.kind, d.auth.region, d.auth.profile, d.cloud)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ("type: openai, model: m", "max_completion_tokens"),
        ("type: azure-openai, resource: r, model: m", "max_completion_tokens"),
        ("type: bedrock, region: us-east-1, model: m, dialect: openai-chat", "max_completion_tokens"),
        ("type: openai, model: m, dialect: openai-completions", "max_tokens"),
        ("type: openai, model: m, dialect: openai-responses", "max_tokens"),
        ("type: azure-openai, resource: r, model: m, dialect: openai-responses", "max_tokens"),
        ("type: bedrock, region: us-east-1, model: m", "max_tokens"),
    ],
)
def test_the_cap_has_its_newer_name_where_openais_chat_is_spoken(load, monkeypatch, fields, field):
    """Bedrock refuses the older one, too; no other format has the name, and nobody is warned of a key not written."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    roster = load(f"providers: [{{name: a, {fields}}}]")
    assert (field, ()) == (roster.providers[0].request.max_tokens_field, tuple(roster.warnings))


def test_any_other_entry_passes_unchanged():
    """Mock and http, and what is no type at all."""
    for entry in ({"type": "http", "name": "a"}, {"type": 5}, {}):
        assert entry == spelled_out(entry)
    assert {"mock", "http"} == set(Provider.model_fields["type"].annotation.__args__)

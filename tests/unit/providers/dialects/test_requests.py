"""What each dialect puts on the wire: where it goes, what it asks, and how the entry's own wishes get in."""

from __future__ import annotations

import json

import pytest

from providers.dialects import DIALECTS
from providers.dialects.base import Prompt
from providers.dialects.posting import merged
from providers.spec import Provider

PROMPT = Prompt("p", (("system", "Be brief."), ("user", "Hi"), ("assistant", "Yes?"), ("user", "Go")), 4, 64)
TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "Go"}]
ALL = [{"role": "system", "content": "Be brief."}, *TURNS]
AWS = "https://bedrock-runtime.us-east-1.amazonaws.com"
VERTEX = "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1"


def built(dialect, base_url="https://x/v1", prompt=PROMPT, **fields):
    entry = {"name": "a", "type": "http", "base_url": base_url, "model": "m", "dialect": dialect, **fields}
    request = DIALECTS[dialect].build(prompt, Provider.model_validate(entry))
    return request, json.loads(request.body)


ADDRESSES = [
    # (provider, dialect, base_url, model, path, streamed to, asked whole at)
    ("OpenAI", "openai-chat", "https://api.openai.com/v1", "gpt-5-mini", None, "/chat/completions",
     "/chat/completions"),
    ("Azure v1", "openai-chat", "https://r.openai.azure.com/openai/v1", "dep", None, "/chat/completions",
     "/chat/completions"),
    ("Azure classic", "openai-chat", "https://r.openai.azure.com/openai/deployments/dep", "",
     "/chat/completions?api-version=2024-10-21", "/chat/completions?api-version=2024-10-21",
     "/chat/completions?api-version=2024-10-21"),
    ("Bedrock, OpenAI", "openai-chat", f"{AWS}/openai/v1", "openai.gpt-oss-20b-1:0", None, "/chat/completions",
     "/chat/completions"),
    ("Vertex, OpenAI", "openai-chat", f"{VERTEX}/endpoints/openapi", "google/gemini-2.5-flash", None,
     "/chat/completions", "/chat/completions"),
    ("Groq", "openai-chat", "https://api.groq.com/openai/v1", "llama", None, "/chat/completions",
     "/chat/completions"),
    ("Fireworks", "openai-chat", "https://api.fireworks.ai/inference/v1", "llama", None, "/chat/completions",
     "/chat/completions"),
    ("vLLM", "openai-completions", "https://vllm/v1", "m", None, "/completions", "/completions"),
    ("OpenAI", "openai-responses", "https://api.openai.com/v1", "gpt-5-mini", None, "/responses", "/responses"),
    ("Anthropic", "anthropic-messages", "https://api.anthropic.com/v1", "claude-haiku-4-5", None, "/messages",
     "/messages"),
    ("Vertex, Claude", "anthropic-messages", f"{VERTEX}/publishers/anthropic", "claude-haiku-4-5@20251001", None,
     "/models/claude-haiku-4-5@20251001:streamRawPredict", "/models/claude-haiku-4-5@20251001:rawPredict"),
    ("Bedrock", "bedrock-converse", AWS, "us.amazon.nova-lite-v1:0", None,
     "/model/us.amazon.nova-lite-v1%3A0/converse-stream", "/model/us.amazon.nova-lite-v1%3A0/converse"),
    ("Bedrock, ARN", "bedrock-converse", AWS, "arn:aws:bedrock:us-east-1:1:inference-profile/x", None,
     "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx/converse-stream",
     "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx/converse"),
    ("Bedrock", "bedrock-invoke", AWS, "meta.llama3-1-8b-instruct-v1:0", None,
     "/model/meta.llama3-1-8b-instruct-v1%3A0/invoke-with-response-stream",
     "/model/meta.llama3-1-8b-instruct-v1%3A0/invoke"),
    ("Vertex", "vertex-gemini", f"{VERTEX}/publishers/google", "gemini-2.5-flash", None,
     "/models/gemini-2.5-flash:streamGenerateContent?alt=sse", "/models/gemini-2.5-flash:generateContent"),
    ("AI Studio", "vertex-gemini", "https://generativelanguage.googleapis.com/v1beta", "gemini-2.5-flash", None,
     "/models/gemini-2.5-flash:streamGenerateContent?alt=sse", "/models/gemini-2.5-flash:generateContent"),
    ("Ollama", "ollama", "http://127.0.0.1:11434", "llama3.2", None, "/api/chat", "/api/chat"),
    ("Cohere", "cohere-v2", "https://api.cohere.com/v2", "command-a", None, "/chat", "/chat"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "dialect", "base_url", "model", "path", "streamed", "whole"), ADDRESSES)
def test_a_request_goes_where_its_provider_listens(name, dialect, base_url, model, path, streamed, whole):
    """base_url is the root of the API, and the dialect knows the way from there."""
    del name
    for stream, operation in ((True, streamed), (False, whole)):
        request, _ = built(dialect, base_url, model=model, path=path, request={"stream": stream})
        assert ("POST", base_url + operation) == (request.method, request.url)


def test_every_dialect_has_an_address():
    """A new one states its own."""
    assert set(DIALECTS) == {row[1] for row in ADDRESSES}


@pytest.mark.parametrize("dialect", list(DIALECTS))
def test_an_entrys_path_body_and_headers_win(dialect):
    """A path replaces the operation; a body is merged key by key, null removes; a header of any case replaces ours."""
    extra = {
        "extra_body": {"metadata": {"a": {"b": 1}}, "stream": None},
        "extra_headers": {"Accept": "x/y", "X-A": "1"},
    }
    request, body = built(dialect, path="/own?x=1", request=extra)
    assert "https://x/v1/own?x=1" == request.url
    assert ({"a": {"b": 1}}, False) == (body["metadata"], "stream" in body)
    assert {"Accept": "x/y", "X-A": "1"}.items() <= request.headers.items()
    assert "accept" not in request.headers
    assert "application/json" == request.headers["content-type"]


def test_a_patch_is_merged_as_rfc_7396_says():
    """Mappings key by key, lists whole, null removes, and nothing given is changed."""
    body = {"a": {"b": 1, "c": 2}, "d": [1, 2], "e": 5}
    assert {"a": {"b": 1, "c": 3, "f": 4}, "d": [9], "g": {}} == merged(
        body, {"a": {"c": 3, "f": 4}, "d": [9], "e": None, "g": {"h": None}}
    )
    assert {"a": {"b": 1, "c": 2}, "d": [1, 2], "e": 5} == body


WISHES = {"temperature": 0.5, "top_p": 0.9, "seed": 7, "max_tokens": 9}
BODIES = [
    ("openai-completions", "m", {"model": "m", "prompt": "Be brief.\n\nHi\n\nYes?\n\nGo", "stream": True,
     "stream_options": {"include_usage": True}, "max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "seed": 7}),
    ("openai-responses", "m", {"model": "m", "input": ALL, "stream": True, "store": False, "max_output_tokens": 9,
     "temperature": 0.5, "top_p": 0.9}),
    ("anthropic-messages", "m", {"model": "m", "max_tokens": 9, "messages": TURNS, "system": "Be brief.",
     "temperature": 0.5, "top_p": 0.9, "stream": True}),
    ("bedrock-converse", "m", {"messages": [{"role": t["role"], "content": [{"text": t["content"]}]} for t in TURNS],
     "system": [{"text": "Be brief."}], "inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "topP": 0.9}}),
    ("bedrock-invoke", "us.anthropic.claude-haiku-4-5-20251001-v1:0", {"anthropic_version": "bedrock-2023-05-31",
     "max_tokens": 9, "messages": TURNS, "system": "Be brief.", "temperature": 0.5, "top_p": 0.9}),
    ("bedrock-invoke", "amazon.nova-lite-v1:0", {"schemaVersion": "messages-v1", "system": [{"text": "Be brief."}],
     "messages": [{"role": t["role"], "content": [{"text": t["content"]}]} for t in TURNS],
     "inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "topP": 0.9}}),
    ("bedrock-invoke", "meta.llama3-1-8b-instruct-v1:0", {"max_gen_len": 9, "temperature": 0.5, "top_p": 0.9,
     "prompt": "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
     "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nYes?"
     "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nGo<|eot_id|>"
     "<|start_header_id|>assistant<|end_header_id|>\n\n"}),
    ("bedrock-invoke", "us.meta.llama4-scout-17b-instruct-v1:0", {"max_gen_len": 9, "temperature": 0.5, "top_p": 0.9,
     "prompt": "<|begin_of_text|><|header_start|>system<|header_end|>\n\nBe brief.<|eot|><|header_start|>user"
     "<|header_end|>\n\nHi<|eot|><|header_start|>assistant<|header_end|>\n\nYes?<|eot|><|header_start|>user"
     "<|header_end|>\n\nGo<|eot|><|header_start|>assistant<|header_end|>\n\n"}),
    ("bedrock-invoke", "mistral.mistral-7b-instruct-v0:2", {"max_tokens": 9, "temperature": 0.5, "top_p": 0.9,
     "prompt": "<s>[INST] Be brief.\n\nHi [/INST]Yes?</s>[INST] Go [/INST]"}),
    ("bedrock-invoke", "mistral.mistral-large-2407-v1:0", {"messages": ALL, "max_tokens": 9, "temperature": 0.5,
     "top_p": 0.9}),
    ("bedrock-invoke", "openai.gpt-oss-120b-1:0", {"messages": ALL, "max_completion_tokens": 9, "temperature": 0.5,
     "top_p": 0.9}),
    ("vertex-gemini", "m", {"contents": [{"role": "user", "parts": [{"text": "Hi"}]},
     {"role": "model", "parts": [{"text": "Yes?"}]}, {"role": "user", "parts": [{"text": "Go"}]}],
     "systemInstruction": {"parts": [{"text": "Be brief."}]},
     "generationConfig": {"maxOutputTokens": 9, "temperature": 0.5, "topP": 0.9, "seed": 7}}),
    ("ollama", "m", {"model": "m", "messages": ALL, "stream": True,
     "options": {"num_predict": 9, "temperature": 0.5, "top_p": 0.9, "seed": 7}}),
    ("cohere-v2", "m", {"model": "m", "messages": ALL, "stream": True, "max_tokens": 9, "temperature": 0.5, "p": 0.9,
     "seed": 7}),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "model", "body"), BODIES)
def test_a_body_says_what_the_entry_wants_in_the_formats_words(dialect, model, body):
    """System words where they belong, roles as they are called, caps and sampling under their own names."""
    assert body == built(dialect, model=model, request=WISHES)[1]


@pytest.mark.parametrize("dialect", list(DIALECTS))
def test_what_was_not_wished_for_is_not_sent(dialect):
    """No nulls, no system words where there are none; the cap is the workload's."""
    bare = Prompt("p", (("user", "Hi"),), None, 64)
    request, _ = built(dialect, prompt=bare, request={"temperature": None})
    assert b"null" not in request.body
    assert b"ystem" not in request.body
    assert b"64" in request.body


@pytest.mark.parametrize("dialect", list(DIALECTS))
def test_a_whole_answer_is_asked_for_as_such(dialect):
    """Accept says which; so does the body where the address does not."""
    streamed, _ = built(dialect)
    whole, body = built(dialect, request={"stream": False})
    assert "application/json" == whole.headers["accept"] != streamed.headers["accept"]
    assert (False if "stream" in json.loads(streamed.body) else None) == body.get("stream")


@pytest.mark.parametrize("dialect", list(DIALECTS))
def test_what_a_dialect_says_it_ignores_changes_nothing(dialect):
    """And what it does not say does: the list is neither too short nor too long."""
    wishes = {"seed": 7, "ignore_eos": True, "min_tokens": 5, "temperature": 0.25, "top_p": 0.5, "max_tokens": 3}
    plain = built(dialect)[0].body
    without = {key for key, value in wishes.items() if plain == built(dialect, request={key: value})[0].body}
    assert {*DIALECTS[dialect].ignores} & wishes.keys() == without


def test_anthropics_cap_is_always_sent():
    """The format refuses a request without one."""
    assert 1024 == built("anthropic-messages", prompt=Prompt("p", (("user", "Hi"),)))[1]["max_tokens"]


def test_claude_on_vertex_names_its_version_in_the_body_and_its_model_in_the_address():
    """As Google's endpoint wants it; at Anthropic's own the header says it."""
    request, body = built("anthropic-messages", f"{VERTEX}/publishers/anthropic")
    assert ("vertex-2023-10-16", False) == (body["anthropic_version"], "model" in body)
    assert "anthropic-version" not in request.headers
    assert "2023-06-01" == built("anthropic-messages")[0].headers["anthropic-version"]


@pytest.mark.parametrize(
    ("dialect", "headers", "request_id"),
    [
        ("openai-chat", {"x-generation-id": "gen-1"}, "gen-1"),
        ("openai-responses", {"x-request-id": "req_1"}, "req_1"),
        ("anthropic-messages", {"request-id": "req_1"}, "req_1"),
        ("bedrock-converse", {"x-amzn-requestid": "1-2"}, "1-2"),
        ("bedrock-invoke", {"x-amzn-requestid": "1-2"}, "1-2"),
        ("vertex-gemini", {"x-goog-request-id": "g"}, "g"),
        ("ollama", {}, ""),
        ("cohere-v2", {"x-debug-trace-id": "t"}, "t"),
    ],
)
def test_the_providers_own_id_is_noted(dialect, headers, request_id):
    """What its support will ask for."""
    assert request_id == DIALECTS[dialect].served(headers).request_id

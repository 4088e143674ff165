"""The official openai SDK as a client of the simulator: what we play is what others expect of OpenAI."""

from __future__ import annotations

import openai
import pytest

from providers.simulator.child import simulator

MOCKS = """
providers:
  - {name: whole, type: mock, model: mock-8b, mock: {ttft_s: 0.02, gap_s: 0.001, reasoning_tokens: 2}}
  - {name: broken, type: mock, mock: {ttft_s: 0, error_rate: 1}}
  - {name: limited, type: mock, mock: {ttft_s: 0, gap_s: 0, quota_rps: 0.01}}
  - {name: malforming, type: mock, mock: {ttft_s: 0, gap_s: 0, malformed_rate: 1}}
  - {name: truncating, type: mock, mock: {ttft_s: 0, gap_s: 0, truncate_rate: 1}}
"""
ASKED = {"model": "mock-8b", "messages": [{"role": "user", "content": "one two three"}], "max_tokens": 6}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    file = tmp_path_factory.mktemp("sdk") / "providers.yaml"
    file.write_text(MOCKS)
    with simulator(file) as base_url, openai.OpenAI(api_key="none", base_url=base_url, max_retries=0) as sdk:
        yield lambda name: sdk.with_options(base_url=f"{base_url}/{name}/v1")


def test_the_sdk_reads_a_stream(client):
    """Role first, reasoning, answer, finish, and the usage chunk."""
    stream = client("whole").chat.completions.create(**ASKED, stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert ("assistant", "") == (deltas[0].role, deltas[0].content)
    assert 2 == sum(bool(getattr(delta, "reasoning_content", None)) for delta in deltas)
    assert 4 == len("".join(delta.content or "" for delta in deltas).split())
    assert "length" == chunks[-2].choices[0].finish_reason
    usage = chunks[-1].usage
    assert (3, 6, 2) == (usage.prompt_tokens, usage.completion_tokens, usage.completion_tokens_details.reasoning_tokens)


def test_the_sdk_reads_a_unary_answer(client):
    """The same counts in one document."""
    answer = client("whole").chat.completions.create(**ASKED)
    assert ("assistant", "length") == (answer.choices[0].message.role, answer.choices[0].finish_reason)
    assert 4 == len(answer.choices[0].message.content.split())
    assert (3, 6) == (answer.usage.prompt_tokens, answer.usage.completion_tokens)


def test_the_sdk_lists_the_model(client):
    """/v1/models is one page."""
    assert ["mock-8b"] == [model.id for model in client("whole").models.list()]


def test_the_sdk_knows_our_errors(client):
    """500, 429 with its headers, 400 and 404 become the SDK's own exceptions."""
    with pytest.raises(openai.InternalServerError, match="The server had an error"):
        client("broken").chat.completions.create(**ASKED)
    client("limited").chat.completions.create(**ASKED)
    with pytest.raises(openai.RateLimitError) as refused:
        client("limited").chat.completions.create(**ASKED)
    assert "rate_limit_exceeded" == refused.value.code
    assert int(refused.value.response.headers["retry-after"]) > 1
    with pytest.raises(openai.BadRequestError):
        client("whole").chat.completions.create(model="m", messages=[])
    with pytest.raises(openai.NotFoundError):
        client("nobody").chat.completions.create(**ASKED)


@pytest.mark.parametrize("name", ["malforming", "truncating"])
def test_the_sdk_does_not_read_a_broken_stream_as_whole(client, name):
    """A broken frame or an early end raises, or leaves the answer without a finish."""
    finishes = []
    try:
        for chunk in client(name).chat.completions.create(**ASKED, stream=True):
            finishes += [choice.finish_reason for choice in chunk.choices]
    except Exception as error:  # noqa: BLE001 - the SDK raises what its JSON or HTTP library does
        finishes = [type(error).__name__]
    assert "length" not in finishes

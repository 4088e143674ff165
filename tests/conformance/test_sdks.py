"""What the matrix has no column for: keys, quotas and broken frames, as the official SDKs see them."""

from __future__ import annotations

import contextlib
import gc

import openai
import pytest

from providers.simulator.child import simulator
from tests.conformance.sdks import MODEL, SDKS, AnthropicMessages, Cohere, Gemini, OpenAIChat, Vertex

ALL = [pytest.param(sdk, id=type(sdk).__name__) for sdks in SDKS.values() for sdk in sdks]
KEYED = [pytest.param(sdk(), id=sdk.__name__) for sdk in (OpenAIChat, AnthropicMessages, Gemini, Vertex, Cohere)]
# Some SDKs leave a connection to the garbage collector when a stream breaks.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _swept():
    yield
    gc.collect()


@pytest.fixture(params=["none", "another"])
def guarded(request, tmp_path, monkeypatch):
    """(the key it wants, its address); every SDK here sends the key ``none``."""
    monkeypatch.setenv("NEPHOSCOPE_SIMULATOR_KEY", request.param)
    (tmp_path / "providers.yaml").write_text("providers: [{name: a, type: mock, mock: {ttft_s: 0, gap_s: 0}}]")
    with simulator(tmp_path / "providers.yaml") as base_url:
        yield request.param, f"{base_url}/a"


@pytest.mark.parametrize("sdk", KEYED)
def test_a_key_is_found_where_each_sdk_puts_it(guarded, sdk):
    """Bearer, x-api-key or x-goog-api-key: the right one is let in, a wrong one is refused in the vendor's shape."""
    key, root = guarded
    if key == "none":
        assert sdk.unary(root).answer
        return
    with pytest.raises(Exception, match="Incorrect API key provided"):
        sdk.unary(root)


@pytest.mark.parametrize("sdk", ALL)
def test_a_broken_frame_is_not_read_as_whole(servers, sdk):
    """Every SDK raises but Cohere's, which logs the frame and drops it."""
    root = f"{servers('official SDK')}/malforming"
    if isinstance(sdk, Cohere):
        assert sdk.stream(root).finish
        return
    with pytest.raises(Exception, match=r"(?i)checksum|json|unterminated"):
        sdk.stream(root)


def test_above_the_quota_openai_is_told_when_to_come_back(servers):
    """429 with Retry-After and the rate-limit headers."""
    root = f"{servers('official SDK')}/limited/v1"
    with openai.OpenAI(api_key="none", base_url=root, max_retries=0) as client:
        asked = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}
        for _ in range(2):  # whoever came first took the quota, here or in the matrix
            with contextlib.suppress(openai.RateLimitError):
                client.chat.completions.create(**asked)
        with pytest.raises(openai.RateLimitError) as refused:
            client.chat.completions.create(**asked)
    headers = refused.value.response.headers
    assert "rate_limit_exceeded" == refused.value.code
    assert int(headers["retry-after"]) > 1
    assert "0" == headers["x-ratelimit-remaining-requests"]


def test_the_sdk_lists_the_model(servers):
    """/v1/models is one page."""
    with openai.OpenAI(api_key="none", base_url=f"{servers('official SDK')}/whole/v1", max_retries=0) as client:
        assert [MODEL] == [model.id for model in client.models.list()]


@pytest.mark.parametrize(
    ("name", "asked", "expected"),
    [("whole", {"model": MODEL, "messages": []}, openai.BadRequestError),
     ("nobody", {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}, openai.NotFoundError)],
)  # fmt: skip
def test_the_sdk_knows_our_client_errors(servers, name, asked, expected):
    """A body without messages is 400, a mock that is not there 404."""
    root = f"{servers('official SDK')}/{name}/v1"
    with openai.OpenAI(api_key="none", base_url=root, max_retries=0) as client, pytest.raises(expected):
        client.chat.completions.create(**asked)

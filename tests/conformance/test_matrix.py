"""Every cell of the matrix: what must hold where a server plays it, and proof of the reason where it does not."""

from __future__ import annotations

import gc

import pytest

from providers.dialects import DIALECTS
from providers.simulator.child import ROOTS
from tests.conformance import aimock as aim
from tests.conformance import matrix
from tests.conformance.matrix import AIMOCK, CELLS, LLAMA, SDK, reason
from tests.conformance.sdks import MAX_TOKENS, PROMPT, SDKS, StreamFailedError
from tests.conformance.wire import ask, assert_same_however_cut, events

# Some SDKs leave a connection to the garbage collector when a stream breaks.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
# bedrock-invoke asks in the words of the family that the model's id names.
MODELS = {(AIMOCK, "bedrock-invoke"): "anthropic.claude-1:0", (SDK, "bedrock-invoke"): "anthropic.claude-1:0"}
# Where the SDK raises; names, since two of them raise what their private HTTP library does.
RAISES = {
    "openai-chat": ({"InternalServerError", "RateLimitError"}, {"APIError"}, {"APIConnectionError"}),
    "openai-completions": ({"InternalServerError", "RateLimitError"}, {"APIError"}, {"APIConnectionError"}),
    "openai-responses": (
        {"InternalServerError", "RateLimitError"}, {StreamFailedError.__name__}, {"APIConnectionError"},
    ),
    "anthropic-messages": ({"InternalServerError", "RateLimitError"}, {"APIStatusError"}, {"RemoteProtocolError"}),
    "bedrock-converse": (
        {"InternalServerException", "ThrottlingException"}, {"EventStreamError"}, {"ProtocolError"},
    ),
    "bedrock-invoke": (
        {"InternalServerException", "ThrottlingException", "InternalServerError", "RateLimitError"},
        {"EventStreamError", "APIStatusError"}, {"ProtocolError", "RemoteProtocolError"},
    ),
    "vertex-gemini": ({"ServerError", "ClientError"}, {"ServerError"}, {"RemoteProtocolError"}),
    "ollama": ({"ResponseError"}, {"ResponseError"}, {"RemoteProtocolError"}),
    "cohere-v2": (
        {"InternalServerError", "TooManyRequestsError"}, {StreamFailedError.__name__}, {"RemoteProtocolError"},
    ),
}  # fmt: skip
CAPPED = {"length", "max_tokens", "max_output_tokens", "MAX_TOKENS"}
UNSEEN_REASONING = {"openai-completions", "BedrockInvoke"}


def cells(*columns):
    chosen = [cell for cell in CELLS if cell.column in columns]
    return pytest.mark.parametrize("cell", chosen, ids=str)


@pytest.fixture
def _told(record_property, cell):
    record_property("cell", str(cell))
    yield
    if cell.server == SDK:
        gc.collect()  # sockets that an SDK leaves open behind an exception are found here, where their warning is known


@pytest.fixture
def server(cell, servers, _told):
    """A cell that is n/a is proved to be so, and asks for nothing else."""
    started = servers(cell.server)
    if why := reason(cell):
        PROOFS[why](cell, started)
        return None
    return started


@cells("unary", "stream")
def test_an_answer_is_read_whole(cell, server):
    """Text, finish and usage are what the server said, streamed or not."""
    if server:
        WHOLE[cell.server](cell.dialect, server, stream=cell.column == "stream")


def whole_of_aimock(dialect, server, *, stream):
    heard = heard_from(AIMOCK, server, dialect, "whole", stream=stream)
    reply = heard.reply
    # aimock's Ollama counts nothing: a prompt of 0 tokens is one that went uncounted.
    counted = (None, 0) if dialect == "ollama" else (aim.INPUT_TOKENS, aim.OUTPUT_TOKENS)
    assert reply.failure is None
    assert (aim.ANSWER, "stop") == (heard.text, reply.finish)
    assert counted == (reply.usage.input_tokens, reply.usage.output_tokens)
    assert len(reply.chunks) == (len(aim.ANSWER) // 4 if stream else 1)


def whole_of_llama(dialect, server, *, stream):
    heard = heard_from(LLAMA, server, dialect, "tell me", stream=stream)
    reply = heard.reply
    assert reply.failure is None
    assert heard.text.isalpha()
    assert MAX_TOKENS == len(heard.text) == reply.usage.output_tokens  # a letter is a token
    assert reply.usage.input_tokens > len("tell me")  # and so is a letter of the prompt, in its template
    assert {"openai-responses": "stop"}.get(dialect, "length") == reply.finish  # its Responses know no cap
    assert len(reply.chunks) == (MAX_TOKENS if stream else 1)


def whole_of_sdk(dialect, server, *, stream):
    for sdk in SDKS[dialect]:
        said = (sdk.stream if stream else sdk.unary)(f"{server}/whole")
        seen = 0 if {dialect, type(sdk).__name__} & UNSEEN_REASONING else 2
        where = f"{type(sdk).__name__}: {said}"
        assert (seen, MAX_TOKENS - seen) == (len(said.reasoning.split()), len(said.answer.split())), where
        assert (len(PROMPT.split()), MAX_TOKENS) == (said.input_tokens, said.output_tokens), where
        assert said.cached_tokens in (2, None), where
        assert said.reasoning_tokens in (seen, None), where
        assert said.finish in CAPPED, where
        ended = (sdk.stream if stream else sdk.unary)(f"{server}/ending")
        assert (3, 3) == (len(ended.answer.split()), ended.output_tokens), ended
        assert ended.finish
        assert ended.finish not in CAPPED, ended


@cells("error before")
def test_an_error_before_the_answer_is_named(cell, server):
    """Each vendor's own shape of an HTTP error becomes one of our kinds, or the SDK's own exception."""
    if server:
        REFUSED[cell.server](cell.dialect, server)


def refused_by_aimock(dialect, server):
    for stream in (True, False):
        failure = heard_from(AIMOCK, server, dialect, "refused", stream=stream).reply.failure
        assert ("rate_limited", aim.RETRY_S) == (failure.kind, failure.retry_after_s)
        assert "Rate limit reached" in failure.message


def refused_by_llama(dialect, server):
    for stream in (True, False):
        failure = heard_from(LLAMA, server, dialect, "word " * 400, stream=stream).reply.failure
        assert "context_length" == failure.kind, failure


def refused_by_sdk(dialect, server):
    for sdk in SDKS[dialect]:
        for read in (sdk.stream, sdk.unary):
            assert raised(read, f"{server}/broken") in RAISES[dialect][0]
    read = SDKS[dialect][0].stream
    raised(read, f"{server}/limited")  # the first takes the quota, unless another dialect has
    assert raised(read, f"{server}/limited") in RAISES[dialect][0]


@cells("error inside")
def test_an_error_inside_the_stream_is_named(cell, server):
    """After HTTP 200 and some words the server says that it failed: no SDK takes the rest for an answer, nor do we."""
    if not server:
        return
    for sdk in SDKS[cell.dialect]:
        assert raised(sdk.stream, f"{server}/interrupted") in RAISES[cell.dialect][1]
    reply = heard_from(SDK, server, cell.dialect, PROMPT, name="interrupted").reply
    assert "server" == reply.failure.kind
    assert MAX_TOKENS // 2 == len(reply.chunks)


@cells("truncated")
def test_a_truncated_stream_is_not_taken_for_an_answer(cell, server):
    """The connection ends inside the stream."""
    if server:
        TRUNCATED[cell.server](cell.dialect, server)


def truncated_by_aimock(dialect, server):
    heard = heard_from(AIMOCK, server, dialect, "truncated")
    assert ("truncated", False) == (heard.reply.failure.kind, heard.complete)


def truncated_by_llama(dialect, server):
    """The engine is killed under its stream, which is longer than what the sockets hold."""
    heard = server.killed_under(lambda address: heard_from(LLAMA, address, dialect, "tell me", max_tokens=50_000))
    assert ("truncated", False) == (heard.reply.failure.kind, heard.complete)
    assert heard.reply.chunks


def truncated_by_sdk(dialect, server):
    for sdk in SDKS[dialect]:
        assert raised(sdk.stream, f"{server}/truncating") in RAISES[dialect][2]
    heard = heard_from(SDK, server, dialect, PROMPT, name="truncating")
    assert ("truncated", False) == (heard.reply.failure.kind, heard.complete)


@cells("cut at every byte")
def test_a_recorded_stream_gives_the_same_events_however_it_is_cut(cell, server):
    """At every offset, and byte by byte; of our simulator, the text is also what the SDK reads."""
    if not server:
        return
    words = {AIMOCK: "whole", LLAMA: "tell me", SDK: PROMPT}[cell.server]
    heard = heard_from(cell.server, server, cell.dialect, words)
    assert heard.reply.failure is None
    assert len(events(cell.dialect, [heard.body])) > 5
    assert_same_however_cut(cell.dialect, heard.body)
    if cell.server == SDK:
        said = SDKS[cell.dialect][0].stream(f"{server}/whole")
        usage = heard.reply.usage
        assert said.answer.split()[:-1] == heard.text.split()[1:], "the next answer begins a word later"
        assert (said.input_tokens, said.output_tokens) == (usage.input_tokens, usage.output_tokens)


def heard_from(server, address, dialect, words, *, stream=True, name="whole", max_tokens=MAX_TOKENS):
    model = MODELS.get((server, dialect), "mock.model-1:0")
    base = f"{address}/{name}" if server == SDK else getattr(address, "address", address)
    return ask(base + ROOTS.get(dialect, ""), dialect, words, stream=stream, model=model, max_tokens=max_tokens)


def raised(read, root):
    """The name of what an SDK raised; empty for an answer."""
    try:
        read(root)
    except Exception as error:  # noqa: BLE001 - which one is the question
        return type(error).__name__
    return ""


def proves_no_path(cell, server):
    assert 404 == heard_from(cell.server, server, cell.dialect, "whole").status


def proves_no_wrapper(cell, server):
    heard = heard_from(cell.server, server, cell.dialect, "whole")
    assert b'{"type":"message_start"' in heard.body
    assert b'"bytes"' not in heard.body


def proves_no_error_event_of_aimock(cell, server):
    assert heard_from(cell.server, server, cell.dialect, "inside").status >= 400


def proves_no_error_event_of_llama(cell, server):
    reply = heard_from(cell.server, server, cell.dialect, "tell me", max_tokens=10_000).reply
    assert reply.failure is None
    assert "length" == reply.finish or cell.dialect == "openai-responses"
    assert MAX_TOKENS < reply.usage.output_tokens < 10_000


WHOLE = {AIMOCK: whole_of_aimock, LLAMA: whole_of_llama, SDK: whole_of_sdk}
REFUSED = {AIMOCK: refused_by_aimock, LLAMA: refused_by_llama, SDK: refused_by_sdk}
TRUNCATED = {AIMOCK: truncated_by_aimock, LLAMA: truncated_by_llama, SDK: truncated_by_sdk}
PROOFS = {
    matrix.NO_PATH: proves_no_path,
    matrix.NO_WRAPPER: proves_no_wrapper,
    matrix.NO_ERROR_EVENT[AIMOCK]: proves_no_error_event_of_aimock,
    matrix.NO_ERROR_EVENT[LLAMA]: proves_no_error_event_of_llama,
}


def test_every_dialect_stands_in_the_matrix():
    """A new dialect is a row to fill in, not one to forget."""
    assert set(DIALECTS) == set(SDKS) == set(RAISES) == {cell.dialect for cell in CELLS}

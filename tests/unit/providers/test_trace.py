"""Traces: four forms read alike, broken ones refused by line, and replayed with their lengths, order and prefixes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import ConfigError
from providers.trace import BLOCK_TOKENS, read_trace
from providers.words import NONCE_TOKENS, TASK
from providers.workload import load_workload

OWN = """{"at_s": 10, "input_tokens": 100, "output_tokens": 20}
{"at_s": 10.5, "input_tokens": 40, "output_tokens": 9}
{"at_s": 12, "input_tokens": 7, "output_tokens": 1}
"""
AZURE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.6805900,100,20
2023-11-16 18:15:47.1805900,40,9
2023-11-16 18:15:48.6805900,7,1
"""
AZURE_2024 = """TIMESTAMP,ContextTokens,GeneratedTokens
2024-05-10 00:00:00+00:00,100,20
2024-05-10 00:00:00.500000+00:00,40,9
2024-05-10 00:00:02.000000+00:00,7,1
"""
BURSTGPT = """Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
5,ChatGPT,100,20,120,Conversation log
5.5,GPT-4,40,9,49,API log
6,GPT-4,30,0,30,API log
7,ChatGPT,7,1,8,Conversation log
"""
BURSTGPT_3 = """Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type
5,12.0,3.1,ChatGPT,100,20,120,Conversation log
5.5,,1.0,GPT-4,40,9,49,API log
7,12.0,2.0,ChatGPT,7,1,8,Conversation log
"""
MOONCAKE = """{"timestamp": 0, "input_length": 100, "output_length": 20, "hash_ids": [0]}
{"timestamp": 500, "input_length": 40, "output_length": 9, "hash_ids": [1]}
{"timestamp": 2000, "input_length": 7, "output_length": 1, "hash_ids": [2]}
"""
FORMS = {
    "own": OWN, "azure": AZURE, "azure 2024": AZURE_2024, "burstgpt": BURSTGPT, "burstgpt 3": BURSTGPT_3,
    "mooncake": MOONCAKE,
}  # fmt: skip
ROWS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 3000), st.integers(1, 999)), min_size=1, max_size=30)

BLOCKS = st.lists(st.integers(0, 3), min_size=1, max_size=4)


@pytest.fixture(scope="session")
def traced(tmp_path_factory):
    """The trace of a text."""
    folder = tmp_path_factory.mktemp("traces")

    def read(content, name="trace"):
        path = folder / name
        path.write_text(content, encoding="utf-8")
        return read_trace(path)

    return read


def replay(trace, cache="bust"):
    chat = load_workload("chat")
    return type(chat).model_validate(chat.model_dump() | {"cache": cache}).replaying(trace)


def told(workload, index, provider="a", run="run"):
    ((_, content),) = workload.prompt(1, index, provider, run).messages
    return content.split()


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_the_same(traced, form):
    """Instants from 0, lengths in order, told apart by the first line; no answer, no request."""
    trace = traced(FORMS[form])
    assert form.split()[0] == trace.kind
    assert pytest.approx([0, 0.5, 2]) == list(trace.offsets_s)
    assert [100, 40, 7] == list(trace.input_tokens)
    assert [20, 9, 1] == list(trace.output_tokens)
    assert int(form == "burstgpt") == trace.left_out
    assert 3 == len(trace)


@given(ROWS)
def test_a_replay_keeps_order_and_lengths(traced, rows):
    """However the file is ordered: by time, and what came together as it stood."""
    lines = [{"at_s": at / 1000, "input_tokens": asked, "output_tokens": out} for at, asked, out in rows]
    trace = traced("\n".join(map(json.dumps, lines)))
    workload = replay(trace)
    by_time = sorted(rows, key=lambda row: row[0])
    prompts = [workload.prompt(1, index, "a", "run") for index in range(len(rows))]
    assert [row[1:] for row in by_time] == [(p.target_input_tokens, p.target_output_tokens) for p in prompts]
    assert [row[1] for row in by_time] == [len(told(workload, index)) for index in range(len(rows))]
    assert pytest.approx([(row[0] - by_time[0][0]) / 1000 for row in by_time]) == list(trace.offsets_s)
    assert (max(row[1] for row in rows), max(row[2] for row in rows)) == workload.largest
    assert tuple(map(sum, zip(*(row[1:] for row in rows), strict=True))) == workload.expected(1, len(rows))


@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.integers(1, 512)), min_size=2, max_size=6
    )
)
def test_equal_leading_blocks_become_equal_words(traced, rows):
    """Up to the first block that differs; from there on, and in other runs and providers, nothing is shared."""
    lengths = [(len(blocks) - 1) * BLOCK_TOKENS + last for blocks, last in rows]
    lines = [
        {"timestamp": place, "input_length": tokens, "output_length": 1, "hash_ids": blocks}
        for place, ((blocks, _), tokens) in enumerate(zip(rows, lengths, strict=True))
    ]
    workload = replay(traced("\n".join(map(json.dumps, lines))))
    (first, _), *others = rows
    for index, (blocks, _) in enumerate(others, 1):
        equal = next(
            (n for n, (a, b) in enumerate(zip(first, blocks, strict=False)) if a != b), min(map(len, (first, blocks)))
        )
        shared = min(equal * BLOCK_TOKENS, *(tokens - len(TASK) for tokens in (lengths[0], lengths[index])))
        mine, yours = told(workload, 0), told(workload, index)
        if shared > 0:
            assert mine[:shared] == yours[:shared]
        if equal == 0 and min(lengths[0], lengths[index]) >= NONCE_TOKENS:
            assert mine[:NONCE_TOKENS] != yours[:NONCE_TOKENS]


def test_a_shared_block_is_cold_for_another_provider_and_run(traced):
    """Their first words differ, as everywhere."""
    workload = replay(traced(MOONCAKE))
    starts = {tuple(told(workload, 0, name, run)[:NONCE_TOKENS]) for name in "ab" for run in ("one", "two")}
    assert 4 == len(starts)


def test_requests_of_one_session_are_beginnings_of_one_text(traced):
    """So a longer turn finds what an earlier one has warmed."""
    lines = [{"at_s": i, "input_tokens": 100 * (i + 1), "output_tokens": 5, "session": "xy"[i % 2]} for i in range(4)]
    workload = replay(traced("\n".join(map(json.dumps, lines))))
    prompts = [workload.prompt(1, index, "a") for index in range(4)]
    assert [("x.0", 0), ("y.0", 0), ("x.0", 1), ("y.0", 1)] == [(p.session, p.turn) for p in prompts]
    shared = 100 - len(TASK)
    assert told(workload, 0)[:shared] == told(workload, 2)[:shared] != told(workload, 1)[:shared]
    assert 2 == workload.turns_max


def test_requests_without_a_session_share_nothing(traced):
    """In a trace where others have one, too."""
    workload = replay(traced(BURSTGPT_3))
    assert [("12.0.0", 0), ("", None), ("12.0.0", 1)] == [
        (p.session, p.turn) for p in (workload.prompt(1, index, "a") for index in range(3))
    ]
    assert told(workload, 1)[:NONCE_TOKENS] != told(workload, 0)[:NONCE_TOKENS]


def test_a_trace_read_anew_is_replayed_the_same(traced):
    """Prompts follow from trace and seed; providers get the same save the nonce."""
    trace, again = traced(OWN), traced(OWN)
    assert [told(replay(trace), index) for index in range(3)] == [told(replay(again), index) for index in range(3)]
    assert told(replay(trace), 0, "a")[NONCE_TOKENS:] == told(replay(trace), 0, "b")[NONCE_TOKENS:]


def test_the_hash_follows_the_trace_and_the_manifest_names_it(traced):
    """One token more, another sequence."""
    one, other = replay(traced(OWN, "my trace.jsonl")), replay(traced(OWN.replace("40", "41"), "my trace.jsonl"))
    assert one.sha256 != other.sha256
    assert {"name": "my-trace", "file": "my trace.jsonl", "format": "trace", "input_tokens": None} == {
        key: one.model_dump()[key] for key in ("name", "file", "format", "input_tokens")
    }


def test_a_trace_is_a_file_of_a_workload_too(tmp_path):
    """Its lengths under any arrivals, again from its start when it is through."""
    (tmp_path / "azure.csv").write_text(AZURE)
    (tmp_path / "w.yaml").write_text("name: mine\nfile: azure.csv")
    workload = load_workload(str(tmp_path / "w.yaml"))
    assert [100, 40, 7, 100] == [workload.prompt(1, index, "a").target_input_tokens for index in range(4)]
    assert told(workload, 0)[:NONCE_TOKENS] != told(workload, 3)[:NONCE_TOKENS]
    assert "mine-0" == workload.prompt(1, 3, "a").prompt_id


def test_repeat_replays_beginnings_of_one_text(traced):
    """Lengths stay those of the trace."""
    workload = replay(traced(OWN), "repeat")
    assert told(workload, 0)[:24] == told(workload, 1)[:24]
    assert [100, 40, 7] == [len(told(workload, index)) for index in range(3)]


def test_a_common_prefix_does_not_go_with_a_trace(traced):
    """What is shared there is the trace's affair."""
    with pytest.raises(ConfigError, match="shared_prefix:8 does not go with --trace"):
        replay(traced(OWN), "shared_prefix:8")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ":1: not a known trace; expected {"),
        ("when,in,out\n1,2,3", ":1: not a known trace; expected {"),
        ('{"prompt": "x"}', ":1: not a known trace; expected {"),
        ("\n{at_s: 1}", ":2: not JSON ("),
        (OWN + "oops", ":4: not JSON ("),
        (OWN + "\n[1]", ":5: expected an object"),
        (OWN + '{"at_s": 1}', ":4: key 'input_tokens': missing"),
        (OWN.replace("40", "0"), ":2: key 'input_tokens': got 0; expected a whole number from 1 to 1000000"),
        (OWN.replace("40", "4.5"), ":2: key 'input_tokens': got 4.5"),
        (OWN.replace("10.5", "-1"), ":2: key 'at_s': got -1; expected a time, 0 or more"),
        (OWN.replace("10.5", '"NaN"'), ":2: key 'at_s': got 'NaN'"),
        (OWN.replace("10.5", "null"), ":2: key 'at_s': got None"),
        (OWN.replace("output_tokens", "output"), ":1: key 'output': unknown; expected one of at_s"),
        (AZURE + "2023-11-16,1", ":5: key 'GeneratedTokens': got ''"),
        (AZURE + "yesterday,1,1", ":5: key 'TIMESTAMP': got 'yesterday'; expected a time as 2023"),
        (AZURE + "2023-11-16 18:15:49,1,many", ":5: key 'GeneratedTokens': got 'many'"),
        (AZURE + "2023-11-16 18:15:49,-1,4", ":5: key 'ContextTokens': got '-1'"),
        (BURSTGPT + "\nsoon,GPT-4,1,1,2,API log", ":7: key 'Timestamp': got 'soon'"),
        (MOONCAKE.replace("[1]", "7"), ":2: key 'hash_ids': expected a list of whole numbers"),
        (MOONCAKE.replace("[1]", '["x"]'), ":2: key 'hash_ids': expected a list of whole numbers"),
        (MOONCAKE.replace("500", '"x"'), ":2: key 'timestamp': got 'x'"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:49,0,4", ": holds no request with a prompt"),
    ],
)
def test_a_broken_trace_is_one_line(traced, content, words):
    """File, line, key and value of the first request that cannot be read."""
    with pytest.raises(ConfigError) as caught:
        traced(content, "broken.trace")
    assert f"broken.trace{words}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_text_is_refused(tmp_path):
    """A packed trace, a missing one."""
    (tmp_path / "t.csv.gz").write_bytes(b"\x1f\x8b\x08\xff")
    with pytest.raises(ConfigError, match=r"t\.csv\.gz: not UTF-8 text; a trace is CSV or JSON lines, unpack it first"):
        read_trace(tmp_path / "t.csv.gz")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_trace(tmp_path / "none.csv")

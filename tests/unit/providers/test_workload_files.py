"""Files of prompts: asked as they stand, in their order, and refused by line where they are broken."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.corpus import estimated_tokens
from providers.errors import ConfigError
from providers.words import NONCE_TOKENS
from providers.workload import load_workload

PROMPTS = [
    {"prompt": "Why is the sky blue?", "output_tokens": 40},
    {"messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Grüß Gott"}]},
]
SHAREGPT = [
    {"id": "1", "conversations": [{"from": "human", "value": "Say a b c"}, {"from": "gpt", "value": "a b c" * 20}]},
    {"id": "2", "conversations": [{"from": "gpt", "value": "I begin"}]},
    {"id": "3", "conversations": []},
    {"id": "4", "conversations": [{"from": "system", "value": "S"}, {"from": "human", "value": "Q"}]},
]


@pytest.fixture
def given_file(tmp_path):
    """Write a file, and a workload beside it where keys are given; load it."""

    def write(name, content, **keys):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else "\n".join(map(json.dumps, content)), encoding="utf-8")
        if not keys:
            return load_workload(str(path))
        declared = tmp_path / "w.yaml"
        declared.write_text(json.dumps({"name": "mine", "file": name, **keys}))
        return load_workload(str(declared))

    return write


def asked(workload, index, provider="a"):
    return workload.prompt(1, index, provider, "run").messages


def test_a_file_is_asked_in_its_order_and_again_from_its_start(given_file):
    """shared_prefix:0 leaves the texts exactly as they are."""
    workload = given_file("p.jsonl", PROMPTS, cache="shared_prefix:0")
    assert (("user", "Why is the sky blue?"),) == asked(workload, 0)
    assert (("system", "Be short."), ("user", "Grüß Gott")) == asked(workload, 1)
    assert asked(workload, 0) == asked(workload, 2)
    assert ["mine-0", "mine-1", "mine-0"] == [workload.prompt(1, i, "a").prompt_id for i in range(3)]


def test_a_nonce_stands_before_the_whole_text(given_file):
    """Four words that no other request has, also where the file begins anew; the rest is untouched."""
    workload = given_file("p.jsonl", PROMPTS)
    starts = set()
    for index, provider in [(0, "a"), (0, "b"), (2, "a"), (2, "b")]:
        nonce, _, rest = asked(workload, index, provider)[0][1].partition("\n\n")
        assert "Why is the sky blue?" == rest
        assert NONCE_TOKENS == len(nonce.split())
        starts.add(nonce)
    assert 4 == len(starts)


def test_output_tokens_come_from_the_record_then_the_workload_then_128(given_file):
    """What is asked for is never left to the provider."""
    plain, declared = given_file("p.jsonl", PROMPTS), given_file("p.jsonl", PROMPTS, output_tokens=9)
    assert [40, 128] == [plain.prompt(1, index, "a").target_output_tokens for index in range(2)]
    assert [40, 9] == [declared.prompt(1, index, "a").target_output_tokens for index in range(2)]


def test_input_tokens_of_a_text_are_unknown_and_estimated_high_where_needed(given_file):
    """No target is claimed; plans and caps get three characters a token."""
    workload = given_file("p.jsonl", PROMPTS)
    assert None is workload.prompt(1, 0, "a").target_input_tokens
    assert (8, 128) == workload.largest
    assert (7 + 8, 40 + 128) == workload.expected(1, 2)


@given(st.text(max_size=200))
def test_an_estimate_never_falls_below_four_characters_a_token(content):
    """And is never more than one a character."""
    assert len(content) / 4 <= estimated_tokens(content) <= len(content)


def test_records_of_one_session_are_its_turns(given_file):
    """They share a nonce, so that a history may be cached; the next cycle is another session."""
    told = [{"prompt": f"question {i}", "session": "xy"[i % 2]} for i in range(4)]
    workload = given_file("p.jsonl", told)
    prompts = [workload.prompt(1, index, "a") for index in range(5)]
    assert [("x.0", 0), ("y.0", 0), ("x.0", 1), ("y.0", 1), ("x.1", 0)] == [(p.session, p.turn) for p in prompts]
    nonces = [p.messages[0][1].partition("\n\n")[0] for p in prompts]
    assert nonces[0] == nonces[2] != nonces[4]
    assert 2 == workload.turns_max


def test_sharegpt_gives_the_first_question_of_each_conversation(given_file):
    """Those without one are left out; the recorded answer says how much to ask for."""
    workload = given_file("share.json", json.dumps(SHAREGPT), cache="shared_prefix:0")
    assert (("user", "Say a b c"),) == asked(workload, 0)
    assert (("system", "S"), ("user", "Q")) == asked(workload, 1)
    assert asked(workload, 0) == asked(workload, 2)
    assert [34, 128] == [workload.prompt(1, index, "a").target_output_tokens for index in range(2)]


def test_repeat_asks_the_first_prompt_for_ever(given_file):
    """For those who measure a cache."""
    workload = given_file("p.jsonl", PROMPTS, cache="repeat")
    assert 1 == len({asked(workload, index, provider) for index in range(4) for provider in "ab"})


def test_the_hash_follows_the_content(given_file):
    """The same name with another text is another workload."""
    one = given_file("p.jsonl", PROMPTS)
    other = given_file("p.jsonl", PROMPTS[::-1])
    assert one.model_dump() == other.model_dump()
    assert one.sha256 != other.sha256
    assert one.sequence_sha256(1, 10) != other.sequence_sha256(1, 10)


def test_a_byte_order_mark_and_empty_lines_do_no_harm(given_file):
    """As editors leave them."""
    workload = given_file("p.jsonl", '\ufeff{"prompt": "a"}\r\n\r\n{"prompt": "b"}\r\n', cache="shared_prefix:0")
    assert ["a", "b", "a"] == [asked(workload, index)[0][1] for index in range(3)]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("p.jsonl", '{"prompt": "a"}\n{"prompt": ', "p.jsonl:2: not JSON ("),
        ("p.jsonl", '{"prompt": "a"}\n\n[1]', "p.jsonl:3: expected an object with 'messages' or 'prompt'"),
        ("p.jsonl", '{"text": "a"}', "p.jsonl:1: key 'text': unknown; expected one of messages, prompt"),
        ("p.jsonl", '{"at_s": 0, "input_tokens": 9, "output_tokens": 9}', "a trace is given as --trace"),
        ("p.jsonl", '{"prompt": ""}', "p.jsonl:1: the user's message has no text"),
        ("p.jsonl", '{"prompt": 7}', "the user's message has no text"),
        ("p.jsonl", '{"prompt": "a", "messages": []}', "expected 'messages' or 'prompt', one of the two"),
        ("p.jsonl", '{"messages": []}', "key 'messages': expected a list of at least one message"),
        ("p.jsonl", '{"messages": [{"role": "robot", "content": "x"}]}', "a message needs a role, one of system"),
        ("p.jsonl", '{"prompt": "a", "output_tokens": 0}', "key 'output_tokens': got 0; expected a whole number"),
        ("p.jsonl", '{"prompt": "a", "output_tokens": true}', "key 'output_tokens': got True"),
        ("p.jsonl", '{"prompt": "a", "session": [1]}', "key 'session': got [1]"),
        ("p.jsonl", "\n\n", "p.jsonl: holds no prompt"),
        ("s.json", '{"prompt": "a"}', "s.json: expected a list of conversations"),
        ("s.json", '[\n{"conversations": 1\n]', "s.json:3: not JSON ("),
        (
            "s.json",
            '[{"conversations": [{"from": "human", "value": "a"}]}, {"turns": []}]',
            "s.json: entry 2: expected",
        ),
        ("s.json", '[{"conversations": [{"from": "human", "value": 3}]}]', "s.json: entry 1: expected {conversations"),
        ("s.json", '[{"conversations": [{"from": ["x"], "value": "v"}]}]', "s.json: entry 1: expected {conversations"),
        ("s.json", "[]", "s.json: holds no prompt"),
    ],
)
def test_a_broken_file_is_one_line(given_file, name, content, words):
    """File and line, or entry, of the first that cannot be asked."""
    with pytest.raises(ConfigError) as caught:
        given_file(name, content)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"file": "none.jsonl"}, "none.jsonl: cannot be read (No such file or directory)"),
        ({"file": "p.txt"}, "p.txt: key 'format': got nothing; expected one of jsonl, sharegpt, trace"),
        ({"format": "parquet"}, "key 'format': got 'parquet'; expected one of jsonl, sharegpt, trace"),
        ({"cache": "shared_prefix:8"}, "shared_prefix:8 does not go with a file"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(given_file, keys, words):
    """Missing, of an unknown form, or under a policy that it cannot keep."""
    with pytest.raises(ConfigError) as caught:
        given_file("p.jsonl", PROMPTS, **keys)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)

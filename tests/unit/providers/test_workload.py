"""Workloads: prompts of exact length, the same sequence for all, cold unless asked otherwise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import ConfigError
from providers.schema import workload_schema
from providers.words import FOLDER, NONCE_TOKENS, TASK, words
from providers.workload import Workload, load_workload

ROOT = Path(__file__).parents[3]
SHIPPED = sorted(path.stem for path in FOLDER.glob("*.yaml"))
SPREAD = {"p50": 40, "p95": 90, "max": 120}


def workload(tokens=64, cache="bust", output_tokens=8):
    return Workload.model_validate(
        {"name": "w", "input_tokens": tokens, "output_tokens": output_tokens, "cache": cache}
    )  # fmt: skip


def text(prompt):
    ((_, content),) = prompt.messages
    return content.split()


def count(prompt):
    return sum(len(content.split()) for _, content in prompt.messages)


@given(st.integers(8, 3000), st.integers(0, 10**9), st.sampled_from(["bust", "repeat", "shared_prefix:8"]))
def test_a_prompt_has_exactly_its_tokens(tokens, index, cache):
    """N words are N tokens, each a word of the list or of the task."""
    prompt = workload(tokens, cache).prompt(1, index, "a")
    assert tokens == len(text(prompt)) == prompt.target_input_tokens
    assert set(text(prompt)) <= {*words(), *TASK}


@given(st.sampled_from(SHIPPED), st.integers(0, 10**6), st.integers(0, 99))
def test_a_shipped_workload_keeps_its_target_and_its_bounds(name, index, seed):
    """Whatever its kind: as many words as it says, and never more than its largest."""
    shipped = load_workload(name)
    prompt = shipped.prompt(seed, index, "a", "run")
    assert prompt.target_input_tokens == count(prompt) <= shipped.largest[0]
    assert 1 <= prompt.target_output_tokens <= shipped.largest[1]


@given(st.sampled_from(SHIPPED), st.integers(0, 10**4), st.sampled_from(["bust", "repeat", "shared_prefix:0"]))
def test_every_provider_is_asked_the_same_save_the_nonce(name, index, cache):
    """And the nonce takes the place of as many words: lengths are equal."""
    declared = load_workload(name).model_dump() | {"cache": cache}
    mine, yours = (Workload.model_validate(declared).prompt(1, index, provider, "run") for provider in "ab")
    (first, *later), (other, *others) = (prompt.messages for prompt in (mine, yours))
    assert later == others
    assert first[1].split()[NONCE_TOKENS:] == other[1].split()[NONCE_TOKENS:]
    assert (cache == "bust") == (first != other)
    assert mine.target_input_tokens == count(mine) == count(yours)


@given(st.sampled_from(SHIPPED), st.integers(0, 10**4))
def test_the_nonce_differs_from_run_to_run(name, index):
    """A repetition must not find the caches of the first run warm."""
    declared = load_workload(name).model_dump() | {"cache": "bust"}
    first, again = (Workload.model_validate(declared).prompt(1, index, "a", run) for run in ("one", "two"))
    assert first.messages[0] != again.messages[0]
    assert first.messages[1:] == again.messages[1:]
    assert first.prompt_id == again.prompt_id


def test_no_two_prompts_of_a_run_share_a_prefix():
    """bust: two thousand prompts, two thousand beginnings."""
    starts = {tuple(text(workload().prompt(1, index, "a"))[:NONCE_TOKENS]) for index in range(2000)}
    assert 2000 == len(starts)


def test_a_sequence_is_made_by_its_seed():
    """The same seed gives the same text; another seed another."""
    assert workload().prompt(1, 0, "a") == workload().prompt(1, 0, "a")
    assert workload().prompt(1, 0, "a").messages != workload().prompt(2, 0, "a").messages


@pytest.mark.parametrize("name", SHIPPED)
def test_another_process_writes_the_same_sequence(name):
    """Workers agree without a word: nothing hangs on a process, its hash seed or the order of asking."""
    script = f"""
from providers.workload import load_workload
for index in (7, 3, 40):
    print(repr(load_workload({name!r}).prompt(5, index, "a", "run")))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    shipped = load_workload(name)
    assert [repr(shipped.prompt(5, index, "a", "run")) for index in (7, 3, 40)] == done.stdout.splitlines()


def test_a_shared_prefix_is_shared_and_the_rest_is_cold():
    """The first N words of all prompts and providers are equal; behind them stands a nonce for each."""
    prompts = [text(workload(64, "shared_prefix:20").prompt(1, index, name)) for index in range(3) for name in "ab"]
    assert 1 == len({tuple(prompt[:20]) for prompt in prompts})
    assert 6 == len({tuple(prompt[20 : 20 + NONCE_TOKENS]) for prompt in prompts})
    assert 3 == len({tuple(prompt[20 + NONCE_TOKENS :]) for prompt in prompts})


def test_repeat_is_one_prompt_for_ever():
    """For those who measure a cache: one text, one length."""
    assert 1 == len({workload(SPREAD, "repeat").prompt(1, index, "a").messages for index in range(5)})


def test_lengths_are_drawn_per_prompt_and_alike_for_all():
    """Two providers meet the same spread in the same order."""
    drawn = [[workload(SPREAD).prompt(1, index, name).target_input_tokens for index in range(50)] for name in "ab"]
    assert drawn[0] == drawn[1]
    assert 10 < len(set(drawn[0]))


@pytest.mark.parametrize("name", SHIPPED)
def test_expected_tokens_are_those_of_the_prompts(name):
    """A plan adds up what will be sent."""
    shipped = load_workload(name)
    prompts = [shipped.prompt(3, index, "a") for index in range(40)]
    sums = sum(p.target_input_tokens for p in prompts), sum(p.target_output_tokens for p in prompts)
    assert sums == shipped.expected(3, 40)
    assert (0, 0) == shipped.expected(3, 0)


def test_many_prompts_are_expected_in_proportion():
    """A million prompts are not drawn to be counted, and come within a hundredth of their median's law."""
    asked, answered = workload({"dist": "uniform", "p50": 100, "p95": 145}).expected(1, 10**6)
    assert pytest.approx(100 * 10**6, rel=0.02) == asked
    assert 8 * 10**6 == answered


def test_words_are_plain_and_distinct():
    """4096 lower-case words: safe in JSON, countable by splitting."""
    assert 4096 == len(set(words()))
    assert all(word.isascii() and word.isalpha() and word.islower() for word in words())


def test_the_hash_follows_the_declaration():
    """Another length, another hash; the same one written twice, the same."""
    assert workload(64).sha256 == workload(64).sha256 != workload(65).sha256
    assert workload({"dist": "constant", "p50": 64, "p95": 64}).sha256 == workload(64).sha256
    assert workload().sequence_sha256(1, 10) == workload().sequence_sha256(1, 10)
    other = [(2, 10, None), (1, 11, None), (1, 10, 4)]
    assert 4 == len({workload().sequence_sha256(*key) for key in [(1, 10, None), *other]})


@pytest.mark.parametrize("name", SHIPPED)
def test_what_the_manifest_says_of_a_workload_is_a_workload(name):
    """Its mapping can be read again, and means the same."""
    shipped = load_workload(name)
    assert shipped.sha256 == Workload.model_validate(shipped.model_dump(mode="json")).sha256


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_workload_says_why(name):
    """Numbers without a reason are not shipped."""
    assert "# Why" in (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("name: w\ninput_tokens: 4\noutput_tokens: 1", "key 'input_tokens': got 4; expected tokens of a prompt"),
        ("name: w\ninput_tokens: 64", "key 'output_tokens': got nothing"),
        ("name: w\ninput_tokens: 64.5\noutput_tokens: 8", "w.yaml:2: key 'input_tokens': got 64.5; expected tokens"),
        (
            "name: w\ninput_tokens: {p50: 64}\noutput_tokens: 8",
            "key 'input_tokens.p95': got nothing; expected the 95th",
        ),
        ("name: w\ninput_tokens: {p50: 64, p95: 60}\noutput_tokens: 8", "p95 60 lies below p50 64"),
        ("name: w\ninput_tokens: {p50: 64, p95: 80, max: 70}\noutput_tokens: 8", "max 70 lies below p95 80"),
        ("name: w\ninput_tokens: {dist: uniform, p50: 10, p95: 30}\noutput_tokens: 8", "would begin below 0"),
        (
            "name: w\ninput_tokens: {dist: zipf, p50: 1, p95: 2}\noutput_tokens: 8",
            "expected one of constant, lognormal",
        ),
        ("name: w\ninput_tokens: {dist: constant, p50: 9, p95: 10}\noutput_tokens: 8", "a constant has one value"),
        ("name: w\ninput_tokens: 64\noutput_tokens: true", "key 'output_tokens': got True"),
        ("name: w\ninput_tokens: 64\noutput_tokens: 8\ncache: warm", "key 'cache': got 'warm'; expected bust"),
        ("name: w\ninput_tokens: 64\noutput_tokens: 8\ncache: shared_prefix", "as shared_prefix:64"),
        ("name: w\ninput_tokens: 64\noutput_tokens: 8\ncache: shared_prefix:99", "99"),
        ("name: w\ninput_tokens: 64\noutput_tokens: 8\nturns: 2", "key 'turns'"),
        ("name: w\noutput_tokens: 8", "got nothing; expected one of input_tokens, session, file"),
        ("name: w\ninput_tokens: 64\noutput_tokens: 8\nformat: jsonl", "format jsonl stands without a file"),
        ("[]", "expected a mapping"),
    ],
)
def test_a_bad_workload_is_one_line(tmp_path, content, words):
    """File, key, value, expectation."""
    path = tmp_path / "w.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        load_workload(str(path))
    assert words in str(caught.value)
    assert "w.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_workload_lists_the_known():
    """--workload chta names chat."""
    with pytest.raises(
        ConfigError, match=r"--workload chta: unknown; expected one of agent, batch, chat, rag, reasoning"
    ):
        load_workload("chta")


@pytest.mark.parametrize("name", SHIPPED)
def test_the_schema_accepts_every_shipped_workload(name):
    """What an editor is told is what the reader takes: numbers for lengths, words for caches."""
    document = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(workload_schema())
    validator.validate(document)
    assert not validator.is_valid(document | {"turns": 3})

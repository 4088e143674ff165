"""Workloads: prompts of exact length, the same sequence for all, cold unless asked otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import ConfigError
from providers.workload import NONCE_TOKENS, Workload, load_workload, words


def workload(tokens=64, cache="bust"):
    return Workload.model_validate({"name": "w", "input_tokens": tokens, "output_tokens": 8, "cache": cache})


def text(prompt):
    ((_, content),) = prompt.messages
    return content.split()


@given(st.integers(8, 3000), st.integers(0, 10**9), st.sampled_from(["bust", "repeat", "shared_prefix:8"]))
def test_a_prompt_has_exactly_its_tokens(tokens, index, cache):
    """N words are N tokens, each a word of the list."""
    assert tokens == len(text(workload(tokens, cache).prompt(1, index, "a")))


def test_providers_get_the_same_prompt_but_for_the_nonce():
    """Only the first words differ, and they are as many."""
    mine, yours = (text(workload().prompt(1, 5, name)) for name in "ab")
    assert mine[NONCE_TOKENS:] == yours[NONCE_TOKENS:]
    assert mine[:NONCE_TOKENS] != yours[:NONCE_TOKENS]


def test_no_two_prompts_of_a_run_share_a_prefix():
    """bust: two thousand prompts, two thousand beginnings."""
    starts = {tuple(text(workload().prompt(1, index, "a"))[:NONCE_TOKENS]) for index in range(2000)}
    assert 2000 == len(starts)


def test_a_sequence_is_made_by_its_seed():
    """The same seed gives the same text in every process; another seed another."""
    assert workload().prompt(1, 0, "a") == workload().prompt(1, 0, "a")
    assert workload().prompt(1, 0, "a").messages != workload().prompt(2, 0, "a").messages


def test_a_shared_prefix_is_shared_and_the_rest_is_not():
    """The first N words of all prompts and providers are equal."""
    prompts = [text(workload(64, "shared_prefix:20").prompt(1, index, name)) for index in range(3) for name in "ab"]
    assert 1 == len({tuple(prompt[:20]) for prompt in prompts})
    assert 3 == len({tuple(prompt[20:]) for prompt in prompts})


def test_repeat_is_one_prompt_for_ever():
    """For those who measure a cache."""
    assert 1 == len({workload(64, "repeat").prompt(1, index, "a").messages for index in range(5)})


def test_words_are_plain_and_distinct():
    """4096 lower-case words: safe in JSON, countable by splitting."""
    assert 4096 == len(set(words()))
    assert all(word.isascii() and word.isalpha() and word.islower() for word in words())


def test_the_hash_follows_the_declaration():
    """Another length, another hash."""
    assert workload(64).sha256 == workload(64).sha256 != workload(65).sha256
    assert workload().sequence_sha256(1, 10) != workload().sequence_sha256(2, 10)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("name: w\ninput_tokens: 4\noutput_tokens: 1", "key 'input_tokens': got 4; expected tokens of a prompt"),
        ("name: w\ninput_tokens: 64", "key 'output_tokens': got nothing"),
        ("name: w\ninput_tokens: 64\noutput_tokens: 8\ncache: warm", "key 'cache': got 'warm'"),
        ("name: w\ninput_tokens: 64\noutput_tokens: 8\ncache: shared_prefix:99", "99"),
        ("name: w\ninput_tokens: 64\noutput_tokens: 8\nturns: 2", "key 'turns'"),
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
    with pytest.raises(ConfigError, match=r"--workload chta: unknown; expected one of .*chat"):
        load_workload("chta")

"""Sessions: conversations side by side, each prompt with all that was said before it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import ConfigError
from providers.words import NONCE_TOKENS
from providers.workload import Workload, load_workload

TURNS = st.one_of(
    st.integers(1, 6),
    st.just({"dist": "uniform", "p50": 4, "p95": 6}),
    st.just({"dist": "lognormal", "p50": 3, "p95": 7}),
)


def sessions(turns=4, cache="bust", abreast=3, **more):
    session = {"turns": turns, "system_tokens": 40, "turn_input_tokens": {"p50": 20, "p95": 60}, "abreast": abreast}
    return Workload.model_validate(
        {"name": "s", "output_tokens": {"p50": 10, "p95": 30}, "cache": cache, "session": session | more}
    )  # fmt: skip


@given(TURNS, st.integers(1, 5), st.sampled_from(["bust", "repeat", "shared_prefix:16"]), st.integers(0, 5))
def test_the_turns_of_a_session_follow_each_other_and_begin_with_what_was_said(turns, abreast, cache, seed):
    """The prefix law, and none left out: turn 0, 1, 2, ... of every session, each the beginning of the next."""
    workload = sessions(turns, cache)
    last = {}
    for index in range(abreast * 20):
        prompt = workload.prompt(seed, index, "a", "run", abreast=abreast)
        before = last.get(prompt.session)
        assert (before.turn + 1 if before else 0) == prompt.turn
        if before:
            assert before.messages == prompt.messages[: len(before.messages)]
            assert ["assistant", "user"] == [role for role, _ in prompt.messages[len(before.messages) :]]
        last[prompt.session] = prompt
    assert max(prompt.turn for prompt in last.values()) < workload.turns_max


@given(TURNS, st.integers(1, 5))
def test_a_lane_holds_one_session_at_a_time(turns, abreast):
    """Index modulo lanes: a closed-loop user has a conversation of its own from its first turn to its last."""
    workload = sessions(turns)
    for lane in range(abreast):
        told = [workload.prompt(1, lane + i * abreast, "a", abreast=abreast) for i in range(20)]
        starts = [place for place, prompt in enumerate(told) if prompt.turn == 0]
        assert 0 == starts[0]
        assert len(starts) == len({prompt.session for prompt in told})


@given(TURNS, st.integers(0, 300))
def test_a_prompt_has_exactly_its_tokens(turns, index):
    """System, users and scripted answers together."""
    workload = sessions(turns)
    prompt = workload.prompt(1, index, "a", "run")
    assert prompt.target_input_tokens == sum(len(content.split()) for _, content in prompt.messages)
    assert prompt.target_input_tokens <= workload.largest[0]
    assert (prompt.target_input_tokens, prompt.target_output_tokens) == workload.source.tokens(1, index)


def test_a_scripted_answer_is_as_long_as_the_one_that_was_asked_for():
    """So the prompt of the next turn is what it would be had the provider done as told."""
    workload = sessions(4, abreast=1)
    asked, then = (workload.prompt(1, index, "a") for index in (1, 2))
    assert asked.target_output_tokens == len(then.messages[len(asked.messages)][1].split())


def test_the_order_of_asking_changes_nothing():
    """Drawn session lengths are remembered, not consumed."""
    drawn = {"dist": "uniform", "p50": 4, "p95": 6}
    late_first, plain = sessions(drawn), sessions(drawn)
    late_first.prompt(1, 500, "a")
    assert [plain.prompt(1, i, "a") for i in range(60)] == [late_first.prompt(1, i, "a") for i in range(60)]


def test_bust_keeps_sessions_apart_and_turns_together():
    """One nonce a session: its own history may be cached, nobody else's."""
    prompts = [sessions(4, abreast=5).prompt(1, index, "a", "run") for index in range(40)]
    beginnings = {(p.session, tuple(p.messages[0][1].split()[:NONCE_TOKENS])) for p in prompts}
    assert 10 == len({session for session, _ in beginnings}) == len(beginnings)


@pytest.mark.parametrize(("shared", "nonced"), [(16, 0), (36, 0), (37, 1), (40, 1)])
def test_a_shared_prefix_is_common_to_all_sessions_and_no_word_more(shared, nonced):
    """The nonce stands behind it, in the user's first message where the system message is shared whole."""
    declared = sessions(2, f"shared_prefix:{shared}", abreast=1)
    told = [declared.prompt(1, index, name) for index in range(6) for name in "ab"]
    after = 0 if nonced else shared
    assert 1 == len({tuple(prompt.messages[0][1].split()[:shared]) for prompt in told})
    nonces = {tuple(prompt.messages[nonced][1].split()[after : after + NONCE_TOKENS]) for prompt in told}
    assert 6 == len(nonces)  # three sessions, two providers


def test_own_history_puts_the_answers_of_the_provider_in_place():
    """A missing one keeps its script, stale ones are not used, and what this amounts to in tokens is unknown."""
    workload = sessions(4, abreast=1, history="own")
    assert workload.history_own
    assert not sessions().history_own
    prompt = workload.prompt(1, 2, "a", history=["said first", ""])
    scripted = sessions(4, abreast=1).prompt(1, 2, "a")
    assert "said first" == prompt.messages[2][1]
    assert scripted.messages[4] == prompt.messages[4]
    assert None is prompt.target_input_tokens
    assert scripted.messages[1:2] == workload.prompt(1, 0, "a", history=["stale"]).messages[1:]


def test_scripted_history_ignores_answers():
    """What a provider said changes nothing that it is asked."""
    assert sessions().prompt(1, 9, "a") == sessions().prompt(1, 9, "a", history=["x", "y", "z"])


def test_what_is_asked_before_the_load_is_a_first_turn_of_its_own():
    """The preflight asks index -1: no session of the load is warmed by it."""
    prompt = sessions().prompt(1, -1, "a")
    assert 0 == prompt.turn
    assert prompt.session not in {sessions().prompt(1, index, "a").session for index in range(50)}


@pytest.mark.parametrize(
    ("session", "words"),
    [
        ("{turns: 3}", "key 'session.turn_input_tokens': got nothing; expected tokens a user adds"),
        ("{turns: 0, turn_input_tokens: 9}", "w.yaml:3: key 'session.turns': got 0; expected turns of a session"),
        ("{turns: 3, turn_input_tokens: 4}", "key 'session.turn_input_tokens': got 4; expected tokens a user adds"),
        ("{turns: 3, turn_input_tokens: 9, system_tokens: 4}", "key 'session.system_tokens': got 4; expected 0, or 8"),
        (
            "{turns: 3, turn_input_tokens: 9, abreast: 0}",
            "key 'session.abreast': got 0; expected sessions side by side",
        ),
        (
            "{turns: 3, turn_input_tokens: 9, history: mine}",
            "key 'session.history': got 'mine'; expected scripted or own",
        ),
        (
            "{turns: 3, turn_input_tokens: 9, turn: 1}",
            "key 'session.turn': got 1; expected one of turns, system_tokens",
        ),
        ("7", "key 'session': got 7; expected a mapping with turns"),
        ("{turns: 3, turn_input_tokens: 9}\ninput_tokens: 9", "got input_tokens and session; expected one of"),
        ("{turns: 3, turn_input_tokens: 9}\ncache: shared_prefix:8", "longer than the system message's 0 tokens"),
    ],
)
def test_a_bad_session_is_one_line(tmp_path, session, words):
    """With the key inside of it, and the line."""
    path = tmp_path / "w.yaml"
    path.write_text(f"name: w\noutput_tokens: 8\nsession: {session}")
    with pytest.raises(ConfigError) as caught:
        load_workload(str(path))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)

"""The probe: an exact rule for right and wrong, and a test of agreement that tells another model from the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.probe import QUESTIONS, SAME_MODEL, findings, interval

RIGHT = {question.name: question.accepted[0] for question in QUESTIONS}
BY_NAME = {question.name: question for question in QUESTIONS}


def wrong(count):
    """The right answers, save the first ``count``."""
    return RIGHT | dict.fromkeys(list(RIGHT)[:count], "no idea")


def test_questions_are_named_once_and_answers_are_in_the_form_they_are_compared():
    """Two dozen, each right by its own words."""
    assert 24 == len(QUESTIONS) == len(BY_NAME) == len({question.text for question in QUESTIONS})
    for question in QUESTIONS:
        assert all(question.judge(accepted) for accepted in question.accepted)
        assert f"probe-{question.name}" == question.prompt.prompt_id


def test_the_answers_to_the_sums_are_what_they_come_to():
    """Recomputed here, not read off."""
    true = [17 + 25, 999 - 456, 23 * 19, 1001 // 13, 2**10, 240 * 15 // 100, sum(map(int, "98765")), 97]
    assert [str(value) for value in true] == [RIGHT[f"sum-{number}"] for number in range(1, 9)]
    assert ["stressed"[::-1], "orange"[2], len("rhythm"), "possess".count("s"), "psalm"[-1]] == [
        "desserts", "a", 6, 4, "m"
    ]  # fmt: skip
    assert ["desserts", "a", "6", "4", "m"] == [RIGHT[f"spelling-{number}"] for number in (1, 2, 3, 4, 8)]


@pytest.mark.parametrize("answer", ["42", " 42.\n", "**42**", "Forty-two", "`42`"])
def test_case_spaces_and_markup_do_not_count(answer):
    """What is left is the word."""
    assert BY_NAME["sum-1"].judge(answer)


@pytest.mark.parametrize("answer", ["", "43", "The answer is 42.", "42 or 43", "...", "4 2 0"])
def test_more_or_less_than_the_word_is_wrong(answer):
    """One rule for all: who talks on has not answered."""
    assert not BY_NAME["sum-1"].judge(answer)


def test_the_same_model_agrees_also_where_it_is_wrong():
    """Right is one figure, agreement another."""
    found = findings({"a": wrong(9), "b": wrong(9)})
    assert {(24, 24, 15, 1.0)} == {(f.asked, f.answered, f.right, f.agreement) for f in found.values()}
    assert not any(finding.differs for finding in found.values())


def test_one_of_three_that_differs_is_named_alone():
    """The others agree with each other."""
    found = findings({"a": RIGHT, "b": RIGHT, "c": wrong(12)})
    assert {"a": False, "b": False, "c": True} == {name: finding.differs for name, finding in found.items()}
    assert (1.0, 0.5) == (found["a"].agreement, found["c"].agreement)


@pytest.mark.parametrize(("disagreed", "differs"), [(0, False), (5, False), (6, True), (24, True)])
def test_two_differ_when_the_interval_lies_below_nine_tenths(disagreed, differs):
    """Eighteen of twenty-four are too few, nineteen are not: the test's own limit."""
    found = findings({"a": RIGHT, "b": wrong(disagreed)})
    assert {differs} == {finding.differs for finding in found.values()}


def test_what_was_not_answered_counts_against_nobody_s_agreement():
    """It is told apart, as asked and answered."""
    found = findings({"a": RIGHT, "b": {"sum-1": "42", "sum-2": ""}, "c": {}})
    assert (24, 1, 1, 1.0) == (found["b"].asked, found["b"].answered, found["b"].right, found["b"].agreement)
    assert (0, None, False) == (found["c"].answered, found["c"].agreement, found["c"].differs)


def test_alone_there_is_nothing_to_agree_with():
    """A single provider is judged right or wrong only."""
    assert None is findings({"a": RIGHT})["a"].agreement


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_share_and_stays_a_share(counts):
    """And more questions narrow it."""
    successes, n = counts
    low, high = interval(successes, n)
    assert 0 <= low <= successes / n + 1e-12 <= high + 2e-12 <= 1 + 2e-12
    wide, narrow = (b - a for a, b in (interval(successes, n), interval(10 * successes, 10 * n)))
    assert narrow < wide


def test_the_limit_is_the_one_that_is_told():
    """Wilson's interval for 18 of 24, by the textbook: 0.551 to 0.880."""
    assert pytest.approx((0.551, 0.880), abs=0.001) == interval(18, 24)
    assert interval(18, 24)[1] < SAME_MODEL < interval(19, 24)[1]

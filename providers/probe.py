"""The Probe asks whether providers serve the same model: short questions whose answers are one fixed word each.

A fast wrong model must not win. Pure: questions, the scoring rule, and how far answers agree. It does not send
anything, and keeps no answer beyond right, wrong and agreement.

An answer is read without case, spaces, punctuation and markup; it is right when all of what is left is an accepted
word. A provider agrees on a question when its answer is among the most frequent answers of the others. The test: a
model differs when the 95 % Wilson interval of its agreement lies below 0.9 (of 24 questions: 18 or fewer).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from providers.dialects.base import Prompt

SAME_MODEL = 0.9  # agreement that one model has with itself at temperature 0, on any serving stack
OUTPUT_TOKENS = 512  # room for a model that thinks first
_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Question:
    """``accepted`` are the right answers in the form they are compared; the first stands for all."""

    name: str
    text: str
    accepted: tuple[str, ...]

    @property
    def prompt(self) -> Prompt:
        asked = f"{self.text} Answer with one word or one number and nothing else."
        return Prompt(f"probe-{self.name}", (("user", asked),), target_output_tokens=OUTPUT_TOKENS)

    def read(self, answer: str) -> str:
        """The answer in the form it is compared; empty when nothing was answered."""
        plain = "".join(character for character in answer.casefold() if character.isalnum())
        return self.accepted[0] if plain in self.accepted else plain

    def judge(self, answer: str) -> bool:
        return self.read(answer) == self.accepted[0]


QUESTIONS = tuple(
    Question(f"{kind}-{number}", text, tuple(accepted.split("|")))
    for kind, asked in (
        ("sum", (
            ("What is 17 + 25?", "42|fortytwo"),
            ("What is 999 - 456?", "543"),
            ("What is 23 times 19?", "437"),
            ("What is 1,001 divided by 13?", "77|seventyseven"),
            ("What is 2 to the power of 10?", "1024"),
            ("What is 15 percent of 240?", "36|thirtysix"),
            ("What is the sum of the digits of 98,765?", "35|thirtyfive"),
            ("What is the smallest prime number above 89?", "97|ninetyseven"),
        )),
        ("spelling", (
            ("Spell the word stressed backwards.", "desserts"),
            ("What is the third letter of the word orange?", "a"),
            ("How many letters does the word rhythm have?", "6|six"),
            ("How many times does the letter s stand in the word possess?", "4|four"),
            ("What is the plural of the animal name mouse?", "mice"),
            ("What is the past tense of the verb bring?", "brought"),
            ("Which comes first in the alphabet: pear, plum or peach?", "peach"),
            ("What is the last letter of the word psalm?", "m"),
        )),
        ("fact", (
            ("What is the capital of Australia?", "canberra"),
            ("What is the chemical symbol of gold?", "au"),
            ("Which planet is closest to the sun?", "mercury"),
            ("What is the surname of the author of Hamlet?", "shakespeare"),
            ("What is the largest ocean?", "pacific|pacificocean|thepacific|thepacificocean"),
            ("In which year did the Second World War end?", "1945"),
            ("What language do most people in Brazil speak?", "portuguese"),
            ("How many sides does a hexagon have?", "6|six"),
        )),
    )
    for number, (text, accepted) in enumerate(asked, 1)
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One provider's part; agreement and its 95 % interval are None where there was no other to agree with."""

    asked: int
    answered: int
    right: int
    agreement: float | None = None
    lo: float | None = None
    hi: float | None = None

    @property
    def differs(self) -> bool:
        return self.hi is not None and self.hi < SAME_MODEL


def findings(answers: Mapping[str, Mapping[str, str]], questions: Sequence[Question] = QUESTIONS) -> dict[str, Finding]:
    """Of providers that claim the same model: provider -> question -> its answer, as it came."""
    read = {
        provider: {question.name: question.read(given.get(question.name, "")) for question in questions}
        for provider, given in answers.items()
    }
    return {provider: _finding(provider, read, questions) for provider in read}


def _finding(provider: str, read: Mapping[str, Mapping[str, str]], questions: Sequence[Question]) -> Finding:
    mine = {name: answer for name, answer in read[provider].items() if answer}
    right = sum(mine.get(question.name) == question.accepted[0] for question in questions)
    common = {name: found for name in mine if (found := _most_frequent(name, provider, read))}
    if not common:
        return Finding(len(questions), len(mine), right)
    agreed = sum(mine[name] in found for name, found in common.items())
    return Finding(len(questions), len(mine), right, agreed / len(common), *interval(agreed, len(common)))


def _most_frequent(name: str, provider: str, read: Mapping[str, Mapping[str, str]]) -> set[str]:
    """What most of the others answered; several where they are divided alike, none where none answered."""
    votes = Counter(given[name] for other, given in read.items() if other != provider and given[name])
    most = max(votes.values(), default=0)
    return {answer for answer, count in votes.items() if count == most}


def interval(successes: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    share, spread = successes / n, _Z * _Z / n
    centre = (share + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return max(0.0, centre - half), min(1.0, centre + half)

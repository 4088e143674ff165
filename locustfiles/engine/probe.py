"""The Probe asks every provider the same short questions before the load: a fast wrong model must not win unseen.

An answer lives in memory until it is judged. It does not know how answers are judged (``providers.probe``), nor what
follows from that (``scoring``).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import gevent
from gevent.pool import Pool

from locustfiles.engine.budget import worst_usd
from locustfiles.engine.lane import Job, Lane
from locustfiles.engine.load import Load
from providers.notation import figure
from providers.probe import OUTPUT_TOKENS, QUESTIONS, Finding, findings
from providers.spec import Provider
from providers.table import table as lines_of

_AT_ONCE = 4  # questions under way per provider: a minute for a model that thinks, and no load for one that does not
_TALKS_ON = ("ignore_eos", "min_tokens")  # who must fill a length cannot answer in one word


def has_model(provider: Provider) -> bool:
    """The simulator plays words, whatever model its entry names."""
    return provider.type != "mock"


def most_usd(provider: Provider) -> float:
    """USD all questions may cost at most, as the spend cap counts."""
    letters = (sum(len(text) for _, text in question.prompt.messages) for question in QUESTIONS)
    return sum(worst_usd(provider, count, OUTPUT_TOKENS) for count in letters) if has_model(provider) else 0.0


def probe(load: Load, lanes: Sequence[Lane]) -> dict[str, Finding | None]:
    """What was found of each provider; None of one that has no model. They agree or differ within a capability."""
    asking = {lane: gevent.spawn(_ask_all, load, lane) for lane in lanes if has_model(lane.provider)}
    gevent.joinall(list(asking.values()), raise_error=True)
    jobs = {lane.provider.name: greenlet.get() for lane, greenlet in asking.items()}
    tags = {lane.provider.capability for lane in asking}
    found: dict[str, Finding | None] = {lane.provider.name: None for lane in lanes}
    for tag in tags:
        names = [lane.provider.name for lane in asking if lane.provider.capability == tag]
        judged = findings({name: _answers(jobs[name]) for name in names})
        found |= {name: replace(finding, asked=len(jobs[name])) for name, finding in judged.items()}
    return found


def _ask_all(load: Load, lane: Lane) -> list[Job]:
    """Those that were asked: the budget, or whoever stops the run, may end it before the last."""
    wanted = lane.provider.request
    body = {key: value for key, value in wanted.extra_body.items() if key not in _TALKS_ON}
    plain = wanted.model_copy(update={"extra_body": body, **dict.fromkeys(_TALKS_ON)})
    entry = lane.provider.model_copy(update={"request": plain})
    prompts = [question.prompt for question in QUESTIONS]
    jobs = [lane.job(entry, prompt, prompt.prompt_id, answers=[]) for prompt in prompts]
    asked = Pool(_AT_ONCE).map(partial(_ask, load, lane), jobs)
    return [job for job, was_asked in zip(jobs, asked, strict=True) if was_asked]


def _ask(load: Load, lane: Lane, job: Job) -> bool:
    if load.stopped() or not load.admit(lane, job):
        return False
    load.perform(lane, job, "preflight", time.time())
    return True


def _answers(jobs: Sequence[Job]) -> dict[str, str]:
    """Question -> answer, of those that were answered."""
    return {job.prompt.prompt_id.removeprefix("probe-"): job.answers[0] for job in jobs if job.answers}


def table(found: Mapping[str, Finding | None]) -> str:
    """The probe as text, beside the preflight's."""
    rows = [["probe", "asked", "answered", "right", "agrees with the others"]]
    without = "\n".join(
        f"{name}: not probed, the simulator that plays it has no model" for name, part in found.items() if part is None
    )
    rows += [[name, *_cells(part)] for name, part in found.items() if part is not None]
    return "\n".join(filter(None, [lines_of(rows) if len(rows) > 1 else "", without]))


def _cells(part: Finding) -> list[str]:
    counts = [str(part.asked), str(part.answered), str(part.right)]
    if part.agreement is None or part.lo is None or part.hi is None:
        return [*counts, "-"]
    agreement, low, high = (figure(share, "share") for share in (part.agreement, part.lo, part.hi))
    return [*counts, f"{agreement} ({low} to {high})"]

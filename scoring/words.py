"""Words: what a scorecard says when read aloud. Who leads, how sure that is, why, who is tied, and what to do next.

They repeat figures and decide nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from providers.notation import chance, duration, percent, points, seconds
from providers.reasons import INVALID
from scoring.analysis import Analysis
from scoring.knee_words import compare_command
from scoring.standing import FAILED, NO_SCORE, NOT_ELIGIBLE
from scoring.standing import INVALID as INVALID_STATUS
from scoring.tag import Tag
from scoring.windows import ENOUGH, FEWEST

_APART = {FAILED: "Failed", NOT_ELIGIBLE: "Not eligible", NO_SCORE: "Without a score", INVALID_STATUS: "Not ranked"}
LONGEST_S = 86400.0  # nobody measures longer than a day to settle a tie
_RUN_TIME = re.compile(r"(?<!\S)(?:-t|--run-time)(?:\s+|=)\S+")


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next, and the command that does it, to be copied as it stands."""

    advice: str
    command: str


def sentence(tag: Tag) -> str:
    """The whole answer in one line."""
    contenders = tag.contenders
    if not contenders:
        return "Nobody can be ranked first."
    leader = contenders[0]
    score = f"{points(leader.score or 0)} points{_interval(leader.lo, leader.hi)}"
    if len(contenders) == 1:
        return f"{leader.name} alone can be ranked, with {score}."
    second = contenders[1]
    ahead = f"{points((leader.score or 0) - (second.score or 0))} ahead of {second.name}"
    if not tag.pairs:
        return f"{leader.name} is first with {score}, {ahead}; how sure that is cannot be told yet."
    sure = f"with probability {chance(tag.p_first[leader.name]['fixed'])}"
    if len(tag.tied) > 1:
        return f"A tie: {_list([s.name for s in tag.tied])}. {leader.name} has {score}, {ahead}, and is first {sure}."
    return f"{leader.name} leads with {score}, {ahead}{_interval(tag.pairs[0].lo, tag.pairs[0].hi)}, {sure}."


def words(tag: Tag, analysis: Analysis) -> list[str]:
    """More of it, one thought each; the last one is what to do next."""
    step = next_step(tag, analysis)
    said = [*_why(tag), *_certainty(tag), *_dethroning(tag), *_apart(tag), *_reading(tag)]
    return [*said, f"Next: {step.advice}: {step.command}"]


def _why(tag: Tag) -> list[str]:
    """The dimensions in which the leader gains and loses points against the second."""
    if len(tag.contenders) < 2:
        return []
    leader, second = tag.contenders[:2]
    gains = {name: leader.points[name] - second.points[name] for name in leader.points}
    ahead = [f"{name} ({gain:+.1f})" for name, gain in sorted(gains.items(), key=lambda g: -g[1]) if gain >= 0.05]
    behind = [f"{name} ({gain:+.1f})" for name, gain in sorted(gains.items(), key=lambda g: g[1]) if gain <= -0.05]
    if not ahead and not behind:
        return [f"{leader.name} and {second.name} earn the same points in every dimension."]
    gained = f"gains on {second.name} in {_list(ahead)}" if ahead else f"gains on {second.name} nowhere"
    return [f"{leader.name} {gained}{f' and loses in {_list(behind)}' if behind else ''}."]


def _certainty(tag: Tag) -> list[str]:
    windows = tag.windows
    if not windows.usable:
        have = f"Only {windows.count} independent window{'s' * (windows.count > 1)} of {seconds(windows.length_s)}"
        need = f"{duration(windows.needed_s)} of measuring would give the ten they need"
        return [f"{have}: no intervals and no probabilities; {need}."]
    tied = [standing.name for standing in tag.tied]
    if len(tied) < 2:
        return []
    said = f"{_list(tied)} cannot be told apart: call it a tie."
    if tag.settle_s is None or tag.settle_s > LONGEST_S:
        return [f"{said} No length of run within a day would settle it."]
    return [f"{said} About {duration(tag.settle_s)} of measuring would settle it between the first two."]


def _dethroning(tag: Tag) -> list[str]:
    change = tag.dethroning
    if len(tag.contenders) < 2:
        return []
    if change is None:
        return [f"No other weights would put another provider ahead of {tag.contenders[0].name}."]
    return [f"Moving {percent(change.moved)} of the weight to {change.to} would put {change.rival} first."]


def _apart(tag: Tag) -> list[str]:
    """Those that are shown but do not compete, together where it is for the same reason."""
    groups: dict[tuple[str, str], list[str]] = {}
    for s in tag.standings:
        if s.status in _APART:
            groups.setdefault((s.status, s.reason or "unknown"), []).append(s.name)
    return [f"{_APART[status]}: {_list(names)} ({reason})." for (status, reason), names in groups.items()]


def _reading(tag: Tag) -> list[str]:
    return ["TTFO stands in for TTFT: some stream their reasoning and some hide it."] if tag.reading else []


def next_step(tag: Tag, analysis: Analysis) -> Step:
    manifest = analysis.frame.manifest
    own = [r for r in analysis.reasons if r.capability in (None, tag.capability)]
    if bad := next((r for r in own if r.level == INVALID and r.code != "n_small"), None):
        return Step(f"{bad.remedy}, then", command(manifest))
    if not manifest.get("complete"):
        return Step("run it to its end", command(manifest))
    if analysis.sweep:
        return Step("compare them at a rate that all can bear", compare_command(command(manifest), analysis.sweep))
    unpriced = [s.name for s in tag.standings if s.status == NO_SCORE and "price" in (s.reason or "")]
    if unpriced:
        return Step(f"declare 'price' of {_list(unpriced)} in the providers file, then", command(manifest))
    if (seconds := _longer_s(tag, analysis)) is not None:
        return Step("measure longer", command(manifest, seconds))
    return Step("repeat it at another time of day", command(manifest))


def _longer_s(tag: Tag, analysis: Analysis) -> float | None:
    """Seconds that would give thirty windows, the scored percentiles and an answer to a tie; None if all is there."""
    windows = tag.windows
    measured_s = windows.count * windows.length_s
    needed = [windows.needed_s * ENOUGH / FEWEST] if windows.count < ENOUGH else []
    fewest = min(standing.attempts for standing in tag.standings)
    if 0 < fewest < analysis.floor:
        needed.append(1.1 * measured_s * analysis.floor / fewest)
    if tag.settle_s is not None and len(tag.tied) > 1 and tag.settle_s <= LONGEST_S:
        needed.append(tag.settle_s)
    return max(needed, default=None)


def command(manifest: Mapping[str, Any], run_time_s: float | None = None) -> str:
    """The run's own command, with another length."""
    own = str(manifest.get("command") or "locust --headless")
    if run_time_s is None:
        return own
    wanted = f"-t {math.ceil(run_time_s)}s"
    return _RUN_TIME.sub(wanted, own) if _RUN_TIME.search(own) else f"{own} {wanted}"


def _interval(lo: float | None, hi: float | None) -> str:
    return "" if lo is None or hi is None else f" ({points(lo)} to {points(hi)})"


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

"""Doubts: the verdict of a summary put into words, the same on every screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Json = Mapping[str, Any]
_SAID = {
    "VALID": "nothing on our side disturbed the measurement",
    "DEGRADED": "read the figures with these reasons in mind",
    "INVALID": "our side disturbed the measurement: what it touched is not ranked",
}


def said(summary: Json) -> str:
    """What the level of the verdict means for the reader."""
    level = summary["verdict"]["level"]
    if summary["accepted_invalid"] and level == "INVALID":
        return "ranked nevertheless, by --accept-invalid"
    return _SAID[level]


def grouped(reasons: Iterable[Json]) -> list[tuple[Json, str]]:
    """One entry for what is said alike of several providers, and `` (aws, gcp)``: where it was met."""
    groups: dict[tuple[str, str, str], list[Json]] = {}
    for reason in reasons:
        groups.setdefault((reason["code"], reason["level"], reason["text"]), []).append(reason)
    return [(group[0], _where(group)) for group in groups.values()]


def capital(text: str) -> str:
    """With its first letter in upper case; the rest, names among it, stays."""
    return text[:1].upper() + text[1:]


def _where(group: list[Json]) -> str:
    names = [" ".join(filter(None, (reason["provider"], reason["region"]))) for reason in group]
    named = ", ".join(dict.fromkeys(name for name in names if name))
    return f" ({named})" if named else ""

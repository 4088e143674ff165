"""Doubts: the verdict of a summary put into words, the same on every screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from providers.notation import figure

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


def accepted(provider: Json) -> bool:
    """It is INVALID and was ranked nevertheless, by --accept-invalid."""
    return bool(provider["verdict"]["level"] == "INVALID" and provider["status"] != "invalid")


def checked(summary: Json) -> list[str]:
    """What each worker's known target showed, and what such a target cannot show; empty where there was none."""
    return [_checked(check) for check in summary["run"].get("self_checks") or ()]


def _checked(check: Json) -> str:
    who = "Self-check" + (f" in {check['region']}" if check["region"] else "")
    if not check["n"]:
        return f"{who}: no answer in the window"
    p50, p99, width = (
        "?" if check[name] is None else figure(check[name], "s")
        for name in ("ttft_error_p50_s", "ttft_error_p99_s", "truth_width_p50_s")
    )
    lost = f", {check['failed']} failed" if check["failed"] else ""
    return (
        f"{who}: {check['n']} answers of a known target on loopback{lost}; TTFT off by {p50} (p50) and {p99} (p99), the"
        f" truth being known to {width}. It sees neither the network card nor the way to a provider"
    )


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

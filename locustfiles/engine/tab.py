"""The Tab of the web UI: a row per provider, from the line that live.jsonl has just been given.

Locust's UI shows tables of plain text and reads them with its own statistics, every two seconds. Computes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Response, request

from providers.notation import digits, percent, seconds, usd

KEY = "providers"
_COLUMNS = (
    ("name", "Provider"),
    ("rate", "Requests/s"),
    ("flying", "In flight"),
    ("first", "TTFT p50"),
    ("slow", "TTFT p95"),
    ("speed", "Tokens/s"),
    ("success", "Success"),
    ("spend", "Spend"),
    ("lag", "Our lag p99"),
    ("verdict", "Verdict so far"),
)
_UNKNOWN = "\N{EN DASH}"
Json = Mapping[str, Any]


def add_tab(web_ui: Any, last: Callable[[], Json], refused: Callable[[], str]) -> None:
    """``last`` gives the newest line of live.jsonl, ``refused`` words for an edit that was: its dialog just closes."""
    structure = [{"key": key, "title": title} for key, title in _COLUMNS]
    web_ui.template_args.setdefault("extended_tabs", []).append({"title": "Providers", "key": KEY})
    web_ui.template_args.setdefault("extended_tables", []).append({"key": KEY, "structure": structure})

    @web_ui.app.after_request  # type: ignore[untyped-decorator]
    def extend(response: Response) -> Response:
        if request.path.endswith("/stats/requests") and response.is_json:
            statistics = dict(response.get_json())
            statistics.setdefault("extended_stats", []).append({"key": KEY, "data": rows(last()["cells"], refused())})
            response.set_data(web_ui.app.json.dumps(statistics))
        return response


def rows(cells: Sequence[Json], refused: str = "") -> list[dict[str, str]]:
    note = {key: "" for key, _ in _COLUMNS} | {"name": "Edit refused", "verdict": refused}
    return [*map(_row, cells), *([note] if refused else [])]


def _row(cell: Json) -> dict[str, str]:
    recent = cell["recent"]
    return {
        "name": " ".join(filter(None, (cell["provider"], cell["region"]))),
        "rate": digits(cell["rate_rps"]),
        "flying": str(cell["in_flight"]),
        "first": _shown(seconds, recent["ttft_p50_s"]),
        "slow": _shown(seconds, recent["ttft_p95_s"]),
        "speed": _shown(digits, recent["output_speed_p50"]),
        "success": _shown(percent, recent["success"]),
        "spend": usd(cell["spend_usd"]),
        "lag": _shown(seconds, cell["lag_p99_s"]),
        "verdict": cell["verdict"]["words"],
    }


def _shown(how: Callable[[float], str], value: float | None) -> str:
    return _UNKNOWN if value is None else how(value).replace(" ", "\N{NO-BREAK SPACE}")

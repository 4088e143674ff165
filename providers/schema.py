"""The JSON Schemas of a providers file and of a workload, for editors."""

from __future__ import annotations

from typing import Any

from providers.presets import PRESETS, keys_of
from providers.roster import FILE_VERSION
from providers.spec import Provider
from providers.workload import Workload


def file_schema() -> dict[str, Any]:
    """An entry needs its own name alone: all else may stand in ``defaults``, of which nothing is required."""
    entry = Provider.model_json_schema(ref_template="#/$defs/{model}")
    parts = entry.pop("$defs")
    properties = entry["properties"]
    properties["type"] = {**properties["type"], "enum": ["mock", "http", *PRESETS]}
    own = {key for kind in PRESETS for key in keys_of(kind)}
    properties |= {key: {"type": "string", "description": f"of type {_types_with(key)}"} for key in sorted(own)}
    defaults = {key: value for key, value in entry.items() if key != "required"}
    entry["required"] = ["name"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Nephoscope providers",
        "type": "object",
        "additionalProperties": False,
        "required": ["providers"],
        "properties": {
            "version": {"const": FILE_VERSION},
            "defaults": {"$ref": "#/$defs/Defaults"},
            "providers": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/Provider"}},
        },
        "$defs": {**parts, "Provider": entry, "Defaults": {**defaults, "title": "Defaults"}},
    }


def _types_with(key: str) -> str:
    return ", ".join(kind for kind in PRESETS if key in keys_of(kind))


def workload_schema() -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Workload.model_json_schema(),
        "title": "Nephoscope workload",
    }

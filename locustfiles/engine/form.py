"""The Form of the web UI, read as strictly as flags are: what no flag would take is refused before Locust takes it.

It knows the fields of ours that the form shows, and Locust's own three.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from locust.util.timespan import parse_timespan

from locustfiles.engine.options import FLAGS, IN_WEB_FORM, positive, seconds
from providers.errors import ConfigError


def take_form(options: Any, form: Mapping[str, str]) -> Any:
    """A copy of the options as the web form would have them; ConfigError for what no flag would take.

    Locust converts a field by the type of the value before, and 0 requests/s is a fine float to it.
    """
    asked = argparse.Namespace(**vars(options))
    kinds = {name.strip("-").replace("-", "_"): kind for name, kind, *_ in FLAGS if name in IN_WEB_FORM}
    for field, text in form.items():
        if field in kinds:
            setattr(asked, field, _form_value(field, kinds[field], text))
        elif field == "user_count":
            users = _form_value("users", int, text)
            asked.num_users = users if options.arrivals == "closed" else asked.num_users
        elif field == "spawn_rate":
            _form_value("users per second", positive, text)
        elif field == "run_time" and text:
            asked.run_time = _form_value("run time", parse_timespan, text)
    return asked


_WANTED = {int: "a whole number", float: "a plain number", parse_timespan: "a time span as 30s or 1m30s"}


def _form_value(field: str, kind: Callable[[str], Any], text: str) -> Any:
    try:
        value = kind(text)
        if kind is seconds:
            kind = float  # Locust's form takes no unit here
            float(text)
    except argparse.ArgumentTypeError as error:
        raise ConfigError(f"{field}: {error}") from None
    except ValueError:
        raise ConfigError(f"{field}: got {text!r}; expected {_WANTED[kind]}") from None
    return value

"""The harness flags: one group of Locust custom arguments, each also an environment variable and a config-file key.

What cannot be done as asked is refused here, in one line, before any request.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, NoReturn

import locust.argument_parser
from locust.util.timespan import parse_timespan

import providers
from locustfiles.engine.arrivals import OPEN_KINDS
from locustfiles.engine.experiment import Place

DEFAULT_PROVIDERS = "providers/mock.yaml"
GROUP = "Nephoscope"
_REFUSED = {
    "--host": "every provider has its own address in the providers file; write base_url there",
    "--stop-timeout": "the drain waits for requests in flight; set --drain",
    "--reset-stats": "warm-up is kept apart by phase, nothing is thrown away; leave it out",
    "--enable-rebalancing": "moving users between regions would spoil the comparison; leave it out",
}


def seconds(text: str) -> float:
    """``30``, ``30s``, ``1m30s`` or ``0.5s``: seconds, 0 or more."""
    try:
        value = float(text.removesuffix("s"))
    except ValueError:
        try:
            value = float(parse_timespan(text))
        except ValueError:
            raise argparse.ArgumentTypeError(f"got {text!r}; expected a time span as 30s or 1m30s") from None
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"got {text!r}; expected 0 seconds or more")
    return value


def positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"got {text!r}; expected a number above 0")
    return value


def slo(text: str) -> dict[str, float]:
    """``ttft=2.0,tpot=0.1`` as seconds by metric."""
    limits: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = part.strip().partition("=")
        if name not in ("ttft", "tpot", "e2e") or not equals:
            raise argparse.ArgumentTypeError(f"got {part!r}; expected ttft=, tpot= or e2e= and seconds, as ttft=2.0")
        limits[f"{name}_s"] = positive(value)
    return limits


def add_flags(parser: Any) -> None:
    """Add our group, refuse what Locust offers but a measurement must not do, and speak in one line."""
    if {"--worker", "--master"} & set(sys.argv) or any(arg.startswith("--processes") for arg in sys.argv):
        _refuse("--master, --worker and --processes: not in this version; run one process")
    parser.allow_abbrev = False  # an abbreviated --providers would be unknown to the early reader
    parser.error = _refuse
    flags = parser.add_argument_group(GROUP)
    for name, kind, default, text in FLAGS:
        add_flag(flags, name, kind, default, text)
    for name, text in _SWITCHES:
        add_flag(flags, name, None, False, text)
    for action in parser._actions:  # noqa: SLF001 - argparse has no public way to reach an existing flag
        if "--web-host" in action.option_strings:
            action.default = "127.0.0.1"
        for option, reason in _REFUSED.items():
            if option in action.option_strings:
                _turn_down(action, option, reason)


FLAGS: tuple[tuple[str, Any, Any, str], ...] = (
    ("--providers", str, DEFAULT_PROVIDERS, "FILE: the endpoints to compare"),
    ("--workload", str, "chat", "NAME|FILE: what every provider is asked"),
    ("--arrivals", ("closed", *OPEN_KINDS, "trace"), None, "how requests arrive [poisson; closed when -u is given]"),
    ("--rate", positive, 5.0, "requests/s per provider, open loop"),
    ("--burstiness", positive, 1.0, "shape of gamma arrivals: below 1 comes in bursts, 1 is Poisson"),
    ("--trace", str, None, "FILE: with --arrivals trace, the traffic to replay"),
    ("--warm-up", seconds, 10.0, "time before the measured window, recorded but not scored"),
    ("--drain", seconds, 30.0, "time given to requests in flight at the end"),
    ("--slo", slo, None, "ttft=S,tpot=S,e2e=S: goodput's limits [the profile's]"),
    ("--seed", int, 1, "of arrivals, prompts and firing order"),
    ("--max-cost-usd", positive, None, "spend no more; required where a real provider has a price"),
    ("--region", str, "", "the name of the region this process runs in"),
    ("--cloud", str, "", "the name of the cloud this process runs in"),
    ("--results", str, "results", "DIR: where run folders go"),
)
_SWITCHES = (
    ("--insecure-web", "let the web UI listen beyond this machine without a login"),
    ("--plan", "print requests, tokens, USD, duration and requests in flight, and exit"),
    ("--cold-start", "report the first request to each provider on its own; it takes the preflight's place"),
    ("--probe", "ask every provider the same short questions before the load: do they serve one model?"),
    ("--no-preflight", "do not send one request per provider before the load"),
    ("--no-self-check", "do not measure a target of known truth beside the providers"),
    ("--stop-on-invalid", "end the run as soon as it cannot become valid any more"),
    ("--no-score", "do not score the run when it ends"),
)
_READ_EARLY = ("--providers", "--results", "--region", "--cloud")
IN_WEB_FORM = ("--rate", "--warm-up", "--drain", "--seed")


def add_flag(flags: Any, name: str, kind: Any, default: Any, text: str) -> None:
    variable = f"LOCUST_{name.strip('-').replace('-', '_').upper()}"
    shown = (
        text
        if default in (None, False, "")
        else f"{text} [{f'{default:g}' if kind in (positive, seconds) else default}]"
    )
    if kind is None:
        action = flags.add_argument(name, action="store_true", env_var=variable, help=shown)
    elif isinstance(kind, tuple):
        action = flags.add_argument(name, choices=kind, default=default, env_var=variable, help=shown)
    else:
        action = flags.add_argument(name, type=kind, default=default, env_var=variable, help=shown)
    action.include_in_web_ui = name in IN_WEB_FORM
    action.is_secret = action.is_required = action.is_multiple = False


def _turn_down(action: Any, option: str, reason: str) -> None:
    accept = action.type

    def refuse(text: str) -> Any:
        if text == action.default:  # argparse passes a default through the type, too
            return accept(text) if accept else text
        raise argparse.ArgumentTypeError(f"not here: {reason}")

    if action.nargs == 0:
        action.__class__ = type("Refused", (argparse.Action,), {"__call__": lambda *_: _refuse(f"{option}: {reason}")})
    else:
        action.type = refuse


def _refuse(message: str) -> NoReturn:
    if message.startswith("unrecognized"):
        message += "; flags are written in full, 'python -m locustfiles --help' lists ours"
    sys.stderr.write(f"Error: {message}\n")
    raise SystemExit(2)


def providers_file(name: str) -> Path:
    """The file named; the default is the checkout's, and where there is no checkout the one that was installed."""
    path = Path(name)
    return Path(providers.__file__).with_name("mock.yaml") if name == DEFAULT_PROVIDERS and not path.exists() else path


def early() -> Place:
    """What must be known at import, by the same sources and precedence as Locust's own ``-f``."""
    parser = locust.argument_parser.get_empty_argument_parser(add_help=False)
    parser.allow_abbrev = False
    for name, default in (
        ("--providers", DEFAULT_PROVIDERS),
        ("--results", "results"),
        ("--region", ""),
        ("--cloud", ""),
    ):
        parser.add_argument(name, default=default, env_var=f"LOCUST_{name.strip('-').upper()}")
    known, _ = parser.parse_known_args()
    return Place(providers_file(known.providers), Path(known.results), known.region, known.cloud)

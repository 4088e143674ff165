"""The command line of ``python -m providers``."""

from __future__ import annotations

import argparse
import contextlib
import math
from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"
ALIASES = {"aws": "bedrock", "azure": "azure-openai", "gcp": "vertex"}


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(
        prog="python -m providers",
        allow_abbrev=False,
        description="Check, start, describe and simulate providers files.",
    )
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text, allow_abbrev=False)

    check = command("check", "validate a providers file")
    check.add_argument("file", type=Path)
    how = check.add_mutually_exclusive_group()
    how.add_argument("--explain", action="store_true", help="print every entry with all its defaults, as YAML")
    how.add_argument("--dry-run", action="store_true", help="print the HTTP request each provider would be sent")
    how.add_argument("--live", action="store_true", help="send each provider one request; exit 3 if any fails")
    new = command("new", "print a commented file to start from")
    new.add_argument("kind", choices=sorted([*ALIASES, *(file.stem for file in TEMPLATES.glob("*.yaml"))]))
    schema = command("schema", "print the JSON Schema of a providers file or a workload")
    schema.add_argument("of", nargs="?", choices=("providers", "workload"), default="providers")
    simulate = command("simulate", "serve the mock providers of a file over HTTP")
    simulate.add_argument("file", type=Path)
    simulate.add_argument("--host", default="127.0.0.1", help="address to listen on [127.0.0.1]")
    simulate.add_argument("--port", type=int, default=0, help="port to listen on; 0 is a free one [0]")
    simulate.add_argument("--truth", type=Path, metavar="CSV", help="append the true times of every request to it")
    simulate.add_argument("--until-eof", action="store_true", help="stop at the end of stdin: when the parent is gone")
    simulate.add_argument("--max-tokens", type=_count, metavar="N", help="output tokens of a request at most")
    simulate.add_argument(
        "--max-rps", type=_rate, metavar="R", help="requests/s of a provider at most; the rest get 429"
    )
    return root


def _count(text: str) -> int:
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise argparse.ArgumentTypeError(f"got {text!r}; expected a whole number above 0")


def _rate(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError(f"got {text!r}; expected a number above 0")

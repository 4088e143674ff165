"""Commands on providers files: check one, start one, describe their schema, simulate their mocks."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from providers.arguments import ALIASES, TEMPLATES, parser
from providers.errors import NephoscopeError
from providers.roster import load_roster


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        return _COMMANDS[options.command](options)
    except NephoscopeError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2


def _check(options: argparse.Namespace) -> int:
    from providers import check, findings, trial  # noqa: PLC0415 - the simulator starts without them

    roster = load_roster(options.file)
    for warning in roster.warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    if options.live:
        trials = trial.try_roster(roster)
        print(findings.report(roster, trials))
        return 3 if any(each.failure for each in trials) else 0
    say = check.explanation if options.explain else check.requests if options.dry_run else check.summary
    print(say(roster).rstrip("\n"))
    return 0


def _new(options: argparse.Namespace) -> int:
    kind = ALIASES.get(options.kind, options.kind)
    print((TEMPLATES / f"{kind}.yaml").read_text(encoding="utf-8"), end="")
    return 0


def _schema(options: argparse.Namespace) -> int:
    from providers.schema import file_schema, workload_schema  # noqa: PLC0415 - as above

    print(json.dumps(workload_schema() if options.of == "workload" else file_schema(), indent=2))
    return 0


def _simulate(o: argparse.Namespace) -> int:
    from providers.simulator.server import Settings, serve  # noqa: PLC0415 - only this command serves

    serve(load_roster(o.file), Settings(o.host, o.port, o.truth, o.until_eof, o.max_tokens, o.max_rps))
    return 0


_COMMANDS = {"check": _check, "new": _new, "schema": _schema, "simulate": _simulate}

if __name__ == "__main__":
    sys.exit(main())

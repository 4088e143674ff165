"""Commands on providers files: check, new, schema and simulate."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from providers.errors import NephoscopeError
from providers.roster import load_roster


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m providers", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    simulate = commands.add_parser("simulate", allow_abbrev=False, help="serve the mock providers of a file")
    simulate.add_argument("file", type=Path)
    simulate.add_argument("--host", default="127.0.0.1")
    simulate.add_argument("--port", type=int, default=0)
    simulate.add_argument("--truth", type=Path)
    simulate.add_argument("--until-eof", action="store_true")
    simulate.add_argument("--max-tokens", type=int)
    simulate.add_argument("--max-rps", type=float)
    simulate.set_defaults(run=run_simulate)
    options = parser.parse_args()
    try:
        options.run(options)
    except NephoscopeError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0


def run_simulate(o) -> None:
    from providers.simulator.server import Settings, serve

    serve(load_roster(o.file).providers, Settings(o.host, o.port, o.truth, o.until_eof, o.max_tokens, o.max_rps))


if __name__ == "__main__":
    sys.exit(main())

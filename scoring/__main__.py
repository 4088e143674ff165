"""Score a run: its results.csv, its summary.json, and a scorecard on the terminal."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from providers.errors import NephoscopeError, RunError
from providers.run import Run, write_atomically
from scoring.analysis import analyse
from scoring.catalogue import print_catalogue
from scoring.errors import NothingMeasuredError
from scoring.frame import read_frame
from scoring.paper import has_kit, write_kit
from scoring.profile import DEFAULT_PROFILE, load_profile
from scoring.report import print_report
from scoring.results import to_csv
from scoring.summary import summarize, to_text

OK, BAD_INPUT, NOT_SOUND, NOTHING_MEASURED = 0, 2, 3, 4


def main(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["list"]:
        return list_runs(arguments[1:])
    parser = argparse.ArgumentParser(
        prog="python -m scoring", description=__doc__, allow_abbrev=False,
        epilog="python -m scoring list [RESULTS] lists all runs. Exit codes: 0 scored, 2 bad input, 3 incomplete or"
        " INVALID, 4 no request measured.",
    )  # fmt: skip
    parser.add_argument("run", metavar="RUN", type=Path, help="a run folder, as results/latest")
    parser.add_argument("--out", metavar="DIR", type=Path, help="where to write instead of the run folder")
    parser.add_argument("--weights", metavar="W", help="a preset's name, or latency=.5,cost=.3,success=.2")
    parser.add_argument("--profile", metavar="NAME|FILE", default=DEFAULT_PROFILE, help="[%(default)s]")
    parser.add_argument("--paper", action="store_true", help="also write tables, figures, methods and one ZIP")
    parser.add_argument("--accept-invalid", action="store_true", help="rank what is INVALID; the summary says so")
    options = parser.parse_args(arguments)
    try:
        return score(options)
    except NephoscopeError as error:
        print(f"Error: {error}", file=sys.stderr)
        return NOTHING_MEASURED if isinstance(error, NothingMeasuredError) else BAD_INPUT


def score(options: argparse.Namespace) -> int:
    profile = load_profile(options.profile)
    if options.weights:
        profile = profile.weighted(options.weights)
    analysis = analyse(read_frame(Run(options.run)), profile, accept_invalid=options.accept_invalid)
    summary = summarize(analysis)
    out = Run(options.out or options.run)
    try:
        out.path.mkdir(parents=True, exist_ok=True)
        write_atomically(out.results, to_csv(summary))
        write_atomically(out.summary, to_text(summary))
        if options.paper or has_kit(out.path):  # a kit made before must not contradict the summary
            write_kit(analysis, summary, Run(options.run), out.path)
    except OSError as error:
        raise RunError(f"{out.path}: cannot be written ({error.strerror}); give --out a folder you own") from None
    print_report(summary)
    sound = summary["run"]["complete"] and summary["verdict"]["level"] != "INVALID"
    return OK if sound else NOT_SOUND


def list_runs(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m scoring list", description="List all runs.", allow_abbrev=False)
    parser.add_argument("results", metavar="RESULTS", type=Path, nargs="?", default=Path("results"))
    try:
        print_catalogue(parser.parse_args(arguments).results)
    except NephoscopeError as error:
        print(f"Error: {error}", file=sys.stderr)
        return BAD_INPUT
    return OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

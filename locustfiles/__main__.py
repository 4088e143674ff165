"""``python -m locustfiles --help``: the harness flags. ``locust --help`` prints its own before it has met them."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest

ABOUT = """\
The flags that Nephoscope adds to Locust. Each is also the environment variable
under it, and a key of a Locust config file: see locustfiles/open.conf.
From --step on they are those of locustfiles/sweep.py alone.
"""
MORE = "\nLocust's own flags: locust --help"
_LEFT = 25


def main(arguments: Sequence[str] | None = None) -> int:
    asked = list(sys.argv[1:] if arguments is None else arguments)
    if asked not in ([], ["-h"], ["--help"]):
        print(f"Error: {' '.join(asked)}: this command only lists flags; run them with locust", file=sys.stderr)
        return 2
    width = min(shutil.get_terminal_size().columns, 100)
    print(ABOUT, *(line for flag in _flags() for line in _entry(flag, width)), MORE, sep="\n")
    return 0


def _flags() -> list[argparse.Action]:
    from locust.argument_parser import LocustArgumentParser  # noqa: PLC0415 - importing Locust patches the process

    from locustfiles.engine.options import add_flags  # noqa: PLC0415 - it imports Locust
    from locustfiles.engine.staircase import add_sweep_flags  # noqa: PLC0415 - it imports Locust

    parser = LocustArgumentParser(add_help=False)
    add_flags(parser)
    add_sweep_flags(parser)
    return list(parser._actions)  # noqa: SLF001 - argparse has no public way to list what was added


def _entry(flag: argparse.Action, width: int) -> Iterator[str]:
    """Flag over environment variable on the left, what it sets on the right."""
    left = [*flag.option_strings, f"  {flag.env_var}"]  # type: ignore[attr-defined] # configargparse adds it
    right = textwrap.wrap(flag.help or "", width - _LEFT)
    for name, text in zip_longest(left, right, fillvalue=""):
        yield f"{name:<{_LEFT}}{text}".rstrip()


if __name__ == "__main__":
    sys.exit(main())

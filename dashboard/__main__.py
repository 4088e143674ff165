"""Serve the dashboard: the scorecards of a results folder in a browser, read only, from this machine alone."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

from dashboard.app import create_app
from dashboard.serve import LOOPBACK, listen, serve
from providers.errors import NephoscopeError, RunError


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m dashboard", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "results", metavar="RESULTS", type=Path, nargs="?", default=Path("results"), help="or one run in it [results]"
    )
    parser.add_argument("--host", default="127.0.0.1", help="[%(default)s]")
    parser.add_argument("--port", type=int, default=8050, help="0 takes any free one [%(default)s]")
    options = parser.parse_args(arguments)
    try:
        return run(options.results, options.host, options.port)
    except NephoscopeError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2


def run(asked: Path, host: str, port: int) -> int:
    results, query = _results(asked)
    listener = listen(host, port)
    app = create_app(results)
    if host in LOOPBACK:
        app.server.config["TRUSTED_HOSTS"] = ["127.0.0.1", "localhost", "[::1]"]  # no foreign name may lead here
    else:
        print(f"Warning: --host {host}: whoever reaches it can read every run; there is no login", file=sys.stderr)
    shown = f"[{host}]" if ":" in host else host
    print(f"Nephoscope: http://{shown}:{listener.getsockname()[1]}/{query} (Ctrl-C ends it)", flush=True)
    serve(app.server, listener)
    return 0


def _results(asked: Path) -> tuple[Path, str]:
    """The results folder; with a run's folder, its parent and the query that names the run."""
    if not asked.is_dir():
        raise RunError(f"{asked}: no such folder; expected the results of a run, as 'locust --headless' writes them")
    if (asked / "manifest.json").is_file():
        run = asked.resolve()
        return run.parent, f"?{urlencode({'run': run.name})}"
    return asked, ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

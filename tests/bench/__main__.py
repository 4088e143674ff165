"""``python -m tests.bench``: our harness beside the floor and stock Locust; ``peers``: beside published generators."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Iterator

from providers.errors import NephoscopeError
from tests.bench import machine
from tests.bench.clients import STREAMING, WHOLE, Client, Load
from tests.bench.peers import LIMIT_S, PEERS
from tests.bench.report import report, tables
from tests.bench.rows import Row, Seat, measure, medians
from tests.bench.truth import HERE, tls_available

EXIT_CONFIG, EXIT_REFUSED = 2, 3
TRIES = 3
WHOLE_STREAMS = 50
TLS_STREAMS = (200, 500)  # of the loads, those measured over TLS, too


class RefusedError(Exception):
    """Figures that would mislead are not reported."""


def main() -> int:
    options = _options()
    cores = machine.cores()
    unfit = machine.why_unfit()
    if unfit and not options.force:
        raise RefusedError(unfit)
    facts = machine.facts() | ({"unfit, and forced": unfit} if unfit else {})
    os.sched_setaffinity(0, {cores[0]})  # what is metered must not pay for the metering
    seats = [Seat(cores), *([Seat(cores, fifo=True)] if options.rt else [])]
    rows = medians(list(_session(options, seats)))
    peers = options.what == "peers"
    command = shlex.join(["python", "-m", "tests.bench", *sys.argv[1:]])
    options.out.write_text(report(rows, facts=facts, command=command, repeats=options.repeats, peers=peers))
    print(tables(rows))
    print(f"\nWritten: {os.path.relpath(options.out)}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("own", "peers"), default="own")
    parser.add_argument("--streams", type=_counts, help="[50,200,500,1000; beside peers 50,200]")
    parser.add_argument("--seconds", type=int, default=5, help="of steady load a row [5]")
    parser.add_argument("--repeats", type=int, default=3, help="of everything, interleaved [3]")
    parser.add_argument("--rt", action="store_true", help="measure at real-time priority, too; needs root")
    parser.add_argument("--force", action="store_true", help="report although the machine or the server was not fit")
    parser.add_argument("--out", type=HERE.joinpath, help="[tests/bench/RESULTS.md; beside peers PEERS.md]")
    options = parser.parse_args()
    peers = options.what == "peers"
    options.streams = options.streams or ([50, 200] if peers else [50, 200, 500, 1000])
    options.out = options.out or HERE / ("PEERS.md" if peers else "RESULTS.md")
    return options


def _counts(text: str) -> list[int]:
    counts = [int(part) for part in text.split(",") if part.isdigit()]
    if not counts or min(counts) < 1 or len(counts) != len(text.split(",")):
        raise argparse.ArgumentTypeError(f"got {text!r}; expected numbers of streams, as 50,200")
    return counts


def _session(options: argparse.Namespace, seats: list[Seat]) -> Iterator[Row]:
    """Every row once, then every row again: what drifts on the machine drifts through all of them."""
    jobs = list(_peers_jobs(options) if options.what == "peers" else _own_jobs(options))
    for repeat in range(options.repeats):
        for client, load in jobs:
            for seat in seats if client not in PEERS else seats[:1]:
                turn = f"{repeat + 1}/{options.repeats}"
                print(f"{turn}  {load.label:>8} streams  {client.name}, {seat.priority} priority", file=sys.stderr)
                yield _kept_schedule(client, load, seat, force=options.force)


def _own_jobs(options: argparse.Namespace) -> Iterator[tuple[Client, Load]]:
    for streams in options.streams:
        for client in STREAMING:
            yield client, Load(streams, options.seconds)
    for client in WHOLE:
        yield client, Load(WHOLE_STREAMS, options.seconds, whole=True)
    tls_streams = [streams for streams in options.streams if streams in TLS_STREAMS]
    if tls_streams and not tls_available():
        print("TLS rows left out: OpenSSL's headers are missing (apt-get install libssl-dev)", file=sys.stderr)
        return
    for streams in tls_streams:
        yield STREAMING[0], Load(streams, options.seconds, tls=True)


def _peers_jobs(options: argparse.Namespace) -> Iterator[tuple[Client, Load]]:
    for streams in options.streams:
        for client in (STREAMING[0], *PEERS):
            yield client, Load(streams, options.seconds)


def _kept_schedule(client: Client, load: Load, seat: Seat, *, force: bool) -> Row:
    """The row, measured again if the server was late; RefusedError when it is never on time."""
    for _ in range(TRIES):
        row = measure(client, load, seat, LIMIT_S)
        if not row.late:
            return row
    if force:
        return row
    late_ms = row.figures["late_p99_ms"]
    raise RefusedError(f"{client.name}, {load.label} streams: the server was late by {late_ms:.1f} ms at p99")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NephoscopeError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(EXIT_CONFIG)
    except RefusedError as error:
        print(f"Refused: {error}; --force reports all the same", file=sys.stderr)
        sys.exit(EXIT_REFUSED)

"""The Truth is what the C server knows: when it wrote each answer, and how well it kept to its schedule."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import trustme

from providers.errors import ConfigError

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache" / "bench"
AUTHORITY = "authority.pem"  # in the server's folder, for SSL_CERT_FILE
TLS_FLAGS = ("-DTLS", "-lssl", "-lcrypto")
_STOP_S = 20.0  # a log of a million requests takes a second


@dataclass(slots=True)
class Truth:
    """``requests`` and ``statistics`` are there once the server has stopped. Times are CLOCK_MONOTONIC ns."""

    url: str
    requests: pd.DataFrame = field(default_factory=pd.DataFrame)
    statistics: dict[str, Any] = field(default_factory=dict)

    @property
    def late_p99_ms(self) -> float:
        return float(self.statistics["late_us"]["p99"]) / 1000

    def window(self, warm_up_s: float) -> tuple[int, int]:
        """The steady part of the load: from ``warm_up_s`` after the first arrival to the last one."""
        arrivals = self.requests.arrival_ns
        return int(arrivals.min() + warm_up_s * 1e9), int(arrivals.max())

    def events(self, begin_ns: int, end_ns: int) -> float:
        """Content events written in a window; those of one answer are evenly spaced."""
        log = self.requests[self.requests.last_ns > self.requests.first_ns]
        inside = (log.last_ns.clip(upper=end_ns) - log.first_ns.clip(lower=begin_ns)).clip(lower=0)
        return float((log.events * inside / (log.last_ns - log.first_ns)).sum())


def compiled(source: str, *flags: str) -> Path:
    """The program, built anew when a source is newer; ConfigError when it cannot be built."""
    CACHE.mkdir(parents=True, exist_ok=True)
    program = CACHE / (f"{source}_tls" if flags else source)
    newest = max(path.stat().st_mtime for path in HERE.glob("*.[ch]"))
    if program.exists() and program.stat().st_mtime > newest:
        return program
    command = ["cc", "-O2", "-o", str(program), str(HERE / f"{source}.c"), *flags]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise ConfigError("cc: not found; install a C compiler, as with apt-get install gcc libc6-dev") from None
    except subprocess.CalledProcessError as error:
        first = next((line for line in error.stderr.splitlines() if "error" in line), "no message")
        raise ConfigError(f"{source}.c: does not compile: {first}") from None
    return program


@contextmanager
def truth(folder: Path, prefix: Sequence[str] = (), *, tls: bool = False) -> Iterator[Truth]:
    """A server of its own, its files in ``folder``; ``prefix`` says on which core and at which priority it runs."""
    log = folder / "truth.csv"
    command = [*prefix, str(compiled("truth", *(TLS_FLAGS if tls else ()))), "-o", str(log)]
    if tls:
        command += ["-c", str(_certificate(folder))]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        port = int(server.stdout.readline())
        said = Truth(f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}")
        yield said
        server.send_signal(signal.SIGTERM)
        out, _ = server.communicate(timeout=_STOP_S)
    finally:
        server.kill()
        server.wait()
    said.statistics = json.loads(out)
    said.requests = pd.read_csv(log, dtype={"request_id": str})


def _certificate(folder: Path) -> Path:
    """A certificate for localhost, and beside it the authority that clients must trust."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / AUTHORITY))
    path = folder / "server.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(path))
    return path


def tls_available() -> bool:
    """Whether OpenSSL's headers are there to build the TLS variant."""
    try:
        compiled("truth", *TLS_FLAGS)
    except ConfigError:
        return False
    return True

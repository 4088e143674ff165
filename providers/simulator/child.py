"""A simulator as a child process that dies with its parent, even if that is killed."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from providers.errors import ConfigError
from providers.spec import Provider

_STOP_S = 5.0


@contextlib.contextmanager
def simulator(file: Path, truth: Path | None = None) -> Iterator[str]:
    """Yields the base URL under which provider P of the file answers at ``/P/v1``."""
    command = [sys.executable, "-m", "providers", "simulate", str(file), "--until-eof"]
    command += ["--truth", str(truth)] if truth else []
    child = subprocess.Popen(  # noqa: S603 - our own program
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a terminal's Ctrl-C must reach the drain, not the servers it waits for
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        line = child.stdout.readline()
        if not line:
            raise ConfigError(f"{file}: the simulator did not start; its own line above says why")
        yield str(json.loads(line)["base_url"])
    finally:
        child.stdin.close()
        try:
            child.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()


# Where each dialect's operations begin; what is not named here begins at the provider's own name.
ROOTS = {
    "openai-chat": "/v1", "openai-completions": "/v1", "openai-responses": "/v1", "anthropic-messages": "/v1",
    "vertex-gemini": "/v1/projects/simulator/locations/local/publishers/google", "cohere-v2": "/v2",
}  # fmt: skip


def at_simulator(provider: Provider, base_url: str) -> Provider:
    """The mock as an endpoint of the simulator that answers at ``base_url``, in the mock's dialect.

    Some dialects name the model in the path: a mock without one is called ``mock`` there.
    """
    root = ROOTS.get(provider.dialect_name, "")
    return provider.model_copy(
        update={"base_url": f"{base_url}/{provider.name}{root}", "model": provider.model or "mock"}
    )

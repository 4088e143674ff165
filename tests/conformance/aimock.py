"""CopilotKit's aimock on loopback: an npm package of no dependencies that plays nine vendors from fixtures."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from providers.simulator.child import ROOTS

VERSION = "1.43.0"
ANSWER = "seven words stand in this one answer"
INPUT_TOKENS, OUTPUT_TOKENS = 11, 7
RETRY_S = 3
_START_S, _INSTALL_S = 15.0, 90.0
_USAGE = {  # by every vendor's own names: aimock picks those it knows
    "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18, "input_tokens": 11, "output_tokens": 7,
    "promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18,
}  # fmt: skip
REFUSAL = {"message": "Rate limit reached", "type": "rate_limit_error", "code": "rate_limit_exceeded"}
SAID = {"content": ANSWER, "usage": _USAGE}
FIXTURES: list[dict[str, Any]] = [
    {"match": {"userMessage": "whole"}, "chunkSize": 4, "response": SAID},
    {"match": {"userMessage": "refused"}, "response": {"error": REFUSAL, "status": 429, "retryAfter": RETRY_S}},
    {
        "match": {"userMessage": "truncated"},
        "chunkSize": 4,
        "latency": 20,
        "truncateAfterChunks": 4,
        "response": SAID,
    },
    {"match": {"userMessage": "inside"}, "truncateAfterChunks": 3, "response": {**SAID, "error": REFUSAL}},
]


@contextlib.contextmanager
def aimock(home: Path, folder: Path, fixtures: list[dict[str, Any]] | None = None) -> Iterator[str]:
    """Yields its address; skips where node is missing, or the package cannot be fetched."""
    command = _installed(home)
    file = folder / "fixtures.json"
    file.write_text(json.dumps({"fixtures": fixtures or FIXTURES}))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = ["--port", str(port), "--fixtures", str(file), "--log-level", "silent", "--strict"]
    with subprocess.Popen([*command, *arguments]) as child:
        try:
            _await(port, child)
            yield f"http://127.0.0.1:{port}"
        finally:
            child.kill()


def root(address: str, dialect: str) -> str:
    """Its paths are the vendors' own, as the simulator's are below a provider's name."""
    return address + ROOTS.get(dialect, "")


def _installed(home: Path) -> list[str]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        pytest.skip("aimock needs node and npm")
    package = home / "node_modules" / "@copilotkit" / "aimock" / "package.json"
    if not package.is_file() or VERSION != json.loads(package.read_text())["version"]:
        home.mkdir(parents=True, exist_ok=True)
        wanted = ["--prefix", str(home), "--no-save", "--no-audit", "--no-fund", f"@copilotkit/aimock@{VERSION}"]
        command = [npm, "install", "--silent", "--cache", str(home / "npm"), *wanted]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_INSTALL_S)
        if done.returncode:
            pytest.skip(f"aimock {VERSION} cannot be installed: {done.stderr.strip()[:200]}")
    return [node, str(home / "node_modules" / ".bin" / "llmock")]


def _await(port: int, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        assert child.poll() is None, "aimock ended at once"
        assert time.monotonic() < deadline, "aimock does not listen"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)

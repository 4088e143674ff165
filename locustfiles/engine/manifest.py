"""The Manifest says what a run was: asked for, run by whom with which versions, and what became of every request.

Secrets stand in it as their variable names, paths as the person wrote them; no host name is in it.
"""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from locustfiles.engine.experiment import Experiment

_PACKAGES = ("nephoscope", "locust", "gevent", "httptools", "orjson", "pydantic")
_PROMPTS_HASHED_IN_CLOSED_LOOP = 1000


def opening(experiment: Experiment, run_id: str) -> dict[str, Any]:
    """All that is known before the first request."""
    roster = experiment.roster
    prompts = experiment.planned_requests or _PROMPTS_HASHED_IN_CLOSED_LOOP
    return {
        "run_id": run_id,
        "created_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "complete": False,
        "ended": "running",
        "command": roster.scrubber().scrub(shlex.join(["locust", *sys.argv[1:]])),
        "config": experiment.config(),
        "providers": [roster.declared[provider.name] for provider in roster.providers],
        "hashes": {
            "config": experiment.sha256,
            "providers": roster.sha256,
            "workload": experiment.workload.sha256,
            "prompts": experiment.workload.sequence_sha256(experiment.seed, prompts),
        },
        "versions": versions(),
        "git_commit": _git_commit(),
        "host": {
            "cpu_model": _cpu_model(),
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.release()}",
        },
        "warnings": list(roster.warnings),
    }


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # run from a checkout that was never installed
            found[name] = "not installed"
    return found


def _git_commit() -> str | None:
    """Of the checkout this program stands in, with a mark when it was changed since."""
    folder = Path(__file__).parents[2]
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True, text=True, check=True, timeout=5,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())

"""The Machine is what figures depend on: two cores that keep server and client apart, and nobody else on them."""

from __future__ import annotations

import os
import platform
import time
from datetime import UTC, datetime
from pathlib import Path

from providers.errors import ConfigError

MOST_LOAD = 0.5  # of a core, on average over the last minute
MOST_LOST = 0.10  # of the wall time that a spinning process should have had
_SPIN_S = 0.5


def cores() -> tuple[int, int]:
    """(the server's core, the client's core)."""
    mine = sorted(os.sched_getaffinity(0))
    if len(mine) < 2:
        raise ConfigError(f"cores: {len(mine)} usable; the server and the client need one each")
    return mine[0], mine[1]


def why_unfit() -> str | None:
    """What would spoil the figures, in words."""
    mine = os.sched_getaffinity(0)
    load = os.getloadavg()[0] / len(mine)
    if load > MOST_LOAD:
        return f"the machine is busy: load average {load:.2f} a core, at most {MOST_LOAD}"
    try:
        lost = {core: 1 - _share(core) for core in mine}
    finally:
        os.sched_setaffinity(0, mine)
    core = max(lost, key=lost.__getitem__)
    if lost[core] > MOST_LOST:
        return f"core {core} is not ours: a spinning process lost {lost[core]:.0%} of its time, at most {MOST_LOST:.0%}"
    return None


def _share(core: int) -> float:
    """CPU time over wall time of a process that spins on one core."""
    os.sched_setaffinity(0, {core})
    wall, cpu = time.monotonic(), time.process_time()
    while time.monotonic() - wall < _SPIN_S:
        pass
    return (time.process_time() - cpu) / (time.monotonic() - wall)


def facts() -> dict[str, str]:
    """What a reader must know to compare."""
    model = (line.partition(":")[2].strip() for line in _read("/proc/cpuinfo") if line.startswith("model name"))
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "CPU": f"{next(model, platform.processor())}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "load average at start": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def _read(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []

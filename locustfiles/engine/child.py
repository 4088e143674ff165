"""A Child is another program of ours in a process of its own: so worlds meet that must not share one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import providers


def start_module(module: str, *arguments: str, **popen: Any) -> subprocess.Popen[bytes]:
    """``python -m module arguments``, importable as it is from here, also from a checkout that was never installed."""
    root = str(Path(providers.__file__).parents[1])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return subprocess.Popen([sys.executable, "-m", module, *arguments], env={**os.environ, "PYTHONPATH": path}, **popen)

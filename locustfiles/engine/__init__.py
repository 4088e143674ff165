"""The Locust-side machinery: everything between a declared provider and a row on disk."""

import signal
from typing import Any


def _leave_quietly(*_: Any) -> None:
    raise SystemExit(3)


# Until the harness is there to drain, Ctrl-C has nothing to lose: no traceback out of the middle of an import.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _leave_quietly)

"""Secrecy stands before everything this process prints of itself: logs, tracebacks, Locust's table of exceptions.

What providers say is scrubbed where it is decoded; here is the net for what nobody foresaw.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import gevent

from providers.secret import Scrubber


def keep(scrubber: Scrubber, runner: Any) -> None:
    """From now on no record, no dead greenlet and no user's exception shows what the scrubber knows."""
    logging.setLogRecordFactory(_records(scrubber, logging.getLogRecordFactory()))
    gevent.get_hub().exception_stream = _Stream(scrubber)
    log_exception = runner.log_exception

    def harmless(node_id: str, message: str, trace: str) -> None:
        log_exception(node_id, scrubber.scrub(message), scrubber.scrub(trace))

    runner.log_exception = harmless


def _records(scrubber: Scrubber, make: Any) -> Any:
    """Every logger and handler is behind the factory, also those that come later."""

    def harmless(*arguments: Any, **named: Any) -> logging.LogRecord:
        record: logging.LogRecord = make(*arguments, **named)
        record.msg, record.args = scrubber.scrub(_message(record)), ()
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = scrubber.scrub(logging.Formatter().formatException(record.exc_info))
        return record

    return harmless


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # arguments that do not fit: a caller's mistake must not become ours
        return f"{record.msg} {record.args}"


class _Stream:
    """Where gevent prints the traceback of a greenlet that died."""

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber

    def write(self, text: str) -> int:
        return sys.stderr.write(self._scrubber.scrub(text))

    def flush(self) -> None:
        sys.stderr.flush()

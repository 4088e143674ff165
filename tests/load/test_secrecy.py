"""What this process prints of itself shows no secret, whoever logs it and whatever dies with it in hand."""

from __future__ import annotations

import logging

import gevent
import pytest
from locust.env import Environment

from locustfiles.engine import secrecy
from providers.secret import Scrubber, Secret

CANARY = "CANARY-52a0-key"


@pytest.fixture
def runner():
    """Of an environment whose process keeps its secrets; everything is put back."""
    factory, hub = logging.getLogRecordFactory(), gevent.get_hub()
    stream = hub.exception_stream
    runner = Environment(user_classes=[]).create_local_runner()
    secrecy.keep(Scrubber([Secret(CANARY)]), runner)
    yield runner
    logging.setLogRecordFactory(factory)
    hub.exception_stream = stream
    runner.quit()


@pytest.mark.usefixtures("runner")
def test_a_log_record_holds_no_secret(caplog):
    """In its message, its arguments and its traceback; arguments that do not fit are shown, too."""
    log = logging.getLogger("somebody.else")
    log.warning("plain %s", CANARY)
    log.warning("too %s few %s", *[CANARY])
    try:
        int(f"Bearer {CANARY}")
    except ValueError:
        log.exception("trouble")
    assert CANARY not in caplog.text
    assert "plain ***" in caplog.text
    assert "'Bearer ***'" in caplog.text


@pytest.mark.usefixtures("runner")
def test_a_greenlet_that_dies_shows_no_secret(capsys):
    """The hub prints its traceback and its arguments past all logging."""

    def die(_wire: str) -> None:
        raise RuntimeError(f"lost {CANARY}")

    gevent.spawn(die, f"authorization: {CANARY}").join()
    printed = capsys.readouterr().err
    assert "RuntimeError: lost ***" in printed
    assert CANARY not in printed


def test_locusts_table_of_exceptions_holds_no_secret(runner):
    """The web UI and locust_exceptions.csv show it."""
    runner.log_exception("local", f"bad {CANARY}", f"Traceback: {CANARY}")
    (row,) = runner.exceptions.values()
    assert ("bad ***", "Traceback: ***") == (row["msg"], row["traceback"])

"""The Keyring holds the credentials of a run: obtained before its first request, renewed beside the load by a greenlet.

A request only ever reads the current header. What renewal brings is told to the scrubber before any request carries it.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterable, Iterator
from typing import Self

import gevent

from providers.auth import Credential, credential_for, obtain, pause_s, reason_of, require_sdk
from providers.errors import ConfigError
from providers.roster import Roster
from providers.spec import Provider

_log = logging.getLogger("nephoscope")


def check_sdks(roster: Roster, taking_part: Iterable[Provider]) -> None:
    """ConfigError for a kind of authentication whose package is missing; nothing is asked of anyone."""
    for provider in taking_part:
        with _in_file(roster):
            require_sdk(provider)


class Keyring:
    """``with keyring:`` renews what expires; ConfigError from the constructor says what could not be obtained."""

    def __init__(self, roster: Roster, taking_part: Iterable[Provider]) -> None:
        self._scrubber = roster.scrubber()
        self._held: dict[str, Credential] = {}
        self._renewals: list[gevent.Greenlet] = []
        for provider in taking_part:
            with _in_file(roster):
                credential = credential_for(provider)
                obtain(provider, credential)
            self._scrubber.learn(credential.secrets)
            self._held[provider.name] = credential

    def of(self, name: str) -> Credential:
        return self._held[name]

    def __enter__(self) -> Self:
        expiring = {name: held for name, held in self._held.items() if held.expires_at is not None}
        self._renewals = [gevent.spawn(self._renew, *item) for item in expiring.items()]
        return self

    def __exit__(self, *_: object) -> None:
        gevent.killall(self._renewals)

    def _renew(self, name: str, credential: Credential) -> None:
        while credential.expires_at is not None:
            gevent.sleep(pause_s(credential.expires_at - time.time()))
            try:
                credential.refresh()
            except Exception as error:  # noqa: BLE001 - the old one may still hold; if not, answers will say so
                _log.warning("%s: its credential could not be renewed: %s", name, reason_of(error))
            self._scrubber.learn(credential.secrets)


@contextlib.contextmanager
def _in_file(roster: Roster) -> Iterator[None]:
    """Puts the name of the file before a ConfigError."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{roster.path}: {error}") from None

"""``python -m router``: serve, or make a key."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from types import FrameType

import uvicorn

from providers.errors import NephoscopeError
from router.app import create_app
from router.keys import new_key
from router.relay import Relay
from router.settings import settings

DRAIN_S = 25.0
_LAST_WORD_S = 2
_KEEP_ALIVE_S = 650  # longer than any cloud balancer's, so that it never sends into a closing connection
_CONNECTIONS = 10_000
_REMIND_S = 60.0


class Server(uvicorn.Server):
    """At the first SIGTERM it still listens, to say that it takes no more, until what is in flight has ended."""

    def __init__(self, config: uvicorn.Config, relay: Relay, *, insecure: bool) -> None:
        super().__init__(config)
        self._relay, self._insecure = relay, insecure
        self._tasks: list[asyncio.Task[None]] = []

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._relay.stopping or not self.started:
            super().handle_exit(sig, frame)
        self._relay.stopping = True

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override] # uvicorn's is wider
        await super().startup(sockets)  # type: ignore[arg-type] # as above
        self._tasks = [asyncio.create_task(self._drain()), asyncio.create_task(self._remind())]

    async def _drain(self) -> None:
        while not self._relay.stopping:  # noqa: ASYNC110 - a signal handler must not touch the loop
            await asyncio.sleep(0.05)
        for _ in range(int(DRAIN_S / 0.05)):
            if not self._relay.in_flight:
                break
            await asyncio.sleep(0.05)
        self.should_exit = True

    async def _remind(self) -> None:
        while self._insecure:
            sys.stderr.write("Warning: --insecure: everyone who reaches this address can spend your money\n")
            await asyncio.sleep(_REMIND_S)


def main(arguments: Sequence[str]) -> int:
    if list(arguments) == ["keys", "new"]:
        key, digest = new_key()
        sys.stdout.write(f"key     {key}\ndigest  {digest}\n")
        sys.stderr.write("Give the key to the caller; put the digest into ROUTER_API_KEYS, comma-separated.\n")
        return 0
    try:
        found = settings(arguments, os.environ)
        app = create_app(found)
    except NephoscopeError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 2
    logging.basicConfig(format="%(message)s", stream=sys.stdout)
    logging.getLogger("nephoscope.router").setLevel(logging.INFO)
    Server(uvicorn.Config(
        app, host=found.host, port=found.port, loop="uvloop", http="httptools", ws="none", lifespan="on",
        log_config=None, access_log=False, server_header=False, limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_LAST_WORD_S, timeout_keep_alive=_KEEP_ALIVE_S,
    ), app.state.relay, insecure=found.insecure).run()  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The Server is uvicorn that drains: it says 503 while what is in flight ends, and only then stops listening."""

from __future__ import annotations

import asyncio
import sys
from types import FrameType

import uvicorn

from router.relay import Relay

DRAIN_S = 25.0
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

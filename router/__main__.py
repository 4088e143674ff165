"""``python -m router``: serve, or make a key."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from types import FrameType

import uvicorn

from providers.errors import NephoscopeError
from router.app import create_app
from router.keys import new_key
from router.settings import parser, settings

_DRAIN_S = 25
_KEEP_ALIVE_S = 650  # longer than any cloud balancer's, so that it never sends into a closing connection


class Server(uvicorn.Server):
    """Says at the first SIGTERM that it takes no more, while what is in flight goes on."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.config.loaded_app.app.state.chat.relay.stopping = True
        super().handle_exit(sig, frame)


def main(arguments: Sequence[str]) -> int:
    if list(arguments) == ["keys", "new"]:
        key, digest = new_key()
        sys.stdout.write(f"key     {key}\ndigest  {digest}\n")
        sys.stderr.write("Give the key to the caller; put the digest into ROUTER_API_KEYS, comma-separated.\n")
        return 0
    try:
        found = settings(parser().parse_args(arguments), os.environ)
        app = create_app(found)
    except NephoscopeError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 2
    if found.insecure:
        sys.stderr.write("Warning: --insecure: everyone who reaches this address can spend your money\n")
    Server(uvicorn.Config(
        app, host=found.host, port=found.port, loop="uvloop", http="httptools", log_level="warning", access_log=False,
        timeout_graceful_shutdown=_DRAIN_S, timeout_keep_alive=_KEEP_ALIVE_S, server_header=False,
    )).run()  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""``python -m router``: serve, or make a key."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

import uvicorn

from providers.errors import NephoscopeError
from router.app import create_app
from router.keys import new_key
from router.server import Server
from router.settings import settings

_LAST_WORD_S = 2
_KEEP_ALIVE_S = 650  # longer than any cloud balancer's, so that it never sends into a closing connection
_CONNECTIONS = 10_000


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

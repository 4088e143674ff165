"""An Upstream is a provider as the router asks it: its address, its credential, and what the choice knows of it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import aiohttp

from providers.auth import Credential, pause_s
from providers.dialects.base import HttpRequest, Prompt
from providers.secret import Scrubber
from providers.spec import Provider
from router.call import Call
from router.reading import CHAT
from router.target import Target


@dataclass(slots=True)
class Upstream:
    provider: Provider
    target: Target
    credential: Credential
    scrubber: Scrubber
    url: str = ""

    def __post_init__(self) -> None:
        self.url = CHAT.build(Prompt("", ()), self.provider).url

    def fits(self, call: Call) -> bool:
        """By its model's name, its capability or ``auto``, and if its context is long enough."""
        known = call.model in ("auto", self.provider.model, self.provider.capability)
        most_tokens = self.provider.limits.context_tokens
        return known and (most_tokens is None or call.ask.input_tokens + (call.asked_tokens or 0) <= most_tokens)

    async def post(self, session: aiohttp.ClientSession, call: Call) -> aiohttp.ClientResponse:
        """The answer's head. The credential signs what is sent; a redirect is never followed."""
        headers = {"content-type": "application/json", "accept-encoding": "identity", **call.headers}
        headers |= {name.lower(): value for name, value in self.provider.request.extra_headers.items()}
        request = HttpRequest("POST", self.url, headers, call.bytes_for(self.provider))
        headers = headers | self.credential.headers(request)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.provider.limits.connect_timeout_s)
        return await session.post(self.url, data=request.body, headers=headers, allow_redirects=False, timeout=timeout)

    def passed_back(self, response: aiohttp.ClientResponse) -> list[tuple[bytes, bytes]]:
        """The headers a caller may see, without what a provider says back of our key."""
        passed = []
        for name, value in response.raw_headers:
            if name.lower() in (b"content-type", b"retry-after", b"x-request-id") or name.lower().startswith(
                b"x-ratelimit-"
            ):
                passed.append((name.lower(), self.scrubbed(value)))
        return passed

    def scrubbed(self, data: bytes) -> bytes:
        return self.scrubber.scrub(data.decode("utf-8", "replace")).encode()

    async def renew(self) -> None:
        """For ever: before its credential expires another one is fetched, in a thread, since SDKs block."""
        while (expires_at := self.credential.expires_at) is not None:
            await asyncio.sleep(pause_s(expires_at - time.time()))
            try:
                await asyncio.to_thread(self.credential.refresh)
            except Exception:  # noqa: BLE001, S112 - each SDK has its own; the old one may hold, else answers say so
                continue
            self.scrubber.learn(self.credential.secrets)

"""A server whose every provider is bad in a way of its own, and that says back whatever key it is given.

It also hands out tokens as the clouds do: an AWS role's keys, a managed identity's token, a Google token endpoint.
"""

from __future__ import annotations

import gzip
import http.server
import json
import threading
import time
from email.utils import formatdate

SKEW_S = 900
FORMULA = "=HYPERLINK(1)"


def _event(**chunk: object) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def stream(model: str, text: str) -> bytes:
    """A whole OpenAI chat stream."""
    return b"".join([
        _event(model=model, choices=[{"delta": {"role": "assistant", "content": ""}}]),
        *(_event(model=model, choices=[{"delta": {"content": word}}]) for word in (text, " two")),
        _event(model=model, choices=[{"delta": {}, "finish_reason": "stop"}]),
        _event(model=model, choices=[], usage={"prompt_tokens": 9, "completion_tokens": 2, "cost": 0.125}),
        b"data: [DONE]\n\n",
    ])  # fmt: skip


class Hostile:
    """``url/NAME/v1`` is the provider NAME; ``seen`` are the paths that were asked for."""

    def __init__(self, token: str) -> None:
        self.token, self.seen = token, []
        hostile = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                hostile.seen.append(self.path)
                status, headers, answer = hostile.answer(
                    self.path, {name.lower(): value for name, value in self.headers.items()}, body
                )
                self.send_response_only(status)
                for name, value in {"content-length": str(len(answer)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = _any  # noqa: N815 - http.server's names

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path, headers, body):
        if path.startswith("/tokens/"):
            return _json(200, self._token(path))
        name = path.split("/")[1]
        return getattr(self, f"_{name.replace('-', '_')}")("\n".join(headers.values()) + body.decode(), headers)

    def _token(self, path):
        until = time.time() + 5000
        if "role" in path:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until))
            return {"AccessKeyId": "ASIAEXAMPLEEXAMPLE", "SecretAccessKey": f"{self.token}/aws+secret=",
                    "Token": f"{self.token}/aws+session=", "Expiration": stamp}  # fmt: skip
        kind = "entra" if "entra" in path else "google"
        return {"access_token": f"{self.token}/{kind}+token=", "expires_on": int(until), "expires_in": 5000,
                "resource": "r", "token_type": "Bearer"}  # fmt: skip

    # ---- one provider each

    def _fine(self, _said, _headers):
        return 200, _SSE, stream("m", "one")

    def _expired(self, said, _headers):
        return _error(401, "token_expired", f"The access token expired: {said}")

    def _echo_headers(self, said, headers):
        status, _, answer = _error(401, "invalid_api_key", f"Incorrect API key provided: {said}")
        key = headers["authorization"]
        return status, {"x-request-id": key, "x-ms-region": key, "server": key, **_JSON}, answer

    def _echo_stream(self, said, headers):
        key = headers["api-key"]
        return 200, {**_SSE, "x-request-id": key, "x-ms-region": f"+{key}"}, stream(f"m-{key}", said)

    def _formula(self, _said, _headers):
        return 200, {**_SSE, "x-request-id": "@SUM(1)", "x-ms-region": "-1+2"}, stream(FORMULA, "one")

    def _region(self, _said, _headers):
        words = "Credential should be scoped to a valid region."
        return (
            403,
            {"x-amzn-errortype": "InvalidSignatureException:http", **_JSON},
            json.dumps({"message": words}).encode(),
        )

    def _model(self, _said, _headers):
        return _error(404, "model_not_found", "The model `nope` does not exist")

    def _skew(self, _said, _headers):
        date = formatdate(time.time() - SKEW_S, usegmt=True)
        words = {"message": "Signature not yet current: 20261124T001500Z is still later than 20261124T000500Z"}
        headers = {"date": date, "x-amzn-errortype": "InvalidSignatureException", **_JSON}
        return 403, headers, json.dumps(words).encode()

    def _html(self, said, _headers):
        page = f"<!DOCTYPE html><html><head><title>502 Bad\n Gateway</title></head><body>{said}</body></html>"
        return 502, {"content-type": "text/html"}, page.encode()

    def _html_ok(self, said, _headers):
        return 200, {"content-type": "text/html"}, f"<html><title>Sign in</title>{said}</html>".encode()

    def _gzip(self, _said, _headers):
        return 200, {**_SSE, "content-encoding": "gzip"}, gzip.compress(stream("m", "one"))

    def _brotli(self, _said, _headers):
        return 200, {**_SSE, "content-encoding": "br"}, b"\x0b\x02\x80"

    def _moved(self, _said, headers):
        return 302, {"location": f"{self.url}/thief/v1?{headers['authorization']}"}, b""

    def _thief(self, _said, _headers):
        return self._fine(_said, _headers)

    def _entra(self, said, _headers):
        return _error(401, "401", f"Access denied for {said}")

    def _google(self, said, _headers):
        return _json(403, [{"error": {"code": 403, "message": f"Denied: {said}", "status": "PERMISSION_DENIED"}}])


_JSON = {"content-type": "application/json"}
_SSE = {"content-type": "text/event-stream"}


def _json(status, answer):
    return status, _JSON, json.dumps(answer).encode()


def _error(status, code, message):
    return _json(status, {"error": {"message": message, "code": code, "type": code}})

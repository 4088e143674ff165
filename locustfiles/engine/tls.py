"""TLS over a memory BIO: bytes in, bytes out, no socket, so that encrypted reads keep their kernel times.

A record gets the time of the read that completed it, never the time at which it began.
"""

from __future__ import annotations

import ssl

from providers.dialects.base import Failure

_READ_BYTES = 16384  # a TLS record holds no more


def client_context() -> ssl.SSLContext:
    """The system's trust store (and SSL_CERT_FILE), host names checked, HTTP/1.1 only."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


class TlsLayer:
    """One side of one connection. ``outgoing`` must be sent after every call."""

    def __init__(self, context: ssl.SSLContext, host: str, session: ssl.SSLSession | None) -> None:
        self._inbound, self._outbound = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._inbound, self._outbound, server_hostname=host, session=session)
        self.established = False
        self.failure: Failure | None = None

    @property
    def over(self) -> bool:
        """The handshake has ended, well or badly."""
        return self.established or self.failure is not None

    @property
    def resumed(self) -> bool:
        return bool(self._tls.session_reused)

    @property
    def session(self) -> ssl.SSLSession | None:
        """For the next connection; complete only once the server's tickets were read."""
        return self._tls.session

    def handshake(self, data: bytes = b"") -> None:
        """One step with what the peer sent: a millisecond of arithmetic when it holds the peer's certificate."""
        self._inbound.write(data)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLCertVerificationError as error:
            self.failure = Failure("connection", f"certificate refused: {error.verify_message}")
        except ssl.SSLError as error:
            self.failure = Failure("connection", f"TLS handshake failed: {error.reason}")
        else:
            self.established = True

    def encrypt(self, data: bytes) -> bytes:
        self._tls.write(data)
        return self.outgoing()

    def decrypt(self, data: bytes) -> bytes:
        """What the records completed by ``data`` said; b"" when none was, or when the peer said goodbye."""
        self._inbound.write(data)
        plain = b""
        try:
            # Asking only while there is something spares an exception per event: most reads are whole records.
            while self._inbound.pending or self._tls.pending():
                said = self._tls.read(_READ_BYTES)
                if not said:  # close_notify: whatever follows it is not ours to read
                    break
                plain += said
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.failure = Failure("connection", f"TLS broke: {error.reason}")
        return plain

    def outgoing(self) -> bytes:
        """Handshake messages, key updates and alerts that wait to be sent."""
        return self._outbound.read()

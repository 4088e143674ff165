"""A Credential says who sends a request: fixed headers, a signature over the exact bytes, or a token that expires.

It is made once per provider, obtained before the first request and refreshed by whoever holds it, never while a request
is sent. It knows no event loop: ``refresh`` blocks, ``headers`` only reads what the last refresh left.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

from providers.dialects.base import HttpRequest
from providers.errors import ConfigError
from providers.secret import Scrubber, Secret
from providers.spec import Auth, Provider

GCP_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
AZURE_SCOPE = "https://cognitiveservices.azure.com/.default"
_SDKS = {  # kind: its package, and the extra of ours that brings it
    "aws-sigv4": ("botocore", "aws"),
    "gcp-oauth": ("google.auth", "gcp"),
    "azure-entra": ("azure.identity", "azure"),
}
_REMEDIES = {
    "aws-sigv4": "run 'aws configure' or 'aws sso login', export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,"
    " or name auth.profile",
    "gcp-oauth": "run 'gcloud auth application-default login', export GOOGLE_APPLICATION_CREDENTIALS,"
    " or name auth.credentials_file",
    "azure-entra": "run 'az login', or export AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET",
}
_REASON_LIMIT = 120
EARLY_S = 300.0  # before it expires
_SOONEST_S = 1.0
_EXPIRED_PAUSE_S = 10.0


class Credential(Protocol):
    """``expires_at`` is in unix seconds; None never expires."""

    expires_at: float | None

    def headers(self, request: HttpRequest) -> dict[str, str]:
        """The headers that prove who sends it, revealed: for the wire only. It neither blocks nor fails."""
        ...

    def refresh(self) -> None:
        """Obtain what ``headers`` needs, anew; it may block for seconds, and raises whatever its SDK raises."""
        ...

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What a scrubber must know after a refresh, beside what stood in the file."""
        ...


def credential_for(provider: Provider) -> Credential:
    """The credential of a provider, not yet obtained; ConfigError when its SDK is not installed."""
    require_sdk(provider)
    return _KINDS.get(provider.auth.kind, Fixed)(provider.auth)


def require_sdk(provider: Provider) -> None:
    """ConfigError that names the extra to install, where the kind of authentication needs one that is missing."""
    module, extra = _SDKS.get(provider.auth.kind, ("", ""))
    if module and not _installed(module):
        raise ConfigError(
            f"provider '{provider.name}': key 'auth.kind': {provider.auth.kind} needs the package {module};"
            f" run: pip install -e '.[{extra}]'"
        )


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package is missing, too
        return False


def obtain(provider: Provider, credential: Credential) -> None:
    """The first refresh; ConfigError says in one line what stood in the way and what to do."""
    try:
        credential.refresh()
    except Exception as error:  # noqa: BLE001 - each SDK has exceptions of its own, and none of them may be imported
        kind = provider.auth.kind
        raise ConfigError(
            f"provider '{provider.name}': key 'auth': {kind} gave no credential ({reason_of(error)}); {_REMEDIES[kind]}"
        ) from None


def reason_of(error: Exception) -> str:
    """What an SDK said, on one line and without anything that looks like a key."""
    words = " ".join(f"{type(error).__name__}: {error}".split())
    return Scrubber().scrub(words)[:_REASON_LIMIT]


def pause_s(left_s: float) -> float:
    """Until the next renewal: well before the end, and again and again where the last one brought nothing new."""
    if left_s <= 0:
        return _EXPIRED_PAUSE_S
    return max(_SOONEST_S, left_s - EARLY_S if left_s > 2 * EARLY_S else left_s / 2)


class Fixed:
    """A header that never changes: the kinds none, header, bearer and api-key."""

    expires_at: float | None = None
    secrets: tuple[Secret, ...] = ()

    def __init__(self, auth: Auth) -> None:
        self._headers = auth.headers()

    def headers(self, _request: HttpRequest) -> dict[str, str]:
        return self._headers

    def refresh(self) -> None:
        """There is nothing to obtain."""


class SigV4:
    """AWS Signature Version 4 over method, URL, host and body: botocore signs, its default chain finds the keys."""

    def __init__(self, auth: Auth) -> None:
        from botocore.session import Session  # noqa: PLC0415 - an extra, only for those who need it

        # At DEBUG botocore prints what it signs, the session token included.
        for name in ("botocore.auth", "botocore.endpoint"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._session = Session(profile=auth.profile)
        self._scope = (auth.service, auth.region)
        self._signer: Any = None
        self.expires_at: float | None = None
        self.secrets: tuple[Secret, ...] = ()

    def refresh(self) -> None:
        from botocore.auth import SigV4Auth  # noqa: PLC0415 - as above
        from botocore.exceptions import NoCredentialsError  # noqa: PLC0415 - as above

        found = self._session.get_credentials()
        if found is None:
            raise NoCredentialsError
        frozen = found.get_frozen_credentials()  # renews what is about to expire
        expiry = getattr(found, "_expiry_time", None)
        self.expires_at = expiry.timestamp() if expiry else None
        self.secrets = tuple(Secret(text) for text in (frozen.secret_key, frozen.token) if text)
        self._signer = SigV4Auth(frozen, *self._scope)

    def headers(self, request: HttpRequest) -> dict[str, str]:
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415 - as above

        # The host as it is sent: botocore would drop a port that the URL spells out.
        signed = {"host": urlsplit(request.url).netloc, "content-type": request.headers.get("content-type", "")}
        query = AWSRequest(request.method, request.url, headers=signed, data=request.body)
        self._signer.add_auth(query)
        return {name: value for name, value in query.headers.items() if name.lower() not in signed}


class GcpOAuth:
    """A Google access token: application default credentials, or a service account's file."""

    def __init__(self, auth: Auth) -> None:
        self._scopes = [auth.scope or GCP_SCOPE]
        self._file = auth.credentials_file
        self._credentials: Any = None
        self._headers: dict[str, str] = {}
        self.expires_at: float | None = None
        self.secrets: tuple[Secret, ...] = ()

    def refresh(self) -> None:
        import google.auth  # noqa: PLC0415 - an extra, only for those who need it
        import google.auth.transport.requests  # noqa: PLC0415 - as above
        import google.oauth2.service_account  # noqa: PLC0415 - as above

        if self._credentials is None:
            self._credentials = (
                google.oauth2.service_account.Credentials.from_service_account_file(self._file, scopes=self._scopes)
                if self._file
                else google.auth.default(scopes=self._scopes)[0]
            )
        self._credentials.refresh(google.auth.transport.requests.Request())
        headers: dict[str, str] = {}
        self._credentials.apply(headers)
        self._headers = headers
        expiry: datetime | None = self._credentials.expiry  # UTC, though it does not say so
        self.expires_at = expiry.replace(tzinfo=UTC).timestamp() if expiry else None
        self.secrets = (Secret(self._credentials.token),)

    def headers(self, _request: HttpRequest) -> dict[str, str]:
        return self._headers


class AzureEntra:
    """A Microsoft Entra token by DefaultAzureCredential; ``AZURE_TOKEN_CREDENTIALS`` narrows where that looks."""

    def __init__(self, auth: Auth) -> None:
        # Its failures are ours to tell, in one line.
        logging.getLogger("azure").setLevel(logging.CRITICAL)
        self._scope = auth.scope or AZURE_SCOPE
        self._credential: Any = None
        self._headers: dict[str, str] = {}
        self.expires_at: float | None = None
        self.secrets: tuple[Secret, ...] = ()

    def refresh(self) -> None:
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - an extra, only for those who need it

        if self._credential is None:
            self._credential = DefaultAzureCredential()
        token = self._credential.get_token(self._scope)
        self._headers = {"authorization": f"Bearer {token.token}"}
        self.expires_at = float(token.expires_on)
        self.secrets = (Secret(token.token),)

    def headers(self, _request: HttpRequest) -> dict[str, str]:
        return self._headers


_KINDS: dict[str, Callable[[Auth], Credential]] = {
    "aws-sigv4": SigV4, "gcp-oauth": GcpOAuth, "azure-entra": AzureEntra,
}  # fmt: skip

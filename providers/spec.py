"""A Provider is what we talk to: one endpoint, declared in YAML, with its price, limits and secrets.

It does not know how a request is spoken (``providers.dialects``) or sent (``locustfiles.engine``).
"""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, InstanceOf, field_validator, model_validator

from providers.price import Price
from providers.route import is_loopback
from providers.secret import Expanded, Secret
from providers.strict import Strict

DEFAULT_DIALECT = "openai-chat"


class Law(Strict):
    """A distribution by two of its percentiles; a bare number is a constant."""

    dist: Literal["constant", "lognormal", "uniform"] = Field(
        "lognormal", description="one of constant, lognormal, uniform"
    )
    p50: float = Field(ge=0, description="the median, 0 or more")
    p95: float = Field(ge=0, description="the 95th percentile, not below p50")

    @model_validator(mode="after")
    def _ordered(self) -> Law:
        if self.p95 < self.p50:
            raise ValueError(f"p95 {self.p95:g} lies below p50 {self.p50:g}")
        if self.dist == "lognormal" and self.p50 == 0 < self.p95:
            raise ValueError("a lognormal with p50 0 has no p95 but 0; use uniform")
        return self


def _law(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"dist": "constant", "p50": value, "p95": value}
    return value


LawOrNumber = Annotated[Law, BeforeValidator(_law, json_schema_input_type=Law | float)]
Rate = Annotated[float, Field(ge=0, le=1)]


class Mock(Strict):
    """The laws a simulated provider keeps (``providers.simulator``)."""

    ttft_s: LawOrNumber = Field(
        Law(dist="constant", p50=0.2, p95=0.2), description="seconds, a number or {dist, p50, p95}"
    )
    gap_s: LawOrNumber = Field(
        Law(dist="constant", p50=0.02, p95=0.02),
        description="seconds between chunks, a number or {dist, p50, p95}",
    )
    output_tokens: int | None = Field(None, ge=1, description="tokens of an answer; empty: as many as were asked for")
    tokens_per_chunk: int = Field(1, ge=1, description="tokens in one streamed event, 1 or more")
    reasoning_tokens: int = Field(0, ge=0, description="reasoning tokens before the answer, 0 or more")
    error_rate: Rate = Field(0.0, description="share of requests answered 500, between 0 and 1")
    capacity: int | None = Field(
        None, ge=1, description="concurrent requests it serves at full speed; slower above, in proportion"
    )
    quota_rps: float | None = Field(None, gt=0, description="requests/s admitted, above 0; the rest get 429")
    cold_start_s: float = Field(0.0, ge=0, description="seconds added to the first request after 60 s of idleness")
    truncate_rate: Rate = Field(0.0, description="share of streams that end without a finish, between 0 and 1")
    stall_rate: Rate = Field(0.0, description="share of streams that fall silent halfway, between 0 and 1")
    malformed_rate: Rate = Field(0.0, description="share of streams with a broken frame, between 0 and 1")
    stream_error_rate: Rate = Field(0.0, description="share of streams that end in an error, between 0 and 1")
    cached_tokens: int = Field(0, ge=0, description="input tokens told as read from a cache, 0 or more")
    cache_write_tokens: int = Field(0, ge=0, description="input tokens told as written to a cache, 0 or more")
    drift: float = Field(0.0, gt=-1, description="relative change of all latencies per minute, as 0.05")
    seed: int = Field(0, description="a whole number")


class Request(Strict):
    """What is asked of the model, beside the prompt."""

    stream: bool = Field(True, description="true or false")
    max_tokens: int | None = Field(None, ge=1, description="output tokens at most; empty: the workload's target")
    max_tokens_field: str = Field("max_tokens", description="the key under which the cap is sent")
    temperature: float | None = Field(0.0, ge=0, description="0 or more, or null to leave it out")
    top_p: float | None = Field(None, gt=0, le=1, description="above 0, at most 1")
    seed: int | None = Field(None, description="a whole number")
    seed_field: str = Field("seed", description="the key under which the seed is sent")
    ignore_eos: bool | None = Field(None, description="true or false; vLLM, SGLang and llama.cpp know it")
    min_tokens: int | None = Field(None, ge=0, description="output tokens at least")
    # Not in the repr, and headers kept as they come, so that what was ${VARIABLE} is still known to be.
    extra_body: dict[str, Any] = Field(
        default_factory=dict, repr=False, description="a mapping merged into the body last"
    )
    extra_headers: dict[str, InstanceOf[str]] = Field(
        default_factory=dict, repr=False, description="a mapping of header names to values"
    )


class Limits(Strict):
    """Seconds after which a request is given up, and how hard the provider may be driven."""

    connect_timeout_s: float = Field(5.0, gt=0, description="seconds, above 0")
    first_token_timeout_s: float = Field(30.0, gt=0, description="seconds, above 0")
    idle_timeout_s: float = Field(30.0, gt=0, description="seconds, above 0")
    total_timeout_s: float = Field(120.0, gt=0, description="seconds, above 0")
    max_rps: float | None = Field(None, gt=0, description="requests/s, above 0")
    max_concurrency: int | None = Field(None, ge=1, description="requests in flight, 1 or more")
    context_tokens: int | None = Field(None, ge=1, description="tokens of input and output together, 1 or more")


TOKEN_KINDS = ("header", "bearer", "api-key")


class Auth(Strict):
    """How a request proves who sends it; ``providers.auth`` turns it into headers."""

    kind: Literal["none", "header", "bearer", "api-key", "aws-sigv4", "gcp-oauth", "azure-entra"] = Field(
        "none", description="one of none, header, bearer, api-key, aws-sigv4, gcp-oauth, azure-entra"
    )
    header: str | None = Field(None, description="the header's name")
    token: Secret | None = Field(None, description="the secret, written ${VARIABLE}")
    region: str | None = Field(None, description="aws-sigv4: the region that is signed for, as us-east-1")
    service: str = Field("bedrock", description="aws-sigv4: the service that is signed for")
    profile: str | None = Field(None, description="aws-sigv4: a profile of the AWS configuration")
    scope: str | None = Field(None, description="gcp-oauth and azure-entra: the scope of the token, a URL")
    credentials_file: str | None = Field(None, description="gcp-oauth: the path of a service account's JSON file")

    @model_validator(mode="after")
    def _complete(self) -> Auth:
        if self.kind in TOKEN_KINDS and self.token is None:
            raise ValueError(f"kind {self.kind} needs 'token'; write token: ${{VARIABLE}}")
        if self.kind not in TOKEN_KINDS and self.token is not None:
            raise ValueError(f"kind {self.kind} takes no 'token'; remove it, or write kind: bearer")
        if self.kind == "header" and not self.header:
            raise ValueError("kind header needs 'header', the header's name")
        return self

    def headers(self) -> dict[str, str]:
        """The header that carries the token, revealed: for the wire only. Signatures are ``providers.auth``'s."""
        if self.token is None:
            return {}
        if self.kind == "bearer":
            return {self.header or "authorization": f"Bearer {self.token.reveal()}"}
        return {self.header or "api-key": self.token.reveal()}


class Provider(Strict):
    """One entry of a providers file. ``base_url`` of a mock is empty until its simulator runs."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="lower-case letters, digits and '-', at most 63, unique"
    )
    type: Literal["mock", "http"] = Field(
        description="mock, http, openai, azure-openai, bedrock, vertex, vllm, anthropic or ollama"
    )
    base_url: str = Field("", description="an http(s) URL, as https://host/v1")
    auth_header: Secret | None = Field(None, description="'Name: ${VARIABLE}'")
    price_per_1k_tokens: float | None = Field(None, ge=0, description="USD per 1,000 tokens, 0 or more")
    dialect: str | None = Field(None, description="a known dialect, as openai-chat")
    path: str | None = Field(None, description="the path after base_url, as /chat/completions")
    model: str = Field("", description="the model's name at the provider")
    capability: str = Field("default", min_length=1, description="a tag; scores are compared within one")
    cloud: str = Field("", description="aws, azure, gcp, local or another word")
    region: str = Field("", description="the endpoint's region")
    deployment: str = Field("", description="managed, serverless or self-hosted")
    auth: Auth = Field(default_factory=Auth, description="{kind, token, header}")
    price: Price = Field(default_factory=Price, description="{input_per_1m, output_per_1m, ...}")
    request: Request = Field(default_factory=Request, description="a mapping of request settings")
    limits: Limits = Field(default_factory=Limits, description="a mapping of limits")
    mock: Mock = Field(default_factory=Mock, description="a mapping of the mock's laws")
    weight: int = Field(1, ge=1, description="Locust's class weight, 1 or more")
    enabled: bool = Field(True, description="true or false")
    tags: dict[str, str] = Field(default_factory=dict, description="a mapping of your own labels")
    allow_insecure: bool = Field(False, description="true allows http:// beyond this machine")

    @field_validator("base_url")
    @classmethod
    def _usable_url(cls, url: str) -> str:
        if url == "":
            return url
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("not an http(s) URL")
        if parts.username or parts.password:
            raise ValueError("a URL must not carry a user or password; use auth")
        try:
            parts.hostname.encode("idna")
        except UnicodeError:
            raise ValueError("not a host name") from None
        _refuse_key(parts.query)
        _ = parts.port  # ValueError when it is no number
        return url.rstrip("/")

    @field_validator("path")
    @classmethod
    def _harmless_path(cls, path: str | None) -> str | None:
        _refuse_key((path or "").partition("?")[2])
        return path

    @model_validator(mode="before")
    @classmethod
    def _seed_fields(cls, entry: Any) -> Any:
        """The seed's ``auth_header`` and ``price_per_1k_tokens`` become ``auth`` and ``price``."""
        if not isinstance(entry, dict):
            return entry
        entry = dict(entry)
        if "auth_header" in entry and "auth" in entry:
            raise ValueError("'auth' and 'auth_header' stand side by side; keep one of them")
        if isinstance(header := entry.get("auth_header"), str):
            entry["auth"] = _auth_of_header(header)
        blended = entry.get("price_per_1k_tokens")
        if blended is not None and "price" in entry:
            raise ValueError("'price' and 'price_per_1k_tokens' stand side by side; keep one of them")
        if isinstance(blended, int | float | str) and not isinstance(blended, bool):
            with suppress(ValueError):  # what is no number is reported where it stands
                per_1m = float(blended) * 1000
                entry["price"] = {"input_per_1m": per_1m, "output_per_1m": per_1m}
        if isinstance(auth := entry.get("auth"), dict) and auth.get("kind") == "aws-sigv4" and "region" not in auth:
            entry["auth"] = {**auth, "region": entry.get("region")}  # an empty one is told below
        return entry

    @model_validator(mode="after")
    def _reachable(self) -> Provider:
        if self.auth.kind == "aws-sigv4" and not self.auth.region:
            raise ValueError("kind aws-sigv4 signs for a region; add 'region' to the entry or to its auth")
        if "?" in self.base_url and not self.posts_exactly:
            raise ValueError("'base_url' carries a query, behind which no path can follow; move it to 'path'")
        if self.type == "mock" and self.base_url:
            raise ValueError("a mock has no 'base_url': the run starts its simulator; remove it or use type http")
        if self.type == "http" and not self.base_url:
            raise ValueError("'base_url' is missing; type http needs one")
        parts = urlsplit(self.base_url)
        if parts.scheme == "http" and not self.allow_insecure and not is_loopback(parts.hostname or ""):
            raise ValueError("http:// beyond this machine sends prompts and keys in clear; use https or allow_insecure")
        return self

    @property
    def dialect_name(self) -> str:
        return self.dialect or DEFAULT_DIALECT

    @property
    def posts_exactly(self) -> bool:
        """An entry with no dialect whose URL does not end in /v1 is posted to exactly as written (the seed's way)."""
        return self.dialect is None and self.path is None and not self.base_url.endswith("/v1")

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return tuple(secret for secret in (self.auth.token, self.auth_header) if secret is not None)

    @property
    def priced(self) -> bool:
        """True when a request costs money that a cap should hold."""
        return self.price.per_token or self.price.per_request > 0


def _refuse_key(query: str) -> None:
    """URLs stand in logs, pages and exception texts."""
    if any(key in query.lower() for key in ("key=", "sig=", "token=", "secret=", "x-amz-")):
        raise ValueError("a URL must not carry a key; use auth")


def _auth_of_header(header: str) -> dict[str, Any]:
    name, colon, value = header.partition(":")
    if not colon or not value.strip():
        raise ValueError("'auth_header' must read 'Name: value'")
    token = value.strip()
    if isinstance(header, Expanded):
        declared = header.declared.partition(":")[2].strip()
        return {"kind": "header", "header": name.strip(), "token": Expanded(token, declared)}
    return {"kind": "header", "header": name.strip(), "token": token}

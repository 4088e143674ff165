"""Settings are what the router is started with; what is unsafe or impossible is refused here, before it listens."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from providers.errors import ConfigError
from providers.roster import Roster, load_roster
from providers.spec import Provider
from router.keys import Quota, parse_digests
from router.policy import STRATEGIES

DIALECT = "openai-chat"
PLATFORM_TIMEOUT_S, BODY_BYTES = 300.0, 1 << 20
_METADATA_HOSTS = ("169.254.169.254", "metadata.google.internal", "[fd00:ec2::254]", "168.63.129.16")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``platform_timeout_s`` is where the platform would cut a request; the router ends it 5 s before."""

    roster: Roster
    host: str
    port: int
    scorecard: Path | None
    strategy: str
    allow_fixed: bool
    insecure: bool
    keys: tuple[str, ...]  # digests
    observe_keys: tuple[str, ...]
    key_quota: Quota
    quota: Quota
    platform_timeout_s: float
    max_tokens: int | None
    body_bytes: int
    allowed_hosts: list[str]


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(
        prog="python -m router", allow_abbrev=False,
        description="Send chat requests to the provider that scorecard and live evidence favour.",
        epilog="'python -m router keys new' makes a caller's key; variables: see router/README.md",
    )  # fmt: skip
    root.add_argument("--providers", type=Path, required=True, metavar="FILE", help="the providers file")
    root.add_argument("--host", default="127.0.0.1", help="address to listen on [127.0.0.1]")
    root.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8000")), help="[$PORT, else 8000]")
    root.add_argument("--scorecard", type=Path, metavar="RUN", help="a run folder or summary.json: the prior")
    root.add_argument("--strategy", default="best", help=f"{', '.join(STRATEGIES)} or fixed:NAME [best]")
    root.add_argument("--allow-fixed", action="store_true", help="obey x-router-strategy: fixed:NAME from callers")
    root.add_argument("--insecure", action="store_true", help="serve without keys beyond this machine")
    return root


def settings(options: Any, environ: Mapping[str, str]) -> Settings:
    """From parsed flags and the environment; ConfigError when it would be unsafe or cannot work."""
    digests = {name: parse_digests(name, environ.get(name, "")) for name in ("ROUTER_API_KEYS", "ROUTER_OBSERVE_KEYS")}
    per_key = (_number(environ, f"ROUTER_KEY_{name}") for name in ("RPS", "IN_FLIGHT", "USD_PER_DAY"))
    most_tokens = _number(environ, "ROUTER_MAX_TOKENS")
    found = Settings(
        roster=load_roster(options.providers),
        host=options.host,
        port=options.port,
        scorecard=options.scorecard,
        strategy=options.strategy,
        allow_fixed=options.allow_fixed,
        insecure=options.insecure,
        keys=digests["ROUTER_API_KEYS"],
        observe_keys=digests["ROUTER_OBSERVE_KEYS"] or digests["ROUTER_API_KEYS"],
        key_quota=Quota(*per_key),
        quota=Quota(usd_per_day=_number(environ, "ROUTER_USD_PER_DAY")),
        platform_timeout_s=_number(environ, "ROUTER_PLATFORM_TIMEOUT_S", least=6) or PLATFORM_TIMEOUT_S,
        max_tokens=int(most_tokens) if most_tokens else None,
        body_bytes=int(_number(environ, "ROUTER_BODY_BYTES") or BODY_BYTES),
        allowed_hosts=environ.get("ROUTER_HOSTS", "").replace(",", " ").split(),
    )
    _check(found)
    return found


def _check(found: Settings) -> None:
    """ConfigError for what must not be served."""
    providers = found.roster.providers
    allowed = [*STRATEGIES, *(f"fixed:{provider.name}" for provider in providers)]
    if found.strategy not in allowed:
        raise ConfigError(f"--strategy {found.strategy}: unknown; write one of {', '.join(allowed)}")
    for provider in providers:
        _check_provider(f"{found.roster.path}: provider '{provider.name}'", provider)
    harmless = _is_loopback(found.host) or all(provider.type == "mock" for provider in providers)
    if not (found.keys or found.insecure or harmless):
        raise ConfigError(
            f"--host {found.host}: anyone could spend your money; set ROUTER_API_KEYS (python -m router keys new), "
            "or --insecure"
        )


def _check_provider(where: str, provider: Provider) -> None:
    if provider.dialect_name != DIALECT:
        raise ConfigError(
            f"{where}: key 'dialect': got {provider.dialect_name}; the router speaks {DIALECT} only, so write the "
            "provider's OpenAI-compatible endpoint"
        )
    if any(secret.literal for secret in provider.secrets):
        raise ConfigError(f"{where}: a secret stands in the file; write ${{VARIABLE}} in its place")
    if any(f"//{host}" in provider.base_url for host in _METADATA_HOSTS):
        raise ConfigError(f"{where}: key 'base_url': a cloud's metadata address is no provider; correct it")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _number(environ: Mapping[str, str], name: str, least: float = 0) -> float | None:
    """None where the variable is unset or empty."""
    if not (text := environ.get(name, "")):
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not least < value < float("inf"):
        raise ConfigError(f"{name}: got {text!r}; expected a number above {least:g}")
    return value

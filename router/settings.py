"""Settings are what the router is started with; what is unsafe or impossible is refused here, before it listens."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from providers.errors import ConfigError
from providers.roster import Roster, load_roster
from providers.route import is_loopback
from providers.spec import Provider
from router.keys import Quota, parse_digests
from router.policy import STRATEGIES

DIALECT = "openai-chat"
_METADATA_HOSTS = ("metadata.google.internal", "fd00:ec2::254", "168.63.129.16", "100.100.100.200")


class Settings(argparse.Namespace):
    """``keys`` are digests; ``platform_timeout_s`` is where the platform cuts a request: the router ends it before."""

    roster: Roster
    host: str
    port: int
    scorecard: Path | None
    strategy: str
    allow_fixed: bool
    insecure: bool
    keys: tuple[str, ...]
    observe_keys: tuple[str, ...]
    key_quota: Quota
    quota: Quota
    platform_timeout_s: float
    max_tokens: int | None
    body_bytes: int
    body_keys: frozenset[str]
    allowed_hosts: frozenset[str]


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(
        prog="python -m router", allow_abbrev=False,
        description="Send chat requests to the provider that scorecard and live evidence favour.",
        epilog="'python -m router keys new' makes a caller's key; variables: see router/README.md",
    )  # fmt: skip
    root.add_argument("--providers", type=Path, required=True, metavar="FILE", help="the providers file")
    root.add_argument("--host", default="127.0.0.1", help="address to listen on [127.0.0.1]")
    root.add_argument("--port", type=int, default=os.environ.get("PORT", "8000"), help="[$PORT, else 8000]")
    root.add_argument("--scorecard", type=Path, metavar="RUN", help="a run folder or summary.json: the prior")
    root.add_argument("--strategy", default="best", help=f"{', '.join(STRATEGIES)} or fixed:NAME [best]")
    root.add_argument("--allow-fixed", action="store_true", help="obey x-router-strategy: fixed:NAME from callers")
    root.add_argument("--insecure", action="store_true", help="serve without keys beyond this machine")
    return root


def _positive(variable: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ConfigError(f"{variable}: got {text!r}; expected a number above 0")
    return value


def _whole(variable: str, text: str) -> int:
    return max(1, int(_positive(variable, text)))


def _words(_: str, text: str) -> frozenset[str]:
    return frozenset(text.replace(",", " ").split())


# How each variable is read, and what holds where it is unset.
VARIABLES: dict[str, tuple[Callable[[str, str], Any], Any]] = {
    "ROUTER_API_KEYS": (parse_digests, ()),
    "ROUTER_OBSERVE_KEYS": (parse_digests, ()),
    "ROUTER_KEY_RPS": (_positive, None),
    "ROUTER_KEY_IN_FLIGHT": (_whole, None),
    "ROUTER_KEY_USD_PER_DAY": (_positive, None),
    "ROUTER_USD_PER_DAY": (_positive, None),
    "ROUTER_PLATFORM_TIMEOUT_S": (_positive, 300.0),
    "ROUTER_MAX_TOKENS": (_whole, None),
    "ROUTER_BODY_BYTES": (_whole, 1 << 20),
    "ROUTER_BODY_KEYS": (_words, frozenset()),
    "ROUTER_HOSTS": (_words, frozenset()),
}


def settings(arguments: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """From flags and the environment; ConfigError when it would be unsafe or cannot work."""
    found = parser().parse_args(arguments, Settings())
    read = {
        name: convert(name, environ[name]) if environ.get(name) else default
        for name, (convert, default) in VARIABLES.items()
    }
    found.roster = load_roster(found.providers)
    found.keys = read["ROUTER_API_KEYS"]
    found.observe_keys = read["ROUTER_OBSERVE_KEYS"] or found.keys
    found.key_quota = Quota(*(read[f"ROUTER_KEY_{name}"] for name in ("RPS", "IN_FLIGHT", "USD_PER_DAY")))
    found.quota = Quota(usd_per_day=read["ROUTER_USD_PER_DAY"])
    found.allowed_hosts = read["ROUTER_HOSTS"]
    for name in ("platform_timeout_s", "max_tokens", "body_bytes", "body_keys"):
        setattr(found, name, read[f"ROUTER_{name.upper()}"])
    _check(found)
    return found


def _check(found: Settings) -> None:
    """ConfigError for what must not be served."""
    providers = found.roster.providers
    allowed = [*STRATEGIES, *(f"fixed:{provider.name}" for provider in providers)]
    if found.strategy not in allowed:
        raise ConfigError(f"--strategy {found.strategy}: unknown; write one of {', '.join(allowed)}")
    if found.platform_timeout_s <= 5:
        raise ConfigError("ROUTER_PLATFORM_TIMEOUT_S: expected more than 5, which the router keeps for its own end")
    if found.scorecard and not found.scorecard.exists():
        raise ConfigError(f"--scorecard {found.scorecard}: no such run; name a run folder or its summary.json")
    for provider in providers:
        _check_provider(f"{found.roster.path}: provider '{provider.name}'", provider)
    harmless = is_loopback(found.host) or all(provider.type == "mock" for provider in providers)
    if not (found.keys or found.insecure or harmless):
        why = "anyone could spend your money; set ROUTER_API_KEYS (python -m router keys new), or --insecure"
        raise ConfigError(f"--host {found.host}: {why}")


def _check_provider(where: str, provider: Provider) -> None:
    if provider.dialect_name != DIALECT:
        remedy = f"the router speaks {DIALECT} only, so write the provider's OpenAI-compatible endpoint"
        raise ConfigError(f"{where}: key 'dialect': got {provider.dialect_name}; {remedy}")
    if any(secret.literal for secret in provider.secrets):
        raise ConfigError(f"{where}: a secret stands in the file; write ${{VARIABLE}} in its place")
    if _is_metadata(urlsplit(provider.base_url).hostname or ""):
        raise ConfigError(f"{where}: key 'base_url': a cloud's metadata address is no provider; correct it")


def _is_metadata(host: str) -> bool:
    try:
        return ip_address(host).is_link_local or host in _METADATA_HOSTS
    except ValueError:
        return host.rstrip(".").lower() in _METADATA_HOSTS

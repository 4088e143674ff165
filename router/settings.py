"""Settings are what the router is started with; what is unsafe or impossible is refused here, before it listens."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from providers.errors import ConfigError
from providers.roster import Roster, load_roster
from providers.spec import Provider
from router.keys import Quota, parse_digests
from router.policy import STRATEGIES

DIALECT = "openai-chat"
_METADATA_HOSTS = ("169.254.169.254", "metadata.google.internal", "[fd00:ec2::254]", "168.63.129.16")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``platform_timeout_s`` is where the platform would cut a request; the router ends it 5 s before."""

    roster: Roster
    host: str = "127.0.0.1"
    port: int = 8000
    scorecard: Path | None = None
    strategy: str = "best"
    allow_fixed: bool = False
    insecure: bool = False
    keys: tuple[str, ...] = ()  # digests
    observe_keys: tuple[str, ...] = ()
    key_quota: Quota = field(default_factory=Quota)
    usd_per_day: float | None = None
    platform_timeout_s: float = 300.0
    max_tokens: int | None = None
    body_bytes: int = 1 << 20
    allowed_hosts: tuple[str, ...] = ()

    @property
    def fixed(self) -> str:
        return self.strategy.partition(":")[2]


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
    roster = load_roster(options.providers)
    found = Settings(
        roster=roster,
        host=options.host,
        port=options.port,
        scorecard=options.scorecard,
        strategy=options.strategy,
        allow_fixed=options.allow_fixed,
        insecure=options.insecure,
        keys=parse_digests("ROUTER_API_KEYS", environ.get("ROUTER_API_KEYS", "")),
        observe_keys=parse_digests("ROUTER_OBSERVE_KEYS", environ.get("ROUTER_OBSERVE_KEYS", "")),
        key_quota=Quota(
            _number(environ, "ROUTER_KEY_RPS"),
            _whole(environ, "ROUTER_KEY_IN_FLIGHT"),
            _number(environ, "ROUTER_KEY_USD_PER_DAY"),
        ),
        usd_per_day=_number(environ, "ROUTER_USD_PER_DAY"),
        platform_timeout_s=_number(environ, "ROUTER_PLATFORM_TIMEOUT_S") or 300.0,
        max_tokens=_whole(environ, "ROUTER_MAX_TOKENS"),
        body_bytes=_whole(environ, "ROUTER_BODY_BYTES") or 1 << 20,
        allowed_hosts=tuple(part.strip() for part in environ.get("ROUTER_HOSTS", "").split(",") if part.strip()),
    )
    check(found)
    return found


def check(found: Settings) -> None:
    """ConfigError for what must not be served."""
    roster, names = found.roster, [provider.name for provider in found.roster.providers]
    kind, _, name = found.strategy.partition(":")
    if found.strategy not in STRATEGIES and (kind != "fixed" or name not in names):
        raise ConfigError(
            f"--strategy {found.strategy}: expected one of {', '.join(STRATEGIES)}, or fixed:NAME with NAME one of "
            f"{', '.join(names)}"
        )
    for provider in roster.providers:
        _check_provider(roster.path, provider)
    if found.platform_timeout_s <= 5:
        raise ConfigError(f"ROUTER_PLATFORM_TIMEOUT_S: got {found.platform_timeout_s:g}; expected more than 5 seconds")
    all_mock = all(provider.type == "mock" for provider in roster.providers)
    if not (found.keys or found.insecure or all_mock or is_loopback(found.host)):
        raise ConfigError(
            f"--host {found.host}: anyone could spend your money; set ROUTER_API_KEYS (python -m router keys new), "
            "or --insecure"
        )


def _check_provider(file: Path, provider: Provider) -> None:
    where = f"{file}: provider '{provider.name}'"
    if provider.dialect_name != DIALECT:
        raise ConfigError(
            f"{where}: key 'dialect': got {provider.dialect_name}; the router speaks {DIALECT} only, so use the "
            "provider's OpenAI-compatible endpoint"
        )
    if any(secret.literal for secret in provider.secrets):
        raise ConfigError(f"{where}: a secret stands in the file; write ${{VARIABLE}} in its place")
    if any(f"//{host}" in provider.base_url for host in _METADATA_HOSTS):
        raise ConfigError(f"{where}: key 'base_url': a cloud's metadata address is no provider; correct it")


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _number(environ: Mapping[str, str], name: str) -> float | None:
    text = environ.get(name, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ConfigError(f"{name}: got {text!r}; expected a number above 0")
    return value


def _whole(environ: Mapping[str, str], name: str) -> int | None:
    value = _number(environ, name)
    if value is not None and value != int(value):
        raise ConfigError(f"{name}: got {environ[name]!r}; expected a whole number above 0")
    return None if value is None else int(value)

"""What ``python -m providers check`` says of a Roster without sending anything: summary, full entries, requests."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from providers.auth import require_sdk
from providers.dialects import DIALECTS
from providers.errors import ConfigError
from providers.findings import price_steps, price_words
from providers.roster import FILE_VERSION, Roster
from providers.secret import MASK, Expanded, is_sensitive_header
from providers.simulator.child import at_simulator
from providers.spec import Provider
from providers.table import table
from providers.wire import headers, target
from providers.workload import load_workload


def summary(roster: Roster) -> str:
    """One OK line, one line per enabled provider, and what to do next."""
    disabled = len(roster.declared) - len(roster.providers)
    note = f" ({disabled} more disabled)" if disabled else ""
    head = ["provider", "type", "dialect", "model", "capability", "region", "auth", "USD per 1M in/out"]
    rows = [
        [p.name, p.type, p.dialect_name, p.model or "-", p.capability, p.region or "-", p.auth.kind, price_words(p)]
        for p in roster.providers
    ]
    steps = [f"- {p.name}: {step}" for p in roster.providers for step in _steps(p)]
    steps.append(f"- python -m providers check {roster.path} --live")
    ok = f"OK: {roster.path}: {len(rows)} provider{'s' * (len(rows) != 1)}{note}"
    return "\n".join([ok, table([head, *rows]), "", "Next:", *steps])


def _steps(provider: Provider) -> Iterator[str]:
    try:
        require_sdk(provider)
    except ConfigError as error:
        yield str(error).rpartition("; ")[2]
    yield from price_steps(provider)


def explanation(roster: Roster) -> str:
    """The file with every default filled in, as YAML that can be read again; secrets are their variables' names."""
    entries = []
    for declared in roster.declared.values():
        entry = {key: value for key, value in declared.items() if key not in ("auth_header", "price_per_1k_tokens")}
        if entry["type"] != "mock":
            del entry["mock"]
        entries.append(entry)
    return yaml.safe_dump({"version": FILE_VERSION, "providers": entries}, sort_keys=False, allow_unicode=True)


def requests(roster: Roster) -> str:
    """The HTTP request each provider would be sent, with ``***`` for every secret."""
    return roster.scrubber().scrub("\n\n".join(map(_request, roster.providers)))


def _request(provider: Provider) -> str:
    sent = at_simulator(provider, "http://simulator") if provider.type == "mock" else provider
    request = DIALECTS[sent.dialect_name].build(load_workload("chat").prompt(1, 0, sent.name), sent)
    fields = headers(request, dict.fromkeys(_PROOFS.get(sent.auth.kind, sent.auth.headers()), MASK), "dry-run")
    shown = {name: MASK if is_sensitive_header(name) else value for name, value in fields.items()}
    shown = {name: value.declared if isinstance(value, Expanded) else value for name, value in shown.items()}
    lines = [f"{request.method} {target(request)} HTTP/1.1", *(f"{name}: {value}" for name, value in shown.items())]
    return "\n".join([f"# {sent.name}: {request.url}", *lines, "", request.body.decode()])


# The headers that a credential adds when the request is sent; nothing is fetched or signed to show them.
_PROOFS = {
    "aws-sigv4": ("X-Amz-Date", "X-Amz-Security-Token", "Authorization"),
    "gcp-oauth": ("authorization",),
    "azure-entra": ("authorization",),
}

"""What ``python -m providers check`` says of a Roster without sending anything: summary, full entries, requests."""

from __future__ import annotations

import yaml

from providers.dialects import DIALECTS
from providers.roster import FILE_VERSION, Roster
from providers.secret import MASK, Expanded, is_sensitive_header
from providers.simulator.child import at_simulator
from providers.spec import Provider
from providers.table import table
from providers.workload import load_workload


def summary(roster: Roster) -> str:
    """One OK line and one line per enabled provider."""
    disabled = len(roster.declared) - len(roster.providers)
    note = f" ({disabled} more disabled)" if disabled else ""
    head = ["provider", "type", "model", "capability", "region", "USD per 1M in/out"]
    rows = [[p.name, p.type, p.model or "-", p.capability, p.region or "-", _price(p)] for p in roster.providers]
    return f"OK: {roster.path}: {len(rows)} provider{'s' * (len(rows) != 1)}{note}\n{table([head, *rows])}"


def _price(provider: Provider) -> str:
    price = provider.price
    parts = [f"{price.input_per_1m:g} / {price.output_per_1m:g}"] if price.per_token else []
    parts += [f"{price.per_request:g} per request"] if price.per_request else []
    parts += [f"{price.hourly_usd:g} per hour"] if price.hourly_usd is not None else []
    return ", ".join(parts) or "unknown"


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
    headers = {name: MASK if is_sensitive_header(name) else value for name, value in request.headers.items()}
    headers = {name: value.declared if isinstance(value, Expanded) else value for name, value in headers.items()}
    headers |= dict.fromkeys(sent.auth.headers(), MASK)
    lines = [f"# {sent.name}", f"{request.method} {request.url}", *(f"{n}: {v}" for n, v in headers.items())]
    return "\n".join([*lines, "", request.body.decode()])

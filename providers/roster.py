"""A Roster is a providers file, read: its providers, its warnings and its hash.

All validation happens here, before any request; the first problem becomes one line that says where and what to do.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from providers.dialects import DIALECTS
from providers.document import Document, KeyPath, UnsetVariableError, expand, read_document, variables
from providers.errors import ConfigError
from providers.presets import MissingKeyError, keys_of, spelled_out
from providers.price import TYPO_PER_1K_USD
from providers.secret import MASK, Expanded, Scrubber, Secret, is_sensitive_header
from providers.spec import Provider

FILE_VERSION = 1
_FILE_KEYS = ("version", "defaults", "providers")


@dataclass(frozen=True, slots=True)
class Roster:
    """``providers`` are the enabled ones, in file order; ``declared`` maps each name to its entry, secrets masked."""

    path: Path
    providers: tuple[Provider, ...]
    declared: dict[str, dict[str, Any]]
    warnings: tuple[str, ...]
    _scrubber: Scrubber = field(init=False, repr=False, compare=False, default_factory=Scrubber)

    def __post_init__(self) -> None:
        self._scrubber.learn(self.secrets)

    @property
    def sha256(self) -> str:
        """Hash of the enabled entries as declared: no secret, no comment and no layout enters it."""
        canonical = json.dumps([self.declared[p.name] for p in self.providers], sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return tuple(secret for provider in self.providers for secret in _secrets(provider))

    def scrubber(self) -> Scrubber:
        """The one of this file, so that a token fetched later is unknown to none of its users."""
        return self._scrubber


def load_roster(path: Path) -> Roster:
    """The roster of a providers file; ConfigError names file, line, provider, key, value, expectation and remedy."""
    document = read_document(path)
    entries = _entries(document)
    defaults = document.data.get("defaults") or {}
    if not isinstance(defaults, Mapping):
        raise document.error(("defaults",), f"key 'defaults': got {defaults!r}; expected a mapping of provider keys")
    providers: list[Provider] = []
    declared: dict[str, dict[str, Any]] = {}
    warnings: list[str] = []
    for index, entry in enumerate(entries):
        said = _merge(defaults, entry)
        merged = _spelled_out(document, index, said)
        provider = _provider(document, index, merged, keys_of(said.get("type")))
        if provider.name in declared:
            raise document.error(
                ("providers", index, "name"),
                f"provider '{provider.name}': key 'name': stands twice; expected a unique name, rename one of them",
            )
        declared[provider.name] = _public(provider, merged)
        if provider.enabled:
            providers.append(provider)
            warnings += [f"{path}:{document.line(('providers', index))}: {w}" for w in _warnings(provider)]
    if not providers:
        raise document.error(("providers",), "key 'providers': no provider is enabled; enable one")
    return Roster(path, tuple(providers), declared, tuple(warnings))


def _entries(document: Document) -> list[dict[str, Any]]:
    data = document.data
    if not isinstance(data, dict):
        raise document.error((), "expected a mapping with the key 'providers'; see 'python -m providers new mock'")
    for key in data:
        if key not in _FILE_KEYS:
            raise document.error((str(key),), f"key '{key}': unknown; expected one of {', '.join(_FILE_KEYS)}")
    if (version := data.get("version", FILE_VERSION)) != FILE_VERSION:
        raise document.error(("version",), f"key 'version': got {version!r}; expected {FILE_VERSION}")
    entries = data.get("providers")
    if not isinstance(entries, list) or not entries:
        raise document.error(("providers",), "key 'providers': expected a list of at least one provider; add one")
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise document.error(("providers", index), f"provider {index + 1}: got {entry!r}; expected a mapping")
    return entries


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` on top of ``base``, mappings merged key by key."""
    merged = dict(base)
    for key, value in over.items():
        inherited = merged.get(key)
        both = isinstance(inherited, Mapping) and isinstance(value, Mapping)
        merged[key] = _merge(inherited, value) if both else value  # type: ignore[arg-type]
    return merged


def _spelled_out(document: Document, index: int, merged: dict[str, Any]) -> dict[str, Any]:
    """The entry that a preset stands for."""
    try:
        return spelled_out(merged)
    except MissingKeyError as error:
        raise document.error(
            ("providers", index),
            f"provider '{merged.get('name', index + 1)}': key '{error.key}': missing; type {merged['type']} needs it;"
            f" add it, as {error.example}",
        ) from None


def _provider(document: Document, index: int, merged: dict[str, Any], more_keys: Sequence[str]) -> Provider:
    name = merged.get("name", index + 1)
    where: KeyPath = ("providers", index)
    try:
        provider = Provider.model_validate(expand(merged, lenient=merged.get("enabled") is False))
    except UnsetVariableError as error:
        key = _dotted(error.path)
        kind = "secret file" if error.reason.startswith("cannot") else "variable"
        remedy = f"export {error.reference}=..." if kind == "variable" else "mount it, or name another file"
        raise document.error(
            _in_file(document, where, error.path),
            f"provider '{name}': key '{key}': {kind} {error.reference} {error.reason}; {remedy} or set enabled: false"
            f"{_also_unset(document, error.reference)}",
        ) from None
    except ValidationError as error:
        raise _explain(document, index, merged, error, more_keys) from None
    for key, value in (provider.auth.headers() | provider.request.extra_headers).items():
        if not (key.isascii() and value.isprintable() and _fits_latin1(value)):
            raise document.error(
                where,
                f"provider '{name}': header '{key}': its value holds a line end or a character that HTTP cannot carry;"
                " expected plain text, export the variable or write the file anew",
            )
    if provider.dialect_name not in DIALECTS:
        raise document.error(
            _in_file(document, where, ("dialect",)),
            f"provider '{name}': key 'dialect': got {provider.dialect!r}; expected one of {', '.join(sorted(DIALECTS))}"
            f"{_nearest(str(provider.dialect), DIALECTS)}",
        )
    try:
        DIALECTS[provider.dialect_name]
    except ConfigError as error:
        raise document.error(_in_file(document, where, ("dialect",)), f"provider '{name}': {error}") from None
    return provider


def _in_file(document: Document, where: KeyPath, path: KeyPath) -> KeyPath:
    """Where a key of an entry stands: in the entry itself, else in ``defaults``."""
    if (*where, *path) not in document.lines and ("defaults", *path) in document.lines:
        return ("defaults", *path)
    return (*where, *path)


def _also_unset(document: Document, reference: str) -> str:
    """The other variables that enabled entries want: all are told at once."""
    wanted: dict[str, None] = {}
    for entry in document.data["providers"]:
        said = _merge(document.data.get("defaults") or {}, entry)
        if said.get("enabled") is not False:
            with suppress(MissingKeyError):
                wanted |= dict.fromkeys(variables(spelled_out(said)))
    missing = [name for name in wanted if name not in os.environ and name != reference]
    return f" (unset, too: {', '.join(missing)})" if missing else ""


def _explain(
    document: Document, index: int, merged: dict[str, Any], error: ValidationError, more_keys: Sequence[str]
) -> ConfigError:
    """The first problem as one line, with the count of the rest."""
    name = merged.get("name", index + 1)
    problems = error.errors(include_url=False, include_context=False)
    first = problems[0]
    path: KeyPath = tuple(first["loc"])
    owner, field = _field(path)
    got = "" if path == () else f": got {_shown(merged, path)}"
    if first["type"] == "extra_forbidden":
        known = [*owner.model_fields, *(more_keys if owner is Provider else ())]
        text = f"key '{_dotted(path)}': unknown; expected one of {', '.join(known)}"
        text += _nearest(str(path[-1]), known) or "; remove it"
    elif first["type"] == "missing":
        text = f"key '{_dotted(path)}': missing; expected {field}; add it"
    elif first["type"] == "value_error":
        key = f"key '{_dotted(path)}'{got}: " if path else ""
        reason = first["msg"].removeprefix("Value error, ")
        text = f"{key}{reason}" + (f"; expected {field}, correct it" if field else "")
    else:
        text = f"key '{_dotted(path)}'{got}; expected {field or first['msg']}; correct it"
    more = f" ({len(problems) - 1} more after this one)" if len(problems) > 1 else ""
    return document.error(_in_file(document, ("providers", index), path), f"provider '{name}': {text}{more}")


def _field(path: KeyPath) -> tuple[type[BaseModel], str]:
    """The model that holds the last key of a path, and what that key expects."""
    model: type[BaseModel] = Provider
    expected = ""
    for key in path:
        info = model.model_fields.get(str(key))
        if info is None:
            break
        expected = info.description or ""
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            model = inner
    return model, expected


def _shown(tree: Any, path: KeyPath) -> str:
    """The value at a path as declared; what may be a secret is not repeated."""
    for key in path:
        if not isinstance(tree, Mapping):
            break  # a bare number that stands for a law
        if key not in tree:
            return "that"
        tree = tree[key]
    secret = any(str(key) in ("auth", "auth_header", "extra_headers", "extra_body") for key in path)
    return "***" if secret else repr(tree)


def _fits_latin1(text: str) -> bool:
    return all(ord(character) < 256 for character in text)


def _nearest(word: str, known: Any) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def _dotted(path: KeyPath) -> str:
    return ".".join(str(part) for part in path) or "entry"


def _secrets(provider: Provider) -> tuple[Secret, ...]:
    extra = provider.request.extra_headers
    headers = (Secret.of(value) for name, value in extra.items() if is_sensitive_header(name))
    return (*provider.secrets, *headers, *_expanded(extra), *_expanded(provider.request.extra_body))


def _expanded(tree: Any) -> Iterator[Secret]:
    """Whatever came into a body from outside the file."""
    if isinstance(tree, Expanded):
        yield Secret.of(tree)
    elif isinstance(tree, Mapping | list):
        for inner in tree.values() if isinstance(tree, Mapping) else tree:
            yield from _expanded(inner)


def _public(provider: Provider, declared: Mapping[str, Any]) -> dict[str, Any]:
    """The entry with every default filled in, and with ``${...}`` or ``***`` where a value came from outside."""
    public: dict[str, Any] = _as_declared(provider.model_dump(mode="json"), declared)
    headers = public["request"]["extra_headers"]
    public["request"]["extra_headers"] = {
        name: MASK if is_sensitive_header(name) and "${" not in value else value for name, value in headers.items()
    }
    return public


def _as_declared(value: Any, declared: Any) -> Any:
    if isinstance(value, dict) and isinstance(declared, Mapping):
        return {key: _as_declared(inner, declared.get(key)) for key, inner in value.items()}
    if isinstance(value, list) and isinstance(declared, list):
        return [_as_declared(inner, outer) for inner, outer in zip(value, declared, strict=True)]
    return declared if isinstance(declared, str) and "${" in declared else value


def _warnings(provider: Provider) -> list[str]:
    name = provider.name
    found = []
    if any(secret.literal for secret in _secrets(provider)):
        found.append(f"provider '{name}': a literal secret stands in the file; write ${{VARIABLE}} and export it")
    unsaid = sorted(DIALECTS[provider.dialect_name].ignores & provider.request.model_fields_set)
    if unsaid:
        found.append(
            f"provider '{name}': the dialect {provider.dialect_name} has no word for {', '.join(unsaid)}, so it is not"
            " sent; remove it"
        )
    blended = provider.price_per_1k_tokens
    if blended is not None and blended > TYPO_PER_1K_USD:
        found.append(
            f"provider '{name}': key 'price_per_1k_tokens': {blended:g} USD per 1K tokens is {blended * 1000:g} USD"
            f" per 1M; if it was meant per 1M write {blended / 1000:g}"
        )
    return found

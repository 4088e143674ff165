"""A Secret is a value that only the wire may see, and the Scrubber keeps it out of everything else.

Secrets exist in the environment and in secret files. Anything written, printed or sent to a peer passes the scrubber.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn, Self
from urllib.parse import quote, quote_plus

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

MASK = "***"
SHORTEST_SECRET = 4  # shorter ones would mask ordinary words
_SENSITIVE_HEADER = re.compile(r"authorization|api-?key|cookie|token|secret|signature", re.IGNORECASE)
_LOOKS_SECRET = re.compile(
    r"\bsk-[A-Za-z0-9_-]{8,}|A[KS]IA[0-9A-Z]{12,}|AIza[\w-]{20,}|ya29\.[\w.-]{8,}|eyJ[\w-]{8,}\.[\w.-]+"
    r"|(?<=Bearer )[\w.~+/=-]{8,}|(?<=Signature=)[0-9a-f]{64}"
)


class Expanded(str):
    """A string whose ``${...}`` were resolved; ``declared`` is what stood in the file."""

    __slots__ = ("declared",)
    declared: str

    def __new__(cls, value: str, declared: str) -> Self:
        text = super().__new__(cls, value)
        text.declared = declared
        return text


class Secret:
    """Prints as its variable name; only ``reveal`` gives the value."""

    __slots__ = ("_value", "shown")

    def __init__(self, value: str, shown: str = MASK) -> None:
        self._value = value
        self.shown = shown

    @property
    def literal(self) -> bool:
        """True when the value itself stood in the file."""
        return self.shown == MASK

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.shown})"

    def __str__(self) -> str:
        return self.shown

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is never pickled: the other process reads its own environment")

    @classmethod
    def of(cls, value: object) -> Secret:
        if isinstance(value, Secret):
            return value
        if isinstance(value, Expanded):
            return cls(str(value), value.declared)
        if isinstance(value, str):
            return cls(value)
        raise ValueError("a secret is text, best written ${VARIABLE}")

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.of,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda secret: secret.shown),
            json_schema_input_schema=core_schema.str_schema(),
        )


def is_sensitive_header(name: str) -> bool:
    return bool(_SENSITIVE_HEADER.search(name))


class Scrubber:
    """Replaces every known secret, in every form that a server, a log or a page may give it, and whatever looks like a
    key, by ``***``.
    """

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._forms: set[str] = set()
        self._pattern = _LOOKS_SECRET
        self.learn(secrets)

    def learn(self, secrets: Iterable[Secret]) -> None:
        """Know these, too: a token that was fetched while the run is on."""
        forms = {form for secret in secrets for form in _forms(secret.reveal())} - self._forms
        if forms:
            self._forms |= forms
            # The longest first, so that a secret that contains another is masked whole.
            known = "|".join(re.escape(form) for form in sorted(self._forms, key=len, reverse=True))
            self._pattern = re.compile(f"{known}|{_LOOKS_SECRET.pattern}")

    def scrub(self, text: str) -> str:
        return self._pattern.sub(MASK, text)


def _forms(value: str) -> Iterator[str]:
    """The secret as text, with and without its scheme's word (Bearer, Basic, Token), in the usual encodings."""
    for text in (value, value.partition(" ")[2]):
        if len(text) >= SHORTEST_SECRET:
            data = text.encode()
            yield from (text, quote(text, safe=""), quote(text), quote_plus(text), html.escape(text))
            yield from (json.dumps(text)[1:-1], text.replace("/", "\\/"), repr(text)[1:-1], data.hex())
            for encoded in (base64.b64encode(data), base64.urlsafe_b64encode(data)):
                yield from (encoded.decode(), encoded.decode().rstrip("="))

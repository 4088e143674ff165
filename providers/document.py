"""A Document is a YAML file with the line of every key, so that an error can point at it.

It knows nothing of providers; the roster and the workloads are read through it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from providers.errors import ConfigError
from providers.secret import Expanded

KeyPath = tuple[str | int, ...]
_VARIABLE = re.compile(r"\$\{(file:)?([^}]*)\}")


@dataclass(frozen=True, slots=True)
class Document:
    """``data`` as declared (variables unresolved) and ``lines``: path of keys and indices -> line, from 1."""

    path: Path
    text: str
    data: Any
    lines: dict[KeyPath, int] = field(repr=False)

    def line(self, path: KeyPath) -> int:
        """The line of a path, or of the nearest enclosing key that stands in the file."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 1

    def error(self, path: KeyPath, message: str) -> ConfigError:
        return ConfigError(f"{self.path}:{self.line(path)}: {message}")


def read_document(path: Path) -> Document:
    """The document; ConfigError when the file is missing, unreadable, not YAML, or says a key twice."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name an existing YAML file") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text; save the file as UTF-8") from None
    lines: dict[KeyPath, int] = {}
    try:
        node = yaml.compose(text, yaml.SafeLoader)
        if node is not None:
            _note_lines(path, node, (), lines)
        data = yaml.load(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise ConfigError(f"{where}: not YAML ({error.problem}); mend the indentation or quoting there") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML ({str(error).splitlines()[0]}); save it as plain UTF-8 text") from None
    except ValueError as error:
        raise ConfigError(f"{path}: a date or number cannot be read ({error}); correct or quote it") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deep, or an alias that holds itself; write the value out") from None
    return Document(path, text, data, lines)


def _note_lines(file: Path, node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int]) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen and name != "<<":
                raise ConfigError(f"{file}:{key.start_mark.line + 1}: key '{name}' stands twice; keep one of them")
            seen.add(name)
            lines[(*path, name)] = key.start_mark.line + 1
            _note_lines(file, value, (*path, name), lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*path, index)] = value.start_mark.line + 1
            _note_lines(file, value, (*path, index), lines)


class UnsetVariableError(Exception):
    """``path`` inside the tree and the reference that could not be resolved."""

    def __init__(self, path: KeyPath, reference: str, reason: str) -> None:
        super().__init__(reference)
        self.path, self.reference, self.reason = path, reference, reason


def expand(tree: Any, *, lenient: bool = False, path: KeyPath = ()) -> Any:
    """The tree with ``${VAR}`` and ``${file:PATH}`` resolved; UnsetVariableError names the first that is missing.

    ``lenient`` puts the word ``unset`` there instead: a disabled provider needs no key.
    """
    if isinstance(tree, Mapping):
        return {k: expand(v, lenient=lenient, path=(*path, str(k))) for k, v in tree.items()}
    if isinstance(tree, list):
        return [expand(v, lenient=lenient, path=(*path, i)) for i, v in enumerate(tree)]
    if not isinstance(tree, str) or "${" not in tree:
        return tree

    def value_of(match: re.Match[str]) -> str:
        try:
            return _file_value(match[2]) if match[1] else os.environ[match[2]]
        except (KeyError, OSError) as error:
            if lenient:
                return "unset"
            reason = f"cannot be read ({error.strerror})" if isinstance(error, OSError) else "is not set"
            raise UnsetVariableError(path, match[2], reason) from None

    return Expanded(_VARIABLE.sub(value_of, tree), tree)


def variables(tree: Any) -> Iterator[str]:
    """The names of the environment variables that a tree refers to."""
    if isinstance(tree, Mapping):
        tree = list(tree.values())
    if isinstance(tree, list):
        for inner in tree:
            yield from variables(inner)
    elif isinstance(tree, str):
        yield from (match[2] for match in _VARIABLE.finditer(tree) if not match[1])


def _file_value(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise OSError(0, "not UTF-8 text") from None

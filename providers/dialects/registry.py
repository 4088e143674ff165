"""A Registry finds a dialect by its name and loads it at first use: built in, or an installed package's.

It does not know what a dialect says, only where its class stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points

from providers.dialects.base import Dialect
from providers.errors import ConfigError

GROUP = "nephoscope.dialects"
_MEMBERS = ("name", "ignores", "build", "framer", "events", "failure", "served")  # of base.Dialect


class Registry(Mapping[str, Dialect]):
    """Names to dialects. A built-in name cannot be taken over by a package: it would change a published measurement."""

    def __init__(self, built_in: Mapping[str, str]) -> None:
        """``built_in`` maps each name to ``module:class``."""
        self._places = {name: EntryPoint(name, place, GROUP) for name, place in built_in.items()}
        self._loaded: dict[str, Dialect] = {}

    def __getitem__(self, name: str) -> Dialect:
        """KeyError when it is unknown, ConfigError when its package cannot be loaded."""
        if name not in self._loaded:
            self._loaded[name] = _load((self._places if name in self._places else self._known())[name])
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._places or name in self._known()

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())

    def _known(self) -> dict[str, EntryPoint]:
        """Looked up anew each time: asked only for names that are not built in."""
        installed = {point.name: point for point in entry_points(group=GROUP)}
        return {**installed, **self._places}


def _load(point: EntryPoint) -> Dialect:
    try:
        dialect: Dialect = point.load()()
    except Exception as error:  # a stranger's module may fail in any way
        raise _unusable(point, f"{type(error).__name__}: {error}") from error
    missing = [name for name in _MEMBERS if not hasattr(dialect, name)]
    if missing:
        raise _unusable(point, f"it has no {', '.join(missing)}")
    return dialect


def _unusable(point: EntryPoint, reason: str) -> ConfigError:
    return ConfigError(
        f"dialect '{point.name}': {point.value} cannot be used: {reason}; expected a class as providers/README.md"
        " describes, mend or uninstall its package"
    )

"""Every error a user can cause, as one line each: file, key, value, expectation, remedy.

NephoscopeError
├── ConfigError   what was asked for cannot be done as written (exit 2)
└── RunError      a run folder cannot be read or written as asked (exit 2)
"""

from __future__ import annotations


class NephoscopeError(Exception):
    """One line for a person. Entry points print it and exit 2; nothing else is printed."""


class ConfigError(NephoscopeError):
    pass


class RunError(NephoscopeError):
    pass

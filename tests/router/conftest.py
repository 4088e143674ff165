"""Scripted providers for every test, and a router before them."""

from __future__ import annotations

import contextlib

import pytest

from tests.router.world import KEY, Providers, Router, entry, providers_file


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("ROUTER_TEST_KEY", KEY)


@pytest.fixture
def providers():
    made = Providers()
    yield made
    made.close()


@pytest.fixture
def routed(tmp_path, providers):
    """``routed('bad', more=...)`` starts a router that prefers ``bad`` and has ``good`` beside it."""
    with contextlib.ExitStack() as stack:

        def start(*names, flags=(), more="", **environ):
            entries = [entry(name, providers.url, 0.001 * 1000**place, more) for place, name in enumerate(names)]
            return stack.enter_context(Router(providers_file(tmp_path, "".join(entries)), *flags, **environ))

        yield start

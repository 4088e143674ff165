"""Real run folders, the real app behind a real socket, and Chromium to look at it: one browser for the whole suite."""

from __future__ import annotations

import contextlib
import functools
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from werkzeug.serving import WSGIRequestHandler, make_server

from dashboard.app import create_app
from providers.run import Run
from scoring.__main__ import main as score
from tests.browser import chromium
from tests.unit.scoring.synthetic import AWS, AZURE, GCP, Experiment, Law, worker

SCORED, MIXED = "20261123T213000Z-aaaaaa", "20261124T080000Z-bbbbbb"
INVALID = "20261121T090000Z-999999"
RUNNING, UNSCORED = "20261122T100000Z-cccccc", "20261122T110000Z-dddddd"
CORRUPT, BROKEN_CARD = "20261122T120000Z-eeeeee", "20261122T130000Z-ffffff"
MARKUP = "<script>document.title='stolen'</script>"
TWO_TAGS = (
    AWS,
    GCP,
    Law("dead", error_rate=1.0),
    Law("unpriced", prices=None),
    Law("a-provider-with-a-very-long-name-in-sweden", capability=MARKUP, model="<b>bold</b>", gap_s=0.02),
    Law("vllm", capability=MARKUP, gap_s=0.05, ttft_s=1.5, spread=0.6),
)
Visit = Callable[..., Page]


def pytest_collection_modifyitems(items):
    """Flask-Compress leaves a static file that it has packed to the garbage collector."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"))


@pytest.fixture(scope="session")
def results(tmp_path_factory) -> Path:
    """A results folder with a run in every state."""
    folder = tmp_path_factory.mktemp("results")
    for run_id, laws in ((SCORED, (AWS, AZURE, GCP)), (MIXED, TWO_TAGS)):
        score([str(Experiment(laws).write(folder / run_id).path)])
    blind = Experiment(window_s=8, manifest={"workers": [worker(loop_lag_p99_s=0.5)]})
    score([str(blind.write(folder / INVALID).path)])
    for run_id in (UNSCORED, CORRUPT, BROKEN_CARD):
        shutil.copytree(folder / SCORED, folder / run_id)
    shutil.copytree(folder / SCORED, folder / RUNNING)
    unscore(Run(folder / UNSCORED))
    begin(Run(folder / RUNNING))
    Run(folder / CORRUPT).manifest.write_text('{"schema_version": 1,', encoding="utf-8")
    Run(folder / BROKEN_CARD).summary.write_text('{"schema_version": 1}', encoding="utf-8")
    return folder


def unscore(run: Run) -> None:
    run.summary.unlink()
    run.results.unlink()


def begin(run: Run) -> None:
    """As the load process leaves it while it measures."""
    unscore(run)
    run.write_manifest(run.read_manifest() | {"complete": False, "ended": "running"})
    run.live.touch()


def summary_of(results: Path, run_id: str) -> dict:
    return json.loads((results / run_id / "summary.json").read_text(encoding="utf-8"))


class Quiet(WSGIRequestHandler):
    def log(self, type, message, *args):  # noqa: A002 - werkzeug's name
        pass


@contextlib.contextmanager
def served(results: Path) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, create_app(results).server, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def site(results) -> Iterator[str]:
    with served(results) as address:
        yield address


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("home")) as started:
        yield started


@pytest.fixture(scope="session")
def contexts(browser) -> Iterator[Callable[[str, int], BrowserContext]]:
    """One for each look, so that what never changes is fetched once."""

    @functools.cache
    def context(scheme: str, width: int) -> BrowserContext:
        return browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})

    yield context
    for opened in browser.contexts:
        opened.close()


@contextlib.contextmanager
def watched(contexts: Callable[[str, int], BrowserContext], site: str) -> Iterator[Visit]:
    """Opens pages, and in the end holds them to what every page owes: no error, no other host."""
    faults: list[str] = []
    pages: list[Page] = []

    def go(address="/", *, at=site, scheme="light", width=1280):
        page = contexts(scheme, width).new_page()
        pages.append(page)
        page.set_default_timeout(20_000)
        page.on("console", lambda message: message.type == "error" and faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: request.url.startswith((at, "data:", "blob:")) or faults.append(request.url))
        page.goto(at + address)
        page.wait_for_selector("h1")
        return page

    yield go
    for page in pages:
        page.close()
    assert [] == faults


@pytest.fixture
def visit(contexts, site) -> Iterator[Visit]:
    with watched(contexts, site) as go:
        yield go


@pytest.fixture(scope="module")
def read(contexts, site) -> Iterator[Callable[[str], Page]]:
    """The scorecard of a run, opened once for all tests of a module that only look at it."""
    with watched(contexts, site) as go:

        @functools.cache
        def opened(run_id):
            page = go(f"/?run={run_id}")
            page.wait_for_selector(".hero .xtitle")
            return page

        yield opened

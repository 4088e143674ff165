"""The web UI starts and stops measured runs, one folder each, and obeys nobody from elsewhere."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest
import requests

from providers.run import find_runs
from tests.browser import chromium
from tests.e2e.conftest import LOCUST, ROOT

SCREENSHOTS = ROOT / ".cache" / "screenshots"


@contextlib.contextmanager
def serving(folder, *flags, locustfile="locustfiles/compare.py", **env):
    """A running web UI: (its address, its results folder)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = shutil.copy(ROOT / "tests/e2e/data/quick.yaml", folder / "providers.yaml")
    own = ["--web-port", str(port), "--results", str(folder), "--providers", str(file), "--warm-up", "1s"]
    command = [*LOCUST[:-1], str(ROOT / locustfile), *own, *flags]
    child = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, env={**os.environ, **env})
    address = f"http://127.0.0.1:{port}"
    for _ in range(100):
        try:
            requests.get(address, timeout=2)
            break
        except requests.ConnectionError:
            time.sleep(0.1)
    try:
        yield address, folder
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) is not None


@pytest.fixture
def web_ui(tmp_path):
    """Five requests a second."""
    with serving(tmp_path, "--rate", "5") as found:
        yield found


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A tab of a real browser."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with chromium(tmp_path_factory.mktemp("home")) as browser:
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        opened.set_default_timeout(20_000)
        yield opened


def _start(address, **form):
    answer = requests.post(f"{address}/swarm", data={"user_count": 1, "spawn_rate": 1, **form}, timeout=20)
    assert answer.json()["success"], answer.text


def _await_end(results, count):
    """The newest of ``count`` finished runs."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        runs = list(find_runs(results))
        if len(runs) == count and all(run.read_manifest()["ended"] != "running" for run in runs):
            return runs[0].read_manifest()
        time.sleep(0.2)
    raise AssertionError(f"{count} finished runs expected, found {[run.run_id for run in find_runs(results)]}")


def test_a_run_from_the_form_is_timed_by_the_form_and_the_next_has_its_own_folder(web_ui):
    """The run time typed is the measured window; Stop ends a run early; both leave whole folders."""
    address, results = web_ui
    _start(address, run_time="3s")
    first = _await_end(results, 1)
    assert ("finished", 3.0) == (first["ended"], first["config"]["phases"]["window_s"])
    assert {"fast", "slow"} == set(first["counts"])
    rows = requests.get(f"{address}/stats/requests", timeout=5).json()["stats"]
    assert {("TTFT", "fast"), ("chat", "slow")} <= {(row["method"], row["name"]) for row in rows}
    _start(address, run_time="60s")
    time.sleep(3)
    assert requests.post(f"{address}/stop", timeout=30).ok
    second = _await_end(results, 2)
    assert ("stopped", False) == (second["ended"], second["complete"])
    for counts in second["counts"].values():
        assert counts["scheduled"] == counts["finished"] > 0


def test_a_page_from_elsewhere_cannot_start_a_run(web_ui):
    """A POST with a foreign Origin is refused, one with our own is not a matter of origin."""
    address, results = web_ui
    form = {"user_count": 1, "spawn_rate": 1}
    foreign = requests.post(f"{address}/swarm", data=form, headers={"Origin": "http://evil.example"}, timeout=5)
    assert 403 == foreign.status_code
    assert [] == list(find_runs(results))


def test_a_start_that_cannot_be_had_is_refused_in_the_form_with_its_reason(web_ui):
    """The providers file was edited meanwhile: the run would be played by one file and recorded as another."""
    address, results = web_ui
    with (results / "providers.yaml").open("a", encoding="utf-8") as file:
        file.write("  - {name: third}\n")
    answer = requests.post(f"{address}/swarm", data={"user_count": 1, "spawn_rate": 1}, timeout=5).json()
    assert not answer["success"]
    assert "changed since this process started" in answer["message"]
    assert [] == list(find_runs(results))


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("rate", "0", "rate: got '0'; expected a number above 0"),
        ("rate", "-3", "rate: got '-3'; expected a number above 0"),
        ("rate", "many", "rate: got 'many'; expected a number above 0"),
        ("warm_up", "10s", "warm_up: got '10s'; expected a plain number"),
        ("seed", "1.5", "seed: got '1.5'; expected a whole number"),
        ("run_time", "soon", "run time: got 'soon'; expected a time span as 30s or 1m30s"),
        ("spawn_rate", "0", "users per second: got '0'; expected a number above 0"),
    ],
)
def test_a_field_that_no_flag_would_take_is_refused_in_the_form(web_ui, field, value, word):
    """Locust itself would take some of them, and fail over others without a word."""
    address, results = web_ui
    form = {"user_count": 1, "spawn_rate": 1, field: value}
    answer = requests.post(f"{address}/swarm", data=form, timeout=5).json()
    assert (False, word) == (answer["success"], answer["message"])
    assert [] == list(find_runs(results))


def _await_state(address, state):
    deadline = time.monotonic() + 20
    while requests.get(f"{address}/stats/requests", timeout=5).json()["state"] != state:
        assert time.monotonic() < deadline, f"never {state}"
        time.sleep(0.2)


def _rows(page):
    page.wait_for_selector("table tbody tr")
    return [[cell.inner_text() for cell in row.query_selector_all("td")] for row in page.query_selector_all("tbody tr")]


def _await_rows(page, wanted):
    """The table's rows once they satisfy; it is refreshed every two seconds."""
    deadline = time.monotonic() + 25
    while time.monotonic() < deadline:
        found = _rows(page)
        if wanted(found):
            return found
        time.sleep(0.3)
    raise AssertionError(found)


def test_a_person_picks_classes_starts_watches_edits_and_stops(tmp_path, page):
    """In a browser: the picked class runs, the tab fills, the edit is refused in words, the manifest knows."""
    with serving(tmp_path, "--rate", "20", "--class-picker") as (address, results):
        page.goto(address)
        page.get_by_role("row", name="Slow").get_by_role("checkbox").uncheck()
        page.get_by_role("button", name="Start").click()
        page.get_by_role("tab", name="Providers").click()
        (row,) = _await_rows(page, lambda rows: rows[0][-1:] == ["VALID so far"])
        assert "fast" == row[0]
        assert float(row[1]) > 5
        assert row[3].endswith("\N{NO-BREAK SPACE}ms")
        assert "100\N{NO-BREAK SPACE}%" == row[6]
        page.screenshot(path=SCREENSHOTS / "locust-providers.png")
        page.get_by_role("button", name="Edit").click()
        page.get_by_label("Number of users").fill("7")
        page.get_by_role("button", name="Update").click()
        rows = {row[0]: row[-1] for row in _await_rows(page, lambda rows: len(rows) == 2)}
        assert "a run is in progress and its load stays as it began; stop it and start another" == rows["Edit refused"]
        page.screenshot(path=SCREENSHOTS / "locust-edit-refused.png")
        page.get_by_role("button", name="Stop").click()
        manifest = _await_end(results, 1)
    assert ("stopped", {"fast"}) == (manifest["ended"], set(manifest["counts"]))
    start, edit = manifest["edits"]
    assert ("Fast", "") == (start["asked"]["user_classes"], start["refused"])
    assert ("swarm", "7") == (edit["what"], edit["asked"]["user_count"])
    assert edit["refused"]


def test_the_tab_says_what_has_become_invalid_in_words(tmp_path, page):
    """A busy loop beside the load: the row of each provider names the worst reason in full."""
    busy = {"SPIN_FROM_S": "6"}
    with serving(tmp_path, "--rate", "10", locustfile="tests/e2e/data/busy.py", **busy) as (address, _):
        _start(address, run_time="60s")
        _await_state(address, "running")  # until then the page is the form
        page.goto(f"{address}/?tab=providers")
        rows = _await_rows(page, lambda rows: len(rows) == 2 and all("INVALID" in row[-1] for row in rows))
        page.screenshot(path=SCREENSHOTS / "locust-invalid-so-far.png")
        assert {"fast", "slow"} == {row[0] for row in rows}
        assert all(row[-1].startswith("INVALID so far: ") for row in rows)
        assert requests.post(f"{address}/stop", timeout=30).ok


def test_a_change_of_a_class_before_the_start_is_in_the_manifest(tmp_path):
    """What the class picker's gear sends, and a reset of Locust's own table during the run."""
    with serving(tmp_path, "--rate", "5", "--class-picker") as (address, results):
        change = {"user_class_name": "Fast", "weight": 3}
        assert 201 == requests.post(f"{address}/user", json=change, timeout=5).status_code
        _start(address, run_time="3s")
        time.sleep(2)
        assert requests.post(f"{address}/stats/reset", timeout=5).ok
        edits = _await_end(results, 1)["edits"]
    assert ["user", "swarm", "reset"] == [edit["what"] for edit in edits]
    assert change == edits[0]["asked"]


def test_a_weight_that_the_class_picker_changed_decides_how_users_are_shared(tmp_path):
    """Three shares and one: two users cannot be split so, and one provider would have had none."""
    with serving(tmp_path, "--arrivals", "closed", "--class-picker") as (address, results):
        change = {"user_class_name": "Fast", "weight": 3}
        assert 201 == requests.post(f"{address}/user", json=change, timeout=5).status_code
        form = {"user_count": 2, "spawn_rate": 1, "run_time": "3s"}
        said = requests.post(f"{address}/swarm", data=form, timeout=20).text
        assert "-u 2" in said
        assert [] == list(find_runs(results))

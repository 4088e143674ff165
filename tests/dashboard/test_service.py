"""``python -m dashboard`` as a process, and what it refuses to hand out."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from dashboard.app import create_app
from tests.dashboard.conftest import SCORED

COMMAND = (sys.executable, "-m", "dashboard")


def started(*arguments):
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments), "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_it_prints_its_address_serves_there_and_ends_on_ctrl_c(results):
    """The printed address leads to the named run, and Ctrl-C is an orderly end."""
    with started(results / SCORED) as process:
        line = process.stdout.readline()
        address = line.split()[1]
        with urllib.request.urlopen(address, timeout=10) as page:  # noqa: S310 - our own address
            assert "Nephoscope" in page.read().decode()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert address.endswith(f"/?run={SCORED}")
    assert (0, "") == (process.returncode, err)


def test_an_open_host_is_warned_about(results):
    """There is no login: who opens it to others must know."""
    with started(results, "--host", "0.0.0.0") as process:
        process.stdout.readline()
        process.terminate()
        _, err = process.communicate(timeout=20)
    assert err.startswith("Warning: --host 0.0.0.0: whoever reaches it can read every run; there is no login\n")


def test_a_page_under_a_foreign_name_is_refused(results):
    """A name of somebody else's that is made to point at this machine reads nothing."""
    with started(results) as process:
        address = process.stdout.readline().split()[1]
        request = urllib.request.Request(address, headers={"Host": "evil.example"})  # noqa: S310 - our own address
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)  # noqa: S310 - our own address
        refused.value.close()
        process.terminate()
        process.communicate(timeout=20)
    assert 400 == refused.value.code


def test_a_port_that_is_taken_is_one_line(results):
    """Exit 2, nothing but the line."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = refused(results, "--port", port)
    assert f"Error: --host 127.0.0.1 --port {port}: Address already in use; choose another\n" == done.stderr


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nowhere"], "nowhere: no such folder; expected the results of a run, as 'locust --headless' writes them"),
        (["--port", "99999"], "--host 127.0.0.1 --port 99999: bind(): port must be 0-65535.; choose another"),
    ],
)
def test_what_cannot_be_served_is_one_line(tmp_path, arguments, line):
    """Exit 2, and no traceback."""
    (tmp_path / "results").mkdir()
    assert f"Error: {line}\n" == refused(*arguments, cwd=tmp_path).stderr


def refused(*arguments, cwd=None):
    command = [*COMMAND, *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=30, check=False)
    assert (2, "") == (done.returncode, done.stdout)
    return done


@pytest.fixture
def client(results):
    return create_app(results).server.test_client()


@pytest.mark.parametrize(
    "path",
    [f"{SCORED}/live.jsonl", f"{SCORED}/../summary.json", "../summary.json/summary.json", "latest/summary.json", "x/y"],
)
def test_only_named_files_of_listed_runs_are_handed_out(client, path):
    """A closed list of names, and run ids by equality with what was found: anything else is no file."""
    assert "attachment; filename=summary.json" == fetched(client, f"{SCORED}/summary.json")
    assert fetched(client, path) is None


def fetched(client, path):
    with client.get(f"/files/{path}") as answer:
        return answer.headers.get("Content-Disposition")


def test_every_answer_carries_the_policy_against_foreign_content(client):
    """Scripts come from here alone; nothing may frame the page."""
    policy = client.get("/").headers["Content-Security-Policy"]
    scripts = next(rule for rule in policy.split("; ") if rule.startswith("script-src"))
    assert "'unsafe" not in scripts
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'self'" in policy


def test_development_tools_stay_off(client):
    """No debugger and no hot reload in what the page is told."""
    page = client.get("/").text
    assert '"ui":false' in page
    assert '"hot_reload"' not in page

"""Dialects by name: built in, or brought by an installed package, and one more costs one file and one line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from providers.dialects import DIALECTS
from providers.dialects.base import Dialect
from providers.dialects.registry import _MEMBERS
from providers.errors import ConfigError
from providers.roster import load_roster

ROOT = Path(__file__).parents[4]
# A format of its own: the prompt goes as plain text, each line that comes back is a fragment, a dot ends it.
PLAIN = """
from providers.dialects.base import End, Failure, Fragment, Served
from providers.dialects.ndjson import NdjsonFramer
from providers.dialects.posting import post


class Plain:
    name = "plain"
    ignores = frozenset({"seed"})

    def build(self, prompt, provider):
        return post(provider, "/plain", {"text": prompt.messages[-1][1]}, accept="text/plain")

    def framer(self, *, stream):
        return NdjsonFramer()

    def events(self, frame):
        return [End()] if frame == b"." else [Fragment("answer", frame.decode())]

    def failure(self, status, headers, body):
        return Failure("server", body.decode())

    def served(self, headers):
        return Served(model="plain-1")
"""


class PlainServer(BaseHTTPRequestHandler):
    """Says two lines and the dot."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200 if self.path == "/v1/plain" else 404)
        self.end_headers()
        self.wfile.write(b"one\ntwo\n.\n")

    def log_message(self, *_):
        """Not into the test's output."""


@pytest.fixture
def plain_server():
    with ThreadingHTTPServer(("127.0.0.1", 0), PlainServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def providers_file(folder, dialect, base_url="http://127.0.0.1:9/v1", extra=""):
    path = folder / "p.yaml"
    path.write_text(f"providers:\n- {{name: a, type: http, base_url: '{base_url}', dialect: {dialect}{extra}}}\n")
    return path


def check(folder, *arguments):
    """``python -m providers check`` with a folder before everything else on the path."""
    return subprocess.run(
        [sys.executable, "-m", "providers", "check", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(folder)}, cwd=folder, capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip


def install(folder, entry_points, module=PLAIN):
    """A distribution as pip leaves it: a module, and metadata that names it."""
    (folder / "plain_dialect.py").write_text(module)
    info = folder / "plain_dialect-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plain-dialect\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[nephoscope.dialects]\n{entry_points}\n")


def test_every_name_finds_the_dialect_of_that_name():
    """And what is found has all that the contract asks."""
    for name, dialect in DIALECTS.items():
        assert name == dialect.name
        assert [] == [member for member in _MEMBERS if not hasattr(dialect, member)]


def test_the_registry_asks_for_all_of_the_contract():
    """No member of the protocol is forgotten."""
    declared = {*Dialect.__annotations__, *(name for name in vars(Dialect) if not name.startswith("_"))}
    assert declared == set(_MEMBERS)


def test_the_page_tells_of_every_dialect():
    """In the registry's order, each with its address."""
    page = (ROOT / "providers/README.md").read_text(encoding="utf-8")
    section = page.partition("\n## Dialects\n")[2].partition("\n## ")[0]
    told = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]
    assert list(DIALECTS) == list(dict.fromkeys(told))


def test_only_the_dialects_in_use_are_loaded():
    """The load process carries no format that nobody speaks."""
    code = "import sys; from providers.dialects import DIALECTS; DIALECTS['ollama']; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.removeprefix("providers.dialects.") for name in done.stdout.split()}
    assert (True, False) == ("ollama" in loaded, "bedrock_converse" in loaded)


def test_an_unknown_dialect_is_refused_with_the_known_ones(tmp_path):
    """In one line, with the nearest."""
    path = providers_file(tmp_path, "bedrock-convers")
    with pytest.raises(ConfigError) as refused:
        load_roster(path)
    (line,) = str(refused.value).splitlines()
    assert f"{path}:2: provider 'a': key 'dialect': got 'bedrock-convers'; expected one of" in line
    assert "anthropic-messages, bedrock-converse, bedrock-invoke, cohere-v2, ollama, openai-chat" in line
    assert "did you mean 'bedrock-converse'?" in line


def test_a_setting_that_the_dialect_has_no_word_for_is_warned_of(tmp_path):
    """Else a seed would seem to have been sent; one that is known is not warned of."""
    path = providers_file(tmp_path, "anthropic-messages", extra=", request: {seed: 1, top_p: 0.5}")
    (warning,) = load_roster(path).warnings
    assert f"{path}:2: provider 'a': the dialect anthropic-messages has no word for seed, so it is not sent" in warning


def test_an_installed_package_brings_a_dialect(tmp_path, plain_server):
    """Its entry point is found, its request answered, and its name listed beside ours."""
    install(tmp_path, "plain = plain_dialect:Plain")
    done = check(tmp_path, providers_file(tmp_path, "plain", plain_server, ", request: {seed: 1}"), "--live")
    assert 0 == done.returncode, done.stderr
    assert "200 ok" in done.stdout
    assert "the dialect plain has no word for seed" in done.stderr
    refused = check(tmp_path, providers_file(tmp_path, "plane"))
    assert 2 == refused.returncode
    assert "did you mean 'plain'?" in refused.stderr


@pytest.mark.parametrize(
    ("entry_point", "module", "reason"),
    [
        ("plain = plain_dialect:Nobody", PLAIN, "AttributeError"),
        ("plain = missing_module:Plain", PLAIN, "ModuleNotFoundError"),
        ("plain = plain_dialect:Plain", "raise RuntimeError('old')", "RuntimeError: old"),
        ("plain = plain_dialect:Plain", "class Plain:\n    name = 'plain'\n", "it has no ignores, build, framer"),
    ],
)
def test_a_package_that_cannot_be_used_is_one_line(tmp_path, entry_point, module, reason):
    """Before any request: which dialect, whose class, why, and what to do; no traceback."""
    install(tmp_path, entry_point, module)
    done = check(tmp_path, providers_file(tmp_path, "plain"))
    assert 2 == done.returncode
    (line,) = done.stderr.strip().splitlines()
    assert "p.yaml:2: provider 'a': dialect 'plain': " in line
    assert reason in line
    assert "mend or uninstall its package" in line


def test_a_package_cannot_take_a_built_in_name(tmp_path):
    """A measurement that says openai-chat was made by ours."""
    install(tmp_path, "openai-chat = plain_dialect:Plain")
    code = "from providers.dialects import DIALECTS as D; print(type(D['openai-chat']).__name__, len(D) == len({*D}))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(tmp_path)}, cwd=ROOT,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "OpenAIChat True" == done.stdout.strip()


def test_adding_a_dialect_touches_one_new_file_and_one_line(tmp_path, plain_server):
    """In a copy of the package, and a request with it is answered."""
    shutil.copytree(ROOT / "providers", tmp_path / "providers", ignore=shutil.ignore_patterns("__pycache__"))
    dialects = tmp_path / "providers/dialects"
    (dialects / "plain.py").write_text(PLAIN)
    lines = (dialects / "__init__.py").read_text().splitlines(keepends=True)
    last = max(at for at, line in enumerate(lines) if "providers.dialects." in line and ":" in line)
    lines.insert(last + 1, '        "plain": "providers.dialects.plain:Plain",\n')
    (dialects / "__init__.py").write_text("".join(lines))
    path = providers_file(tmp_path, "plain", plain_server)
    done = check(tmp_path, path, "--live")
    assert 0 == done.returncode, done.stderr
    assert "200 ok" in done.stdout

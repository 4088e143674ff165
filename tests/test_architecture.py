"""The shape of the house: which package may meet which, and how large anything may grow."""

from __future__ import annotations

import ast
import io
import re
import shutil
import subprocess
import sys
import tokenize
from pathlib import Path
from statistics import median

import pytest

from providers.dialects import DIALECTS

ROOT = Path(__file__).parents[1]
PACKAGES = ("providers", "locustfiles", "scoring", "dashboard", "router", "infra")
SOURCES = sorted(path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TESTS = sorted(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py"))
PATCHED = {("locustfiles",), ("tests", "load"), ("tests", "bench")}  # processes that begin with Locust
FOLDERS = {*PACKAGES, "results", "tests", ".ci"}


def test_every_import_contract_holds():
    """import-linter finds the packages as pyproject.toml wants them."""
    done = lint_imports(ROOT)
    assert 0 == done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("scoring/card.py", "import pandas", "The score card reads with the standard library alone"),
        ("scoring/score.py", "import locustfiles.engine.users", "Words flow one way"),
        ("dashboard/__init__.py", "import gevent", "Analysis never meets gevent"),
        ("router/__init__.py", "import scoring.score", "Serving stays light"),
        ("providers/spec.py", "import locust", "The vocabulary knows no world"),
        ("locustfiles/engine/load.py", "import asyncio, fastapi", "The load process holds no data frames"),
    ],
)
def test_a_forbidden_import_breaks_its_contract(tmp_path, file, line, broken):
    """The contracts bite, through a chain of our own modules too."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / file).open("a", encoding="utf-8") as source:
        source.write(f"\n{line}\n")
    done = lint_imports(tmp_path)
    assert 1 == done.returncode
    assert re.search(rf"^{broken}.* BROKEN$", done.stdout, re.MULTILINE), done.stdout


def lint_imports(folder):
    command = [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("package", "unseen"),
    [
        ("providers", {"locust", "gevent", "pandas", "numpy"}),
        ("scoring", {"locust", "gevent"}),
        ("dashboard", {"locust", "gevent"}),
        ("router", {"locust", "gevent", "pandas", "numpy"}),
        ("infra", {"locust", "gevent", "pandas", "numpy"}),
    ],
)
def test_a_whole_package_loads_without_the_other_worlds(package, unseen):
    """What the contracts promise on paper holds in a process that has imported every module of it."""
    assert set() == unseen & loaded_by(*modules_of(package))


@pytest.mark.parametrize(
    ("module", "unseen"),
    [
        ("locustfiles", {"locust", "gevent"}),
        ("locustfiles.__main__", {"locust", "gevent"}),
        ("providers.roster", {"starlette", "uvicorn"}),
        ("scoring.card", {"pandas", "numpy", "pydantic", "yaml"}),
    ],
)
def test_a_module_leaves_out_what_its_readers_do_not_need(module, unseen):
    """Importing Locust patches the process, and the rest costs seconds: neither comes unasked."""
    assert set() == unseen & loaded_by(module)


def modules_of(package):
    dotted = (".".join(path.with_suffix("").parts) for path in SOURCES if path.parts[0] == package)
    return [name.removesuffix(".__init__") for name in dotted]


def loaded_by(*modules):
    script = f"import sys, {', '.join(modules)}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    return set(done.stdout.split())


def test_locust_is_imported_by_the_load_process_only():
    """Anywhere else, even inside a function, it would patch a process that must stay plain."""
    plain = [path for path in SOURCES + TESTS if PATCHED.isdisjoint({path.parts[:1], path.parts[:2]})]
    strays = [path for path in plain if "locust" in imports(path)]
    assert [] == strays


def imports(path):
    """The top-level packages that a file names in its import statements."""
    names = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def parsed(path):
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_a_file_fits_its_budget(path):
    """One noun a file: what outgrows its lines holds two."""
    lines = len((ROOT / path).read_text(encoding="utf-8").splitlines())
    assert lines <= line_budget(path)


def line_budget(path):
    if path.name == "__main__.py":
        return 80
    if path.parent == Path("locustfiles"):
        return 60
    if path.parent == Path("providers/dialects") and path.stem.replace("_", "-") in DIALECTS:
        return 150
    return 400


def test_no_function_needs_scrolling():
    """Sixty lines is the most."""
    long = [f"{path}:{name}" for path in SOURCES for name, lines in functions(path) if lines > 60]
    assert [] == long


@pytest.mark.parametrize("package", PACKAGES)
def test_functions_are_short_in_the_middle(package):
    """The median function of a package is at most ten lines."""
    lengths = [lines for path in SOURCES if path.parts[0] == package for _, lines in functions(path)]
    assert median(lengths or [0]) <= 10


def functions(path):
    """(name, lines) of every function and method in a file."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.end_lineno - node.lineno + 1


def test_the_router_stays_small():
    """Lines that hold code, without blanks, comments and docstrings; DESIGN.md says what was wanted and missed."""
    assert sum(code_lines(path) for path in SOURCES if path.parts[0] == "router") <= 1400


def code_lines(path):
    """How many lines of a file hold code."""
    text = (ROOT / path).read_text(encoding="utf-8")
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    found = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in silent:
            found |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            found -= set(range(node.lineno, node.end_lineno + 1))
    return len(found)


def test_no_locustfile_hides_a_package():
    """Locust imports a locustfile under its bare stem: locustfiles/providers.py would replace providers."""
    stems = {path.stem for path in (ROOT / "locustfiles").glob("*.py")}
    assert set() == stems & {*PACKAGES, "locust", "engine", "tests"}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_the_one_of_this_checkout(package):
    """The names are common ones: an installed namesake must not shadow ours."""
    done = subprocess.run(
        [sys.executable, "-c", f"import {package}; print({package}.__file__)"],
        cwd=ROOT.parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ROOT / package / "__init__.py" == Path(done.stdout.strip())


def test_the_top_level_shows_the_design_and_nothing_else():
    """Every committed folder is one of the design's."""
    assert set() == {Path(name).parts[0] for name in committed() if "/" in name} - FOLDERS


def test_no_committed_file_names_a_path_of_one_machine():
    """What is published must work anywhere, and tells nothing of where it was written."""
    told = re.compile(rb"(?<![\w.)}\]-])/(work|root)\b")
    named = [name for name in committed() if (ROOT / name).is_file() and told.search((ROOT / name).read_bytes())]
    assert [] == named


def committed():
    command = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return listed.stdout.splitlines()


def test_every_exemption_from_ruff_says_why():
    """A rule that is switched off carries its reason on the same line."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text[text.index("[tool.ruff.lint]") : text.index("[tool.ruff.lint.mccabe]")]
    silent = [line for line in section.splitlines() if re.match(r'\s+"[A-Z]+\d*",', line) and "# " not in line]
    assert [] == silent

"""The wheel: an editable install hides files that were never packed, so one is built and read on its own."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("providers", "locustfiles", "scoring", "dashboard", "router", "infra")
DATA = ("*.yaml", "*.txt", "*.css", "*.js", "*.svg", "*.html", "*.conf", "*.bib", "py.typed")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds what the wheel installs and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, ROOT]
    subprocess.run([*pip, *build], check=True)
    (wheel,) = folder.glob("nephoscope-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", folder / "site", wheel], check=True)
    return folder / "site"


def run_installed(site, script):
    """Run a script that sees the wheel and the dependencies, but neither this checkout nor its editable install."""
    path = os.pathsep.join([str(site), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    return subprocess.run(
        [sys.executable, "-S", "-c", script],  # -S: no .pth file, by which an editable install would be found
        cwd=site.parent, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_wheel_brings_the_six_packages(installed):
    """Each is imported from the wheel."""
    done = run_installed(
        installed, f"import {', '.join(PACKAGES)}\nprint({', '.join(f'{name}.__file__' for name in PACKAGES)})"
    )
    assert "" == done.stderr
    assert [str(installed / name / "__init__.py") for name in PACKAGES] == done.stdout.split()


@pytest.mark.parametrize(
    "file",
    [
        "providers/mock.yaml",
        "providers/workloads/chat.yaml",
        "providers/workloads/words.txt",
        "scoring/profiles/chat-v1.yaml",
        "locustfiles/open.conf",
    ],
)
def test_the_wheel_brings_the_files_that_programs_read(installed, file):
    """The embedded defaults are there."""
    assert (installed / file).is_file()


@pytest.mark.parametrize("package", PACKAGES)
def test_no_data_file_is_left_behind(installed, package):
    """Every table, text, style and picture of a package is packed with it."""
    here = {path.relative_to(ROOT) for pattern in DATA for path in (ROOT / package).rglob(pattern)}
    there = {path.relative_to(installed) for pattern in DATA for path in (installed / package).rglob(pattern)}
    assert set() == here - there


def test_the_default_experiment_loads_from_the_wheel(installed):
    """Providers and workload are found beside the code, wherever one stands."""
    script = """
from pathlib import Path
import providers
from providers.roster import load_roster
from providers.workload import load_workload
load_workload("chat")
print(*(provider.name for provider in load_roster(Path(providers.__file__).with_name("mock.yaml")).providers))
"""
    done = run_installed(installed, script)
    assert ["aws", "azure", "gcp"] == done.stdout.split(), done.stderr


def test_nothing_else_is_installed(installed):
    """Tests, results and plumbing stay in the checkout."""
    assert {*PACKAGES} == {path.name for path in installed.iterdir() if path.suffix != ".dist-info"}

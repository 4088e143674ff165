"""A credential that cannot be had is told before the first request: one line, exit 2, no run folder."""

from __future__ import annotations

import os

import pytest

from providers.run import find_runs

FILE = """
providers:
  - {name: fine, type: mock}
  - {name: cloud, type: http, base_url: "http://127.0.0.1:9/v1", region: us-east-1, auth: {kind: KIND}}
"""
# A package that is not installed, as Python sees it.
HIDE = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("botocore", "google", "azure"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
"""


@pytest.mark.parametrize(("kind", "extra"), [("aws-sigv4", "aws"), ("gcp-oauth", "gcp"), ("azure-entra", "azure")])
def test_a_missing_package_is_one_line_that_names_the_extra(locust, tmp_path, kind, extra):
    """Also where the web UI would wait for hours before anything is sent."""
    (tmp_path / "providers.yaml").write_text(FILE.replace("KIND", kind), encoding="utf-8")
    (tmp_path / "sitecustomize.py").write_text(HIDE, encoding="utf-8")
    for headless in (True, False):
        outcome = locust(
            "--providers", str(tmp_path / "providers.yaml"), headless=headless, env={"PYTHONPATH": str(tmp_path)}
        )
        assert 2 == outcome.code
        (line,) = outcome.error_lines()
        assert "providers.yaml: provider 'cloud': key 'auth.kind': " in line
        assert line.endswith(f"run: pip install -e '.[{extra}]'")
        assert "Traceback" not in outcome.err
        assert [] == list(find_runs(outcome.results))


def test_credentials_that_nobody_gave_are_one_line_before_any_request(locust, tmp_path):
    """The other provider is not asked either: a comparison without one of its sides is none."""
    (tmp_path / "providers.yaml").write_text(FILE.replace("KIND", "aws-sigv4"), encoding="utf-8")
    nobody = {name: "" for name in os.environ if name.startswith("AWS_")}
    nobody |= {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(tmp_path)}
    outcome = locust("--providers", str(tmp_path / "providers.yaml"), "-t", "2s", env=nobody)
    assert 2 == outcome.code
    (line,) = outcome.error_lines()
    assert "provider 'cloud': key 'auth': aws-sigv4 gave no credential (NoCredentialsError" in line
    assert "run 'aws configure'" in line
    assert "Traceback" not in outcome.err
    assert [] == list(find_runs(outcome.results))

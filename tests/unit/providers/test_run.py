"""Runs: folders, manifests, and the newest one."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest

from providers.errors import RunError
from providers.run import MANIFEST_VERSION, RUN_ID, Run, create_run, find_runs

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def test_a_run_is_named_by_time_and_hash(tmp_path):
    """UTC time and six digits of the config hash; latest points at it."""
    run = create_run(tmp_path / "results", "abcdef0123", NOON)
    assert "20261123T120000Z-abcdef" == run.run_id
    assert RUN_ID.match(run.run_id)
    assert run.path == (tmp_path / "results" / "latest").resolve()


def test_two_runs_of_one_second_do_not_share_a_folder(tmp_path):
    """The second gets a suffix, and is the latest."""
    first, second = (create_run(tmp_path, "abcdef", NOON) for _ in range(2))
    assert f"{first.run_id}-2" == second.run_id
    assert second.path == (tmp_path / "latest").resolve()


def test_a_manifest_comes_back_as_written(tmp_path):
    """With its schema version, and without a scratch file left over."""
    run = create_run(tmp_path, "abcdef")
    run.write_manifest({"a": [1, None, "x"]})
    assert {"schema_version": MANIFEST_VERSION, "a": [1, None, "x"]} == run.read_manifest()
    assert ["manifest.json"] == [file.name for file in run.path.iterdir()]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file; expected a run folder"),
        ("{", "cannot be read as JSON"),
        ("[]", "key 'schema_version': got None"),
        ('{"schema_version": "1"}', "got '1'; expected a whole number"),
        (json.dumps({"schema_version": MANIFEST_VERSION + 1}), "is newer than this program's"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_one_line(tmp_path, content, words):
    """Missing, broken, or of a newer program: told apart, with the remedy."""
    run = Run(tmp_path)
    if content is not None:
        run.manifest.write_text(content)
    with pytest.raises(RunError, match=re.escape(words)):
        run.read_manifest()


def test_runs_are_found_newest_first(tmp_path):
    """Folders without a manifest, files and the link latest are no runs."""
    for hour in (10, 12, 11):
        create_run(tmp_path, "abcdef", NOON.replace(hour=hour)).write_manifest({})
    create_run(tmp_path, "empty0", NOON)
    (tmp_path / "notes.txt").touch()
    assert ["20261123T120000Z-abcdef", "20261123T110000Z-abcdef", "20261123T100000Z-abcdef"] == [
        run.run_id for run in find_runs(tmp_path)
    ]
    assert [] == list(find_runs(tmp_path / "nowhere"))


def test_a_results_folder_that_cannot_be_made_is_one_line(tmp_path):
    """A file stands where the folder should be."""
    (tmp_path / "results").touch()
    with pytest.raises(RunError, match=r"--results .*: cannot be written .*; name a folder you may write to"):
        create_run(tmp_path / "results", "abcdef")

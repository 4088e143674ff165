"""A Run is where answers lie: the folder ``results/<run_id>/``, its file names and its manifest.

It does not know what the files mean: samples are ``providers.sample``'s, scores are ``scoring``'s.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from providers.errors import RunError

MANIFEST_VERSION = 1
RUN_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")


@dataclass(frozen=True, slots=True)
class Run:
    """The files of one run; none of them need exist yet."""

    path: Path

    @property
    def run_id(self) -> str:
        return self.path.name

    @property
    def manifest(self) -> Path:
        return self.path / "manifest.json"

    @property
    def samples(self) -> Path:
        return self.path / "samples.csv"

    @property
    def live(self) -> Path:
        return self.path / "live.jsonl"

    @property
    def truth(self) -> Path:
        """What the simulator itself logged, request by request; only where mock providers ran here."""
        return self.path / "truth.csv"

    @property
    def self_check(self) -> Path:
        """How far off the TTFT of a known target was, request by request; no samples."""
        return self.path / "self_check.csv"

    @property
    def results(self) -> Path:
        return self.path / "results.csv"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    def read_manifest(self) -> dict[str, Any]:
        """The manifest; RunError when it is missing, broken, or of a newer schema than this program knows."""
        return read_versioned(self.manifest, MANIFEST_VERSION)

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        write_atomically(self.manifest, json.dumps({"schema_version": MANIFEST_VERSION, **manifest}, indent=1) + "\n")


def read_versioned(path: Path, newest: int) -> dict[str, Any]:
    """A JSON object with a ``schema_version`` no newer than ``newest``; RunError otherwise, naming the file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path}: no such file; expected a run folder, as 'locust --headless' writes it") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read as JSON ({error}); the run is corrupt, make it again") from None
    version = document.get("schema_version") if isinstance(document, dict) else None
    if not isinstance(version, int):
        raise RunError(f"{path}: key 'schema_version': got {version!r}; expected a whole number")
    if version > newest:
        raise RunError(f"{path}: schema {version} is newer than this program's {newest}; update Nephoscope")
    return dict(document)


def write_atomically(path: Path, text: str) -> None:
    """Readers see the old file or the new one, never half of it."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)


def create_run(results: Path, digest: str, at: datetime | None = None) -> Run:
    """A new, empty run folder and ``results/latest`` pointing at it; RunError when it cannot be written.

    ``digest`` is the config hash; its first six digits tell runs of one second apart.
    """
    moment = (at or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    stem = f"{moment}-{digest[:6]}"
    try:
        results.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, 100):
            path = results / (stem if attempt == 1 else f"{stem}-{attempt}")
            try:
                path.mkdir()
            except FileExistsError:
                continue
            _point_latest(results, path.name)
            return Run(path)
    except OSError as error:
        raise RunError(
            f"--results {results}: cannot be written ({error.strerror}); name a folder you may write to"
        ) from None
    raise RunError(f"--results {results}: a hundred runs named {stem}; try again in a second")


def _point_latest(results: Path, run_id: str) -> None:
    scratch = results / f".latest.{os.getpid()}"
    scratch.unlink(missing_ok=True)
    scratch.symlink_to(run_id)
    scratch.replace(results / "latest")


def find_runs(results: Path) -> Iterator[Run]:
    """Every run folder of a results folder, newest first; ids that no program of ours would write are not offered."""
    if not results.is_dir():
        return
    for path in sorted(results.iterdir(), key=lambda p: p.name, reverse=True):
        if RUN_ID.match(path.name) and not path.is_symlink() and (path / "manifest.json").is_file():
            yield Run(path)

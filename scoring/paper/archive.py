"""An Archive is the kit as one ZIP, and the checksums by which anyone can tell that nothing in it was changed.

The same files give the same bytes. It does not know what is in them.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

CHECKSUMS, ARCHIVE = "checksums.txt", "paper.zip"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that ZIP can tell: these files have no date


def checksums(folder: Path, names: Sequence[str]) -> str:
    """As ``sha256sum -c checksums.txt`` reads them."""
    return "".join(f"{_sha256(folder / name)}  {name}\n" for name in sorted(names))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_archive(folder: Path, names: Sequence[str]) -> None:
    scratch = folder / f".{ARCHIVE}"
    with zipfile.ZipFile(scratch, "w") as archive:
        for name in sorted(names):
            entry = zipfile.ZipInfo(f"paper/{name}", _EPOCH)
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            with (folder / name).open("rb") as file, archive.open(entry, "w") as packed:
                while block := file.read(1 << 20):
                    packed.write(block)
    scratch.replace(folder / ARCHIVE)

"""The samples of a run as Parquet: every row and column that could be read, whole numbers as whole numbers.

It drops nothing on purpose and scores nothing.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from providers.errors import RunError
from providers.sample import COLUMNS, kind_of
from scoring.frame import read_table

_TYPES = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "str": pa.string()}


def write_parquet(samples: Path, out: Path) -> None:
    """Empty cells of numbers are nulls: never measured."""
    try:
        table = read_table(samples, {column: _TYPES[kind_of(column)] for column in COLUMNS}, [])
    except pa.ArrowInvalid as error:  # in a column that no score needs
        raise RunError(
            f"{samples}: {error}; expected rows as providers.sample writes them, remove the bad row"
        ) from None
    scratch = out.with_name(f".{out.name}")
    parquet.write_table(table, scratch, compression="zstd", store_schema=False)
    scratch.replace(out)

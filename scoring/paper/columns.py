"""The samples of a run as Parquet: every row and column that could be read, whole numbers as whole numbers.

It drops nothing on purpose and scores nothing.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from providers.sample import COLUMNS, kind_of
from scoring.frame import read_table

_TYPES = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "str": pa.string()}


def write_parquet(samples: Path, out: Path) -> None:
    """Empty cells of numbers are nulls: never measured."""
    table = read_table(samples, {column: _TYPES[kind_of(column)] for column in COLUMNS}, [])
    scratch = out.with_name(f".{out.name}")
    parquet.write_table(table, scratch, compression="zstd", store_schema=False)
    scratch.replace(out)

"""The rows of a query as COPY writes them, which are exact and the same whatever the types are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from ...engines.postgres.session import Session
from ..databases import Value
from .values import Decoder, column_of

__all__ = ["answer_of", "copied_lines"]

_IN_MEMORY = 8 * 1024 * 1024
"""Bytes of an answer of the server that are kept in memory; more goes to a file."""
_BETWEEN_TYPES = "\x01"


def copied_lines(session: Session, query: str, scratch: Path) -> Iterator[bytes]:
    """Yield the lines of COPY for a query, without their ends."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(scratch)) as kept:
        session.copy_query(query, kept.write)
        kept.seek(0)
        for line in kept:
            yield line[:-1]


def answer_of(session: Session, sql: str, most: int, scratch: Path) -> tuple[tuple[str, ...], list[tuple[Value, ...]]]:
    """Return the columns of a query and at most so many of its rows; raises what the server says of wrong SQL.

    asyncpg's own values are not asked for: they lack dates before Christ, infinite ones, and months of intervals.
    """
    asked = f"({sql.rstrip().rstrip(';')}\n)"
    # Taken as one statement first: a COPY is sent as a text that could hold several.
    session.rows(f"EXPLAIN {sql}")
    session.rows(f"EXPLAIN SELECT * FROM {asked} AS asked")
    columns = session.columns_of(f"SELECT * FROM {asked} AS asked")
    called = [f"c{number}" for number in range(len(columns))]
    types = ", ".join(f"pg_catalog.pg_typeof({each})::text" for each in called)
    joined = f"pg_catalog.array_to_string(ARRAY[{types}]::text[], E'\\x01')"
    alias = f"asked ({', '.join(called)})" if called else "asked"
    found: list[tuple[Value, ...]] = []
    for line in copied_lines(session, f"SELECT {joined}, * FROM {asked} AS {alias} LIMIT {most}", scratch):
        declared, _, values = line.partition(b"\t")
        kinds = declared.decode("utf-8", "replace").split(_BETWEEN_TYPES) if called else []
        decoder = Decoder(
            [column_of(name, kind, generated=False) for name, kind in zip(called, kinds, strict=True)], session.encoding
        )
        found.append(tuple(decoder.row(values).values()))
    return columns, found

"""Load a table in a transaction of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager

from ..session import Session

__all__ = ["fresh_table", "transaction"]


@contextlib.contextmanager
def transaction(session: Session, begin: str) -> Iterator[None]:
    """Begin a transaction for the block with a statement, commit it at its end, roll back on an error."""
    session.execute(begin)
    try:
        yield
    except BaseException:
        # The error is what matters; if the connection is lost, the server rolls back by itself.
        with contextlib.suppress(Exception):
            session.execute("ROLLBACK")
        raise
    session.execute("COMMIT")


def fresh_table(session: Session, table: str) -> AbstractContextManager[None]:
    """Return a transaction for loading a new table.

    With TRUNCATE before them in the same transaction the rows go into a new file one after another, as they do if the
    table is made in it: so they lie in the order of the dump, and COPY returns the same bytes. It also allows FREEZE:
    otherwise the first to read the rows would write all pages again to note that they are valid
    (https://www.postgresql.org/docs/current/sql-copy.html).
    """
    return transaction(session, f"BEGIN; TRUNCATE ONLY {table}")

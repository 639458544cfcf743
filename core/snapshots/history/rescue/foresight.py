"""What SQLite would say of steps before they are done: which rows it refuses, and which unique values are taken.

Each row is written to a copy of its table in memory, which has today's schema and no other row; so checks, types,
defaults and generated columns are what SQLite makes of them. The keys that it has in the unique indexes are computed
there, and looked for in the live database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing

from ..databases import Database, Value, quoted
from ..tables import Table, same_value, selected
from .indexes import UniqueIndex, unique_indexes
from .rows import common_columns, named
from .states import Collision, Foreseen, Stored
from .steps import Step, Values

__all__ = ["as_held_today", "foresee"]

_MISSING = "NOT NULL constraint failed: "
_CHECK = "CHECK constraint failed: "


def foresee(database: Database, table: Table, steps: Sequence[Step]) -> Foreseen:
    """Return what stands against steps, all of one table of the live database."""
    indexes = unique_indexes(database, table)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as trial:
        refused = _copy_schema(database, table, trial)
        if refused is not None:
            return Foreseen(dict.fromkeys(range(len(steps)), refused))
        problems: dict[int, str] = {}
        unchanged: set[int] = set()
        collisions: list[Collision] = []
        left: dict[tuple[UniqueIndex, tuple[Value, ...]], int] = {}
        for number, step in enumerate(steps):
            database.watch.check()
            if step.kind == "delete":
                continue
            problem = _tried(trial, table, step)
            if problem is not None:
                problems[number] = problem
                continue
            if step.kind == "update" and _is_unchanged(trial, table, step):
                unchanged.add(number)
                continue
            for index, key in _keys(trial, table, indexes):
                collisions += [Collision(number, index.unique, row) for row in _holders(database, table, index, key)]
                place = index, index.folded(key)
                if place in left:
                    collisions.append(Collision(number, index.unique, other=left[place]))
                left.setdefault(place, number)
    return Foreseen(problems, frozenset(unchanged), tuple(collisions))


def as_held_today(database: Database, table: Table, rows: Sequence[Stored]) -> list[Stored]:
    """Return rows with their values as the columns of a table of the live database hold them, where they can."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as trial:
        if _copy_schema(database, table, trial) is not None:
            return list(rows)
        return [row._replace(values=_held(trial, table, row)) for row in rows]


def _held(trial: sqlite3.Connection, table: Table, row: Stored) -> Values:
    names = {name: named(row.values, name) for name in common_columns(table, row)}
    try:
        trial.execute(f"DELETE FROM {quoted(table.name)}")
        if not names or not _put(trial, table, {name: row.values[then] for name, then in names.items()}):
            return row.values
        held = trial.execute(f"SELECT {', '.join(map(quoted, names))} FROM {quoted(table.name)}").fetchone()
    except sqlite3.Error:
        return row.values
    return row.values | dict(zip(names.values(), held, strict=True))


def _copy_schema(database: Database, table: Table, trial: sqlite3.Connection) -> str | None:
    """Make the table without its rows; return why that cannot be, or None."""
    encoding = database.one("PRAGMA encoding")
    if encoding is not None:
        trial.execute(f"PRAGMA encoding = '{encoding[0]!s}'")
    schema = database.all(
        "SELECT sql FROM sqlite_schema WHERE tbl_name = ? COLLATE NOCASE AND type IN ('table', 'index') "
        "AND sql IS NOT NULL ORDER BY type DESC",
        (table.name,),
    )
    try:
        for (sql,) in schema:
            trial.execute(str(sql))
    except sqlite3.Error as error:
        return _sentence(error)
    return None


def _tried(trial: sqlite3.Connection, table: Table, step: Step) -> str | None:
    """Leave in the table the row of a step alone; return why SQLite refuses it, or None."""
    try:
        trial.execute(f"DELETE FROM {quoted(table.name)}")
        if step.kind == "insert" or step.before is None:
            _insert(trial, table, step.written)
        elif _put(trial, table, step.before):
            changed = ", ".join(f"{quoted(name)} = ?" for name in step.values)
            trial.execute(f"UPDATE OR ABORT {quoted(table.name)} SET {changed}", tuple(step.values.values()))
        else:
            _insert(trial, table, {**step.before, **step.values})
    except (sqlite3.Error, OverflowError) as error:
        return _sentence(error)
    return None


def _put(trial: sqlite3.Connection, table: Table, row: Values) -> bool:
    """Put a row in that is there now, whatever the checks say; return False if not even that can be."""
    trial.execute("PRAGMA ignore_check_constraints = ON")
    try:
        _insert(trial, table, row)
    except sqlite3.IntegrityError:
        return False
    finally:
        trial.execute("PRAGMA ignore_check_constraints = OFF")
    return True


def _insert(trial: sqlite3.Connection, table: Table, row: Values) -> None:
    generated = {column.name for column in table.columns if column.generated}
    values = {name: value for name, value in row.items() if name not in generated}
    names, places = ", ".join(map(quoted, values)), ", ".join("?" * len(values))
    trial.execute(f"INSERT OR ABORT INTO {quoted(table.name)} ({names}) VALUES ({places})", tuple(values.values()))


def _is_unchanged(trial: sqlite3.Connection, table: Table, step: Step) -> bool:
    """Return True if an update changes nothing: today's columns hold the values in another form."""
    row = trial.execute(f"SELECT {selected(table)} FROM {quoted(table.name)}").fetchone()
    before = step.before or {}
    return all(same_value(before.get(name), value) for name, value in zip(table.names, row, strict=True))


def _keys(
    trial: sqlite3.Connection, table: Table, indexes: Sequence[UniqueIndex]
) -> Iterator[tuple[UniqueIndex, tuple[Value, ...]]]:
    """Yield the keys of the row in the unique indexes that hold it; a NULL in a key makes it equal to none."""
    for index in indexes:
        where = f" WHERE {index.condition}" if index.condition else ""
        key = trial.execute(f"SELECT {', '.join(index.terms)} FROM {quoted(table.name)}{where}").fetchone()
        if key is not None and None not in key:
            yield index, key


def _holders(database: Database, table: Table, index: UniqueIndex, key: tuple[Value, ...]) -> list[Stored]:
    number = table.rowid_quoted if table.rowid else "NULL"
    sql = f"SELECT {number}, {selected(table)} FROM {quoted(table.name)} WHERE {index.same}"
    rows = database.all(sql, key)
    return [
        Stored(dict(zip(table.names, row[1:], strict=True)), row[0] if isinstance(row[0], int) else None)
        for row in rows
    ]


def _sentence(error: Exception) -> str:
    """Return why SQLite refuses a row, as the end of a sentence that begins with the row."""
    said = str(error)
    if said.startswith(_MISSING):
        return f"{said.rpartition('.')[2]} must have a value, and there was none then"
    if said.startswith(_CHECK):
        return f"a check of today forbids it ({said.removeprefix(_CHECK)})"
    return f"the database does not take it today ({said})"

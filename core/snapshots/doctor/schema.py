"""What is in the database: rows by table, the columns that hold JSON, and the table that looks like the players'."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ..engines.sqlite.connections import reading, reading_image
from ..errors import QueryError, SnapshotError
from ..history.databases import Database
from ..history.databases import quoted as quoted_for_sqlite
from ..history.player import find_player
from ..history.questions import PlayerSettings
from ..history.tables import Column, ForeignKey, Table, read_tables, table_called
from ..models import PlayerTables
from ..progress import Watch
from ..settings.conninfo import parse_conninfo
from ..settings.database_url import DatabaseUrl
from .models import Contents
from .search import is_at_rest

__all__ = ["read_contents"]

_SAMPLE = 1000
_PLAYERS_MOST = 1_000_000
_CRITICAL_MOST = 20
_DISCORD_ID = re.compile(r"\d{17,20}")
_NOT_CRITICAL = ("log", "migration", "alembic_version", "cache", "session", "audit", "cooldown", "schema_version")

_PG_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), n.nspname
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
 ORDER BY n.nspname, c.relname, a.attnum
"""
_PG_KEYS = """
SELECT c.relname, k.contype::text, f.relname,
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(num, at)
               JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num ORDER BY u.at),
       ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(num, at)
               JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num ORDER BY u.at)
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid LEFT JOIN pg_class f ON f.oid = k.confrelid
 WHERE k.contype IN ('p', 'f')
"""


def read_contents(url: DatabaseUrl, busy_timeout: float, watch: Watch, asked: PlayerSettings) -> Contents:
    """Return what is in a database; ``asked`` is what the settings say of the player. Blocks.

    Raises DatabaseMissing, DatabaseUnavailable, DatabaseDamaged and more.
    """
    if url.engine == "sqlite":
        return _sqlite_contents(Path(url.path or "").resolve(), busy_timeout, watch, asked)
    return _postgres_contents(url, watch, asked)


def _sqlite_contents(path: Path, busy_timeout: float, watch: Watch, asked: PlayerSettings) -> Contents:
    at_rest = path.is_file() and is_at_rest(path)
    with reading_image(path, watch) if at_rest else reading(path, busy_timeout, watch) as connection:
        database = Database(connection, "the live database", watch)
        tables = read_tables(database)
        rows = {}
        for name in tables:
            counted = database.one(f"SELECT count(*) FROM {quoted_for_sqlite(name)}")
            rows[name] = int(counted[0]) if counted else 0  # type: ignore[arg-type]

        def sample(table: str, column: str, most: int = _SAMPLE) -> Iterable[Any]:
            name = quoted_for_sqlite(column)
            query = f"SELECT {name} FROM {quoted_for_sqlite(table)} WHERE {name} IS NOT NULL LIMIT {most}"
            return [value for (value,) in database.rows(query)]

        return _contents(tables, rows, sample, asked)


def _postgres_contents(url: DatabaseUrl, watch: Watch, asked: PlayerSettings) -> Contents:
    # Imported here, because only a bot with such a database has the driver.
    from ..engines.postgres.client_tools import find_tools
    from ..engines.postgres.connection import Address, resolve_service
    from ..engines.postgres.session import connected, quoted

    with connected(Address(resolve_service(parse_conninfo(url.text))), watch, lock_timeout=5.0) as session:
        columns: dict[str, list[Column]] = {}
        schemas = {}
        for table, column, kind, schema in session.rows(_PG_COLUMNS):
            columns.setdefault(table, []).append(Column(column, kind))
            schemas[table] = schema
        keys, foreign = {}, dict[str, list[ForeignKey]]()
        for table, kind, other, of, to in session.rows(_PG_KEYS):
            if kind == "p":
                keys[table] = tuple(of)
            else:
                foreign.setdefault(table, []).append(ForeignKey(tuple(of), other, tuple(to)))
        tables = {
            name: Table(
                name=name,
                sql="",
                root=0,
                columns=tuple(found),
                key=keys.get(name, ()),
                rowid=None,
                without_rowid=True,
                integer_key=False,
                foreign_keys=tuple(foreign.get(name, ())),
            )
            for name, found in columns.items()
        }
        rows = {name: int(session.value(f"SELECT count(*) FROM {quoted(schemas[name], name)}")) for name in tables}

        def sample(table: str, column: str, most: int = _SAMPLE) -> Iterable[Any]:
            name = quoted(column)
            query = f"SELECT {name}::text FROM {quoted(schemas[table], table)} WHERE {name} IS NOT NULL LIMIT {most}"
            return [value for (value,) in session.rows(query)]

        remarks: tuple[str, ...]
        lacking: tuple[str, ...]
        try:
            tools = find_tools(session.version)
            remarks, lacking = (f"pg_dump and psql {tools.major}.{tools.minor} are in {tools.folder}.",), ()
        except SnapshotError as error:
            remarks, lacking = (), (str(error),)
        found = _contents(tables, rows, sample, asked)
    return msgspec.structs.replace(found, remarks=remarks, lacking=lacking)


def _contents(
    tables: Mapping[str, Table],
    rows: dict[str, int],
    sample: Callable[..., Iterable[Any]],
    asked: PlayerSettings,
) -> Contents:
    json_columns = []
    for table in tables.values():
        for column in table.columns:
            expects = _json_kind(sample(table.name, column.name)) if _may_hold_text(column) else None
            if expects is not None:
                json_columns.append(f"{table.name}.{column.name}" + ("" if expects == "list" else f":{expects}"))
    try:
        player = find_player(tables, asked)
    except QueryError as error:
        critical = _important([name for name, count in rows.items() if count])
        why = str(error) if rows else ""
        return Contents(tables=rows, json_columns=tuple(json_columns), critical=critical, player_why=why)
    owned = dict.fromkeys([player.table, *(name for name, _ in player.references)])
    return Contents(
        tables=rows,
        json_columns=tuple(json_columns),
        player=f"{player.table}.{player.column}",
        references=tuple(f"{table}.{column}" for table, column in player.references if table != player.table),
        player_why=player.why,
        critical=_important([name for name in owned if rows.get(name)]),
        called=player.called,
        unnamed=tuple(_unnamed(tables, player, sample, asked)),
        unknown=tuple(text for text in (*asked.also, *asked.never) if not _is_there(tables, text)),
    )


def _unnamed(
    tables: Mapping[str, Table], player: PlayerTables, sample: Callable[..., Iterable[Any]], asked: PlayerSettings
) -> Iterator[str]:
    """Yield the columns whose values are all Discord ids of players although nothing says so."""
    if not _are_discord_ids(sample(player.table, player.column)):
        return
    known = {*player.references, *((player.table, name) for name in player.called)}
    never = {text.lower() for text in asked.never}
    ids: set[str] | None = None
    for table in tables.values():
        for column in table.columns:
            called = {table.name.lower(), f"{table.name}.{column.name}".lower()}
            if (table.name, column.name) in known or not never.isdisjoint(called):
                continue
            values = set(map(str, sample(table.name, column.name)))
            if _are_discord_ids(values):
                ids = ids or set(map(str, sample(player.table, player.column, _PLAYERS_MOST)))
                if values <= ids:
                    yield f"{table.name}.{column.name}"


def _are_discord_ids(values: Iterable[Any]) -> bool:
    """Return True if there are values, and all are numbers that Discord gives out."""
    found = [str(value) for value in values]
    return bool(found) and all(_DISCORD_ID.fullmatch(text) for text in found)


def _is_there(tables: Mapping[str, Table], text: str) -> bool:
    """Return True if there is a table, or a column of a table, that is called so in the settings."""
    name, _, column = text.rpartition(".")
    table = table_called(tables, name)
    return table_called(tables, text) is not None or (table is not None and table.column(column) is not None)


def _may_hold_text(column: Column) -> bool:
    kind = column.type.lower()
    return any(word in kind for word in ("text", "char", "json", "clob", "blob")) or not kind


def _json_kind(values: Iterable[Any]) -> str | None:
    """Return what all values are at their top level, or None if one is no JSON or none is a list or an object."""
    kinds = set()
    for value in values:
        text = value.decode(errors="replace") if isinstance(value, bytes) else value
        if not isinstance(text, str) or text.lstrip()[:1] not in ("[", "{"):
            return None
        try:
            kinds.add("list" if isinstance(json.loads(text), list) else "object")
        except (ValueError, RecursionError):
            return None
    return None if not kinds else kinds.pop() if len(kinds) == 1 else "any"


def _important(names: Sequence[str]) -> tuple[str, ...]:
    """Return the tables that a game cannot lose, without its logs and caches."""
    found = [name for name in names if not any(word in name.lower() for word in _NOT_CRITICAL)]
    return tuple(found[:_CRITICAL_MOST])

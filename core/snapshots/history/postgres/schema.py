"""The tables of a dump, read from the statements that pg_dump writes: the schema of that day, not of today."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import msgspec

from ...engines.postgres.plain_dump.encodings import text_of
from ...engines.postgres.plain_dump.lexer import Statement, unquoted
from ...engines.postgres.session import quoted
from ..tables import Column, ForeignKey, Table
from .values import column_of

__all__ = ["DumpSchema", "full_name", "known_key", "named_tables", "pieces"]

_NAME = r'(?:"(?:[^"]|"")*"|[^\s"(),;.]+)'
_QUALIFIED = rf"(?P<schema>{_NAME})\.(?P<name>{_NAME})"
_NAMES = rf"{_NAME}(?:, {_NAME})*"
_CREATE = re.compile(rf"CREATE (?:UNLOGGED )?TABLE {_QUALIFIED}(?: OF (?P<type>{_NAME}\.{_NAME}))?(?: \(\n|;)")
_CREATE_TYPE = re.compile(rf"CREATE TYPE {_QUALIFIED} AS \(\n")
_INHERITS = re.compile(rf"\)\s*INHERITS \((?P<parents>{_NAME}\.{_NAME}(?:, {_NAME}\.{_NAME})*)\)")
_COLUMN = re.compile(rf"(?P<name>{_NAME}) (?P<rest>.+)", re.DOTALL)
_TYPE = re.compile(
    r'(?P<type>(?:"(?:[^"]|"")*"|[^"])*?)'
    r"(?:\s(?:COLLATE|DEFAULT|NOT NULL|NULL|GENERATED|CONSTRAINT|STORAGE|COMPRESSION)\b|\Z)",
    re.DOTALL,
)
_GENERATED = re.compile(r"\sGENERATED ALWAYS AS \(")
_NEVER_NULL = re.compile(rf"(?:CONSTRAINT {_NAME} )?NOT NULL (?P<name>{_NAME})")
_NO_COLUMN = ("CONSTRAINT ", "NOT NULL ")
"""How a piece of CREATE TABLE begins that is no column; names that begin so are quoted."""
_ALTER = re.compile(rf"ALTER (?:FOREIGN )?TABLE (?:ONLY )?{_QUALIFIED}\s+(?P<what>.*);", re.DOTALL)
_PRIMARY = re.compile(rf"ADD CONSTRAINT {_NAME} PRIMARY KEY \((?P<columns>{_NAMES})(?: WITHOUT OVERLAPS)?\)")
_UNIQUE = re.compile(
    rf"ADD CONSTRAINT {_NAME} UNIQUE (?:NULLS NOT DISTINCT )?\((?P<columns>{_NAMES})(?: WITHOUT OVERLAPS)?\)"
)
_NOT_NULL = re.compile(r"\bNOT NULL\b")
_STRING = re.compile(r"'(?:[^']|'')*'")
_FOREIGN = re.compile(
    rf"ADD CONSTRAINT {_NAME} FOREIGN KEY \((?P<columns>{_NAMES})\) REFERENCES {_QUALIFIED}\((?P<to>{_NAMES})\)"
)
_ATTACH = re.compile(rf"ATTACH PARTITION {_QUALIFIED} ")
_ONE = re.compile(_NAME)


class _Found(msgspec.Struct):
    """What the statements say of one table so far."""

    columns: list[Column] = []
    key: tuple[str, ...] = ()
    unique: tuple[str, ...] = ()
    filled: set[str] = set()
    foreign_keys: list[tuple[tuple[str, ...], str, tuple[str, ...]]] = []
    parts: list[str] = []


class DumpSchema:
    """Collects the tables; they are told by their quoted names, as in a manifest."""

    def __init__(self) -> None:
        self._tables: dict[str, _Found] = {}
        self._attached: set[str] = set()
        self._types: dict[str, tuple[Column, ...]] = {}
        """Composite types, of which tables can be."""

    def take(self, statement: Statement, encoding: str) -> None:
        """Read a statement, if it says something about a table."""
        if statement.text.startswith((b"CREATE TABLE ", b"CREATE UNLOGGED TABLE ")):
            self._create(text_of(statement.text, encoding, errors="surrogateescape"))
        elif statement.text.startswith(b"CREATE TYPE "):
            self._create_type(text_of(statement.text, encoding, errors="surrogateescape"))
        elif statement.text.startswith(b"ALTER TABLE "):
            self._alter(text_of(statement.text, encoding, errors="surrogateescape"))

    def parts(self, name: str) -> list[str]:
        """Return the quoted names under which the rows of a table are stored: its own, and those of its partitions."""
        return [name, *(each for part in self._tables[name].parts for each in self.parts(part))]

    def tables(self) -> dict[str, tuple[str, Table]]:
        """Return by quoted name what each table is called, and the table; partitions are not tables of their own."""
        whole = [name for name in self._tables if name not in self._attached]
        called = named_tables(whole)
        return {
            name: (
                called[name],
                Table(
                    name=called[name],
                    sql="",
                    root=0,
                    columns=tuple(self._tables[name].columns),
                    key=known_key(self._tables[name].columns, self._tables[name].key, self._tables[name].unique),
                    rowid=None,
                    without_rowid=False,
                    integer_key=False,
                    foreign_keys=tuple(
                        ForeignKey(columns, called.get(to, to), there)
                        for columns, to, there in self._tables[name].foreign_keys
                    ),
                    full_name=full_name(name),
                ),
            )
            for name in whole
        }

    def _create(self, text: str) -> None:
        found = _CREATE.match(text)
        if found is None:
            return
        columns: list[Column] = list(self._types.get(_full(found["type"]), ())) if found["type"] else []
        filled: set[str] = set()
        inherited = _INHERITS.search(text)
        for parent in pieces(inherited["parents"]) if inherited else ():
            there = self._tables.get(_full(parent))
            columns += there.columns if there is not None else []
            filled |= there.filled if there is not None else set()
        for piece in map(str.strip, pieces(text[found.end() :])):
            never_null = _NEVER_NULL.match(piece)
            if never_null is not None:
                filled.add(unquoted_text(never_null["name"]))
            column = _column(piece)
            if column is None:
                continue
            if column.name not in {each.name for each in columns}:
                columns.append(column)
            if _NOT_NULL.search(_STRING.sub("", piece)):
                filled.add(column.name)
        self._tables[_called(found)] = _Found(columns=columns, filled=filled)

    def _create_type(self, text: str) -> None:
        found = _CREATE_TYPE.match(text)
        if found is not None:
            columns = (_column(piece.strip()) for piece in pieces(text[found.end() :]))
            self._types[_called(found)] = tuple(column for column in columns if column is not None)

    def _alter(self, text: str) -> None:
        found = _ALTER.match(text)
        table = None if found is None else self._tables.get(_called(found))
        if found is None or table is None:
            return
        what = found["what"]
        if primary := _PRIMARY.match(what):
            table.key = _columns(primary["columns"])
        elif unique := _UNIQUE.match(what):
            columns = _columns(unique["columns"])
            if set(columns) <= table.filled:
                table.unique = table.unique or columns
        elif foreign := _FOREIGN.match(what):
            table.foreign_keys.append((_columns(foreign["columns"]), _called(foreign), _columns(foreign["to"])))
        elif part := _ATTACH.match(what):
            table.parts.append(_called(part))
            self._attached.add(_called(part))


def named_tables(names: Iterable[str]) -> dict[str, str]:
    """Return what people call tables, by quoted name: without the schema if no other one has that name."""
    split = {name: tuple(map(unquoted_text, _ONE.findall(name))) for name in names}
    shared = Counter(parts[1] for parts in split.values())
    return {name: parts[1] if shared[parts[1]] == 1 else ".".join(parts) for name, parts in split.items()}


def known_key(columns: Iterable[Column], *keys: tuple[str, ...]) -> tuple[str, ...]:
    """Return the first key whose values a dump holds: none that is computed."""
    computed = {column.name for column in columns if column.generated}
    return next((key for key in keys if key and computed.isdisjoint(key)), ())


def full_name(name: str) -> str:
    """Return what a table is called with its schema, by its quoted name."""
    return ".".join(map(unquoted_text, _ONE.findall(name)))


def unquoted_text(name: str) -> str:
    """Return an identifier as it is called."""
    return unquoted(name.encode("utf-8", "surrogateescape"))


def pieces(text: str) -> list[str]:
    """Split at the commas that are in no parentheses, quotes or brackets, up to a bracket that closes nothing."""
    found, depth, quote, start = [], 0, "", 0
    for at, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "([":
            depth += 1
        elif letter in ")]":
            depth -= 1
            if depth < 0:
                text = text[:at]
                break
        elif letter == "," and depth == 0:
            found.append(text[start:at])
            start = at + 1
    return [*found, text[start:]] if text.strip() else []


def _column(text: str) -> Column | None:
    """Return the column that a piece of CREATE TABLE describes; of a table of a type the type is not repeated."""
    found = None if text.startswith(_NO_COLUMN) else _COLUMN.match(text)
    declared = None if found is None else _TYPE.match(found["rest"])
    if found is None or declared is None:
        return None
    generated = _GENERATED.search(_STRING.sub(lambda text: "'" * len(text[0]), found["rest"]))
    expression = ",".join(pieces(found["rest"][generated.end() :])) if generated else ""
    column = column_of(unquoted_text(found["name"]), declared["type"].strip(), generated=generated is not None)
    return msgspec.structs.replace(column, expression=expression)


def _called(found: re.Match[str]) -> str:
    return quoted(unquoted_text(found["schema"]), unquoted_text(found["name"]))


def _full(name: str) -> str:
    return quoted(*map(unquoted_text, _ONE.findall(name)))


def _columns(text: str) -> tuple[str, ...]:
    return tuple(unquoted_text(each.strip()) for each in pieces(text))

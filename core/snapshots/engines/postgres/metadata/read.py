"""Read a database's metadata from its system catalogs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec
from blake3 import blake3

from ..session import Session
from .model import DatabaseObject, DatabaseProperties, Metadata, Setting
from .queries import COLUMN_RIGHTS, DATABASE, DEFAULT_RIGHTS, FOREIGN_RIGHTS, SETTINGS, objects_query

__all__ = ["read_metadata", "read_objects", "read_properties"]

_NAME = r'(?:"(?:[^"]|"")*"|[a-z_][\w$]*)'
_CAST = re.compile(
    rf"::{_NAME}(?:\.{_NAME})?(?: varying| precision)?(?:\([\d, ]+\))?(?: with(?:out)? time zone)?(?:\[\])*"
)
_TABLESPACE = re.compile("\n?\x01tablespace ([^\x01]*)\x01")
"""As the query marks it in a definition."""
_PARENTHESES = re.compile(r"[()\s]+")


def read_metadata(session: Session, database: str) -> Metadata:
    """Return all metadata of the database that a session is connected to."""
    return Metadata(database, session.version, read_properties(session, database), read_objects(session))


def read_objects(session: Session) -> tuple[DatabaseObject, ...]:
    """Return the objects of the database that a session is connected to, and the rights on them."""
    return (*_objects(session), *_column_rights(session), *_default_rights(session), *_foreign_rights(session))


def _objects(session: Session) -> Iterator[DatabaseObject]:
    for kind, identity, owner, acl, definition, references in session.rows(objects_query(session.version)):
        tablespace = _TABLESPACE.search(definition)
        definition = _TABLESPACE.sub("", definition)
        yield DatabaseObject(
            kind=kind,
            identity=identity,
            owner=owner,
            acl=_rights(acl),
            tablespace=tablespace[1] if tablespace else "",
            definition=_hash(definition),
            meaning=_hash(_PARENTHESES.sub("", _CAST.sub("", definition)), *(references or ())),
        )


def _column_rights(session: Session) -> Iterator[DatabaseObject]:
    for kind, identity, column, acl, owner in session.rows(COLUMN_RIGHTS):
        yield DatabaseObject(kind=kind, identity=identity, owner=owner, acl=_rights(acl), column=column)


def _default_rights(session: Session) -> Iterator[DatabaseObject]:
    for role, schema, objects, acl in session.rows(DEFAULT_RIGHTS):
        yield DatabaseObject(kind="default acl", identity=schema, owner=role, acl=_rights(acl), column=objects)


def _foreign_rights(session: Session) -> Iterator[DatabaseObject]:
    for kind, identity, owner, acl, initial in session.rows(FOREIGN_RIGHTS):
        yield DatabaseObject(
            kind=kind, identity=identity, owner=owner, acl=_rights(acl), foreign=True, initial=_rights(initial)
        )


def read_properties(session: Session, database: str) -> DatabaseProperties:
    """Return what the server keeps of a database; raises LookupError if there is none of this name."""
    version = session.version
    query = DATABASE.format(
        provider="d.datlocprovider::text" if version >= 15 else "'c'",
        locale=_locale_column(version),
        rules="d.daticurules" if version >= 16 else "NULL",
    )
    found = session.rows(query, database)
    if not found:
        raise LookupError(database)
    names = msgspec.structs.fields(DatabaseProperties)
    values = {field.name: value for field, value in zip(names, found[0][:-1], strict=False)}
    return DatabaseProperties(**values, acl=_rights(found[0][-1]), settings=tuple(_settings(session, database)))


def _locale_column(version: int) -> str:
    if version < 15:
        return "NULL"
    return "d.daticulocale" if version < 17 else "d.datlocale"


def _settings(session: Session, database: str) -> Iterator[Setting]:
    for role, entry in session.rows(SETTINGS, database):
        name, _, value = str(entry).partition("=")
        yield Setting(name=name, value=value, role=role)


def _rights(items: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if items is None else tuple(sorted(items))


def _hash(*texts: str) -> str:
    return blake3("\0".join(texts).encode()).hexdigest(8)

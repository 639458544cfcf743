"""A database's metadata as it stands in a snapshot's manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = ["DatabaseObject", "DatabaseProperties", "Metadata", "Setting"]

_DETAIL = "database"


class DatabaseObject(msgspec.Struct, frozen=True, omit_defaults=True):
    """One object of a database, named as ``pg_identify_object`` names it.

    ``column`` is set for the rights on one column of a relation, and is the kind of objects for default privileges.
    ``acl`` are the rights as the server writes them (``grantee=privileges/grantor``), None for the default ones. An
    object of an extension or of the server itself is here only if its rights are not the ``initial`` ones.
    ``definition`` and ``meaning`` are hashes: of the text that defines the object, and of that text without casts and
    parentheses together with the operators and functions that it refers to. ``tablespace`` is "" for the default one.
    """

    kind: str
    identity: str
    owner: str | None = None
    acl: tuple[str, ...] | None = None
    column: str = ""
    definition: str = ""
    meaning: str = ""
    foreign: bool = False
    initial: tuple[str, ...] | None = None
    tablespace: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What identifies the object in its database."""
        return self.kind, self.identity, f"{self.column} {self.owner}" if self.kind == "default acl" else self.column

    @property
    def shown(self) -> str:
        """The object, for a message."""
        if self.kind == "default acl":
            where = f" in schema {self.identity}" if self.identity else ""
            return f"default privileges of {self.owner} on {self.column}{where}"
        return f"{self.kind} {self.identity}" + (f", column {self.column}" if self.column else "")


class Setting(msgspec.Struct, frozen=True, omit_defaults=True):
    """One ``ALTER DATABASE … SET``, or ``ALTER ROLE … IN DATABASE … SET`` if there is a role."""

    name: str
    value: str
    role: str | None = None

    @property
    def shown(self) -> str:
        """The setting, for a message."""
        return f"{self.name} = {self.value}" + (f" for {self.role}" if self.role else "")


class DatabaseProperties(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the server keeps of a database itself. ``locale`` and ``rules`` are those of the provider."""

    owner: str
    encoding: str
    collate: str
    ctype: str
    provider: str = "c"
    locale: str | None = None
    rules: str | None = None
    tablespace: str = "pg_default"
    connection_limit: int = -1
    template: bool = False
    comment: str | None = None
    acl: tuple[str, ...] | None = None
    settings: tuple[Setting, ...] = ()

    @staticmethod
    def of_details(details: Mapping[str, Any]) -> DatabaseProperties | None:
        """Return the properties that a snapshot's details hold for creating the database again, None if they do not."""
        found = details.get(_DETAIL)
        return None if found is None else msgspec.convert(found, DatabaseProperties)

    @property
    def details(self) -> dict[str, Any]:
        """Details for a snapshot: what must be known before the database is created again."""
        created_with = msgspec.structs.replace(self, acl=None, settings=(), comment=None)
        return {_DETAIL: msgspec.to_builtins(created_with)}


class Metadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """All metadata of the database ``name``, and the server's major version."""

    name: str
    server: int
    database: DatabaseProperties
    objects: tuple[DatabaseObject, ...] = ()

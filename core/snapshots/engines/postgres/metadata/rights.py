"""Rights as the server writes them (``grantee=privileges/grantor``), and the statements that lead from one to another.

See https://www.postgresql.org/docs/current/ddl-priv.html for the letters and the default rights.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..session import quoted
from .model import DatabaseObject

__all__ = ["Grant", "GrantStatement", "effective", "grant_target", "statements"]

_ITEM = re.compile(r'(?P<grantee>(?:"(?:[^"]|"")*"|[^"=])*)=(?P<letters>[a-zA-Z*]*)/(?P<grantor>.*)', re.DOTALL)
_PRIVILEGES = {
    "r": "SELECT",
    "w": "UPDATE",
    "a": "INSERT",
    "d": "DELETE",
    "D": "TRUNCATE",
    "x": "REFERENCES",
    "t": "TRIGGER",
    "m": "MAINTAIN",
    "X": "EXECUTE",
    "U": "USAGE",
    "C": "CREATE",
    "T": "TEMPORARY",
    "c": "CONNECT",
}
_RELATION = ("arwdDxt", "")
_OF_KIND = {
    "table": _RELATION,
    "view": _RELATION,
    "materialized view": _RELATION,
    "foreign table": _RELATION,
    "sequence": ("rwU", ""),
    "function": ("X", "X"),
    "procedure": ("X", "X"),
    "aggregate": ("X", "X"),
    "type": ("U", "U"),
    "language": ("U", "U"),
    "schema": ("UC", ""),
    "foreign-data wrapper": ("U", ""),
    "server": ("U", ""),
    "large object": ("rw", ""),
    "database": ("CTc", "Tc"),
    "TABLES": _RELATION,
    "SEQUENCES": ("rwU", ""),
    "ROUTINES": ("X", "X"),
    "TYPES": ("U", "U"),
    "SCHEMAS": ("UC", ""),
    "LARGE OBJECTS": ("rw", ""),
}
"""The rights of the owner and of everybody on a new object."""
_WORDS = {
    "view": "TABLE",
    "materialized view": "TABLE",
    "foreign table": "TABLE",
    "function": "ROUTINE",
    "procedure": "ROUTINE",
    "aggregate": "ROUTINE",
    "foreign-data wrapper": "FOREIGN DATA WRAPPER",
    "server": "FOREIGN SERVER",
}
_MAINTAIN_SINCE = 17


class Grant(NamedTuple):
    """One privilege; ``grantee`` is None for everybody (PUBLIC)."""

    grantor: str
    grantee: str | None
    privilege: str
    grantable: bool


class GrantStatement(NamedTuple):
    """A GRANT or REVOKE, to be executed by ``grantor``: the owner, unless somebody else granted."""

    grantor: str
    text: str


def effective(each: DatabaseObject, version: int) -> frozenset[Grant]:
    """Return all rights on an object, the default ones included where nothing was granted or revoked."""
    if each.acl is not None:
        return frozenset(_parsed(each.acl))
    if each.column and each.kind != "default acl":
        return frozenset()
    return _default(each, version)


def _default(each: DatabaseObject, version: int) -> frozenset[Grant]:
    own, everybody = _OF_KIND.get(each.column if each.kind == "default acl" else each.kind, ("", ""))
    if own == _RELATION[0] and version >= _MAINTAIN_SINCE:
        own += "m"
    owner = str(each.owner)
    return frozenset(
        (
            *(Grant(owner, owner, _PRIVILEGES[letter], False) for letter in own),
            *(Grant(owner, None, _PRIVILEGES[letter], False) for letter in everybody),
        )
    )


def _parsed(acl: Iterable[str]) -> Iterator[Grant]:
    for item in acl:
        found = _ITEM.fullmatch(item)
        if found is None:
            continue
        grantee, grantor = _role(found["grantee"]), _role(found["grantor"])
        for letter, option in re.findall(r"(\w)(\*?)", found["letters"]):
            if letter in _PRIVILEGES:
                yield Grant(grantor, grantee or None, _PRIVILEGES[letter], bool(option))


def _role(text: str) -> str:
    return text[1:-1].replace('""', '"') if text.startswith('"') else text


def grant_target(each: DatabaseObject) -> str:
    """Return what stands after ON in a GRANT on this object."""
    if each.kind == "default acl":
        return each.column
    return f"{_WORDS.get(each.kind, each.kind.upper())} {each.identity}"


def statements(each: DatabaseObject, found: frozenset[Grant], wanted: frozenset[Grant]) -> Iterator[GrantStatement]:
    """Yield what turns the rights ``found`` on an object into those ``wanted``, revokes first."""
    kept = {grant[:3] for grant in wanted}
    for grant in _ordered(found - wanted):
        if grant[:3] not in kept:
            yield GrantStatement(grant.grantor, f"REVOKE {_what(each, grant)} FROM {_grantee(grant)}")
        elif grant.grantable:
            yield GrantStatement(grant.grantor, f"REVOKE GRANT OPTION FOR {_what(each, grant)} FROM {_grantee(grant)}")
    for grant in _ordered(wanted - found, owner=each.owner):
        option = " WITH GRANT OPTION" if grant.grantable else ""
        if (*grant[:3], not grant.grantable) in found and not grant.grantable:
            continue  # it is there with the option, which was revoked above
        yield GrantStatement(grant.grantor, f"GRANT {_what(each, grant)} TO {_grantee(grant)}{option}")


def _what(each: DatabaseObject, grant: Grant) -> str:
    if each.column and each.kind != "default acl":
        return f"{grant.privilege} ({quoted(each.column)}) ON {grant_target(each)}"
    return f"{grant.privilege} ON {grant_target(each)}"


def _grantee(grant: Grant) -> str:
    return "PUBLIC" if grant.grantee is None else quoted(grant.grantee)


def _ordered(grants: Iterable[Grant], owner: str | None = None) -> list[Grant]:
    """Sort, with what the owner grants first: others can only pass on what they were granted."""
    return sorted(grants, key=lambda each: (each.grantor != owner, not each.grantable, each.grantee or "", each[2]))

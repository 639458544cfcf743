"""What differs between the metadata of a snapshot and of a database that was restored from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from .model import DatabaseObject, DatabaseProperties, Metadata
from .rights import effective

__all__ = [
    "Difference",
    "RightsDifference",
    "definition_differences",
    "property_differences",
    "rights_differences",
    "without_entry",
]

_WHY = (
    ": a dump names the operators of IS DISTINCT FROM, NULLIF, IN and CASE without their schema, and others were found"
)
_LABELS = {
    "owner": "owner",
    "encoding": "encoding",
    "collate": "LC_COLLATE",
    "ctype": "LC_CTYPE",
    "provider": "locale provider",
    "locale": "locale",
    "rules": "ICU rules",
    "tablespace": "tablespace",
    "connection_limit": "connection limit",
    "template": "template flag",
    "comment": "comment",
}


class Difference(NamedTuple):
    """One sentence on one object, without a full stop.

    ``missing`` if the object is not there at all, ``wording`` if only the server's text of its definition differs.
    """

    shown: str
    text: str
    missing: bool = False
    wording: bool = False


class RightsDifference(NamedTuple):
    """An object as it is, and as it was in the snapshot: with another owner or other rights."""

    now: DatabaseObject
    then: DatabaseObject

    @property
    def text(self) -> str:
        """A sentence without a full stop."""
        if self.now.owner != self.then.owner:
            return f"{self.now.shown} belongs to {self.now.owner} and belonged to {self.then.owner}"
        return f"the rights on {self.now.shown} are {_listed(self.now)} and were {_listed(self.then)}"


def definition_differences(found: Metadata, wanted: Metadata) -> Iterator[Difference]:
    """Yield the objects that are missing, were not in the snapshot, or are defined in another way.

    What depends on a server's major version is compared only between servers of the same.
    """
    here, there = _defined(found), _defined(wanted)
    for key in sorted(here.keys() | there.keys()):
        now, then = here.get(key), there.get(key)
        if now is None:
            assert then is not None
            yield Difference(then.shown, f"{then.shown} is missing", missing=True)
        elif then is None:
            yield Difference(now.shown, f"{now.shown} is not in the snapshot and stays")
        elif now.meaning != then.meaning and found.server == wanted.server:
            yield Difference(now.shown, f"{now.shown} does not mean what it meant in the snapshot{_WHY}")
        elif now.definition != then.definition and found.server == wanted.server:
            text = f"{now.shown} is worded differently by the server after being made again, with the same meaning"
            yield Difference(now.shown, text, wording=True)
        elif now.tablespace != then.tablespace:
            places = (each.tablespace or "the database's own" for each in (now, then))
            text = "{} is in the tablespace {} and was in {}".format(now.shown, *places)
            yield Difference(f"{now.shown} tablespace {then.tablespace}", text)


def _defined(metadata: Metadata) -> Mapping[tuple[str, str, str], DatabaseObject]:
    return {
        each.key: each
        for each in metadata.objects
        if not each.foreign and not each.column and each.kind != "default acl"
    }


def rights_differences(found: Metadata, wanted: Metadata) -> Iterator[RightsDifference]:
    """Yield the objects whose owner or rights are not those of the snapshot; missing objects are passed over."""
    here, there = ({each.key: each for each in side.objects} for side in (found, wanted))
    version = min(found.server, wanted.server)
    for key in sorted(here.keys() | there.keys()):
        now, then = here.get(key) or without_entry(there.get(key)), there.get(key) or without_entry(here.get(key))
        if now is None or then is None:
            continue
        if now.owner != then.owner or effective(now, version) != effective(then, version):
            yield RightsDifference(now, then)


def without_entry(each: DatabaseObject | None) -> DatabaseObject | None:
    """Return an object as it is where it has no entry: with the rights it begins with. None if it is missing then."""
    if each is None or not (each.kind == "default acl" or each.foreign or each.column):
        return None
    acl = () if each.kind == "default acl" and each.identity else each.initial
    return msgspec.structs.replace(each, acl=acl)


def property_differences(found: DatabaseProperties, wanted: DatabaseProperties) -> Iterator[tuple[str, str]]:
    """Yield the name and a sentence of each property of a database that is not that of the snapshot."""
    for field, label in _LABELS.items():
        now, then = getattr(found, field), getattr(wanted, field)
        if now != then:
            yield field, f"the {label} of the database is {_shown(now)} and was {_shown(then)}"
    here, there = (DatabaseObject("database", "", side.owner, side.acl) for side in (found, wanted))
    if found.owner == wanted.owner and effective(here, 0) != effective(there, 0):
        yield "acl", f"the rights on the database are {_listed(here)} and were {_listed(there)}"
    if set(found.settings) != set(wanted.settings):
        lacking = [each.shown for each in wanted.settings if each not in found.settings]
        added = [each.shown for each in found.settings if each not in wanted.settings]
        yield "settings", f"the database lacks the settings {lacking} and has {added} instead"


def _listed(each: DatabaseObject) -> str:
    return "the default ones" if each.acl is None else ", ".join(each.acl) or "none"


def _shown(value: object) -> str:
    return "not set" if value is None else str(value)

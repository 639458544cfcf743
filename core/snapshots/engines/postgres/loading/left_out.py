"""What a restore leaves out, and the sentence that tells the owner how to add it."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from ....units import count_text
from ..metadata.model import DatabaseObject
from ..plain_dump.lexer import Entry

__all__ = ["LeftOut", "sentences"]

_LONGEST = 400
_SHOWN = {"FK CONSTRAINT": "foreign key", "MATERIALIZED VIEW DATA": "content of the materialized view"}
_KINDS = {"procedure": "function", "aggregate": "function", "foreign-data wrapper": "foreign data wrapper"}
_QUOTES = re.compile(r"['\"$]|--")
_SECRET = re.compile(r"OPTIONS \(.*", re.DOTALL)


class LeftOut(msgspec.Struct, frozen=True):
    """One thing that was left out: ``what`` it is, ``why``, and the ``statement`` that adds it, if one does.

    ``name`` is the object's name without its schema, ``kind`` and ``identity`` are what a database's metadata calls it.
    """

    what: str
    why: str
    statement: str = ""
    name: str = ""
    kind: str = ""
    identity: str = ""

    @staticmethod
    def of_statement(entry: Entry, text: str, why: str) -> LeftOut:
        """Return what a statement of a dump would have made."""
        where = "" if entry.schema == "-" else f"{entry.schema}."
        if entry.type in ("USER MAPPING", "SERVER"):
            text = _SECRET.sub("OPTIONS (…);", text)  # they hold passwords
        what = f"{_SHOWN.get(entry.type, entry.type.lower())} {where}{entry.name}"
        return LeftOut(what, why, text, entry.name, entry.type.lower(), f"{where}{entry.name}")

    def is_in(self, objects: Iterable[DatabaseObject]) -> bool:
        """Return True if the object is there all the same: an administrator's, that a restore in place left alone."""
        wanted = _plain(self.identity)
        return any(
            _plain(each.identity) == wanted and _KINDS.get(each.kind, each.kind) == self.kind for each in objects
        )

    @staticmethod
    def tablespace(name: str) -> LeftOut:
        """Return a tablespace that is not on the server, or not for this role."""
        why = "it is not on this server, or the role may not create in it; what was in it is in the default one"
        return LeftOut(f"tablespace {name}", why, name=f"tablespace {name}")

    @staticmethod
    def rows(table: str, count: int, why: str) -> LeftOut:
        """Return the rows of a table that could not be loaded."""
        return LeftOut(f"{count_text(count, 'row')} of {table}", why)

    @property
    def sentence(self) -> str:
        """The sentence for the report."""
        text = f"{self.what}: {self.why}."
        if self.statement:
            statement = self.statement.strip()
            if not _QUOTES.search(statement):  # a line break inside a quote means something
                statement = " ".join(statement.split())
            if len(statement) > _LONGEST:
                statement = statement[:_LONGEST] + " … (the whole statement is in the archive)"
            text += f" To add it: {statement}"
        return text


def _plain(identity: str) -> str:
    return identity.replace('"', "").replace("pg_catalog.", "")


def sentences(left_out: Iterable[LeftOut]) -> tuple[str, ...]:
    """Return the sentences, each once."""
    return tuple(dict.fromkeys(each.sentence for each in left_out))

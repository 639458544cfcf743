"""What a restore leaves out, and the sentence that tells the owner how to add it."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from ....units import count_text
from ..plain_dump.lexer import Entry

__all__ = ["LeftOut", "sentences"]

_LONGEST = 400
_SECRET = re.compile(r"OPTIONS \(.*", re.DOTALL)


class LeftOut(msgspec.Struct, frozen=True):
    """One thing that was left out: ``what`` it is, ``why``, and the ``statement`` that adds it, if one does.

    ``name`` is the object's name without its schema.
    """

    what: str
    why: str
    statement: str = ""
    name: str = ""

    @staticmethod
    def of_statement(entry: Entry, text: str, why: str) -> LeftOut:
        """Return what a statement of a dump would have made."""
        where = "" if entry.schema == "-" else f"{entry.schema}."
        if entry.type in ("USER MAPPING", "SERVER"):
            text = _SECRET.sub("OPTIONS (…);", text)  # they hold passwords
        return LeftOut(f"{entry.type.lower()} {where}{entry.name}", why, text, entry.name)

    @staticmethod
    def tablespace(name: str) -> LeftOut:
        """Return a tablespace that is not on the server, or not for this role."""
        why = "it is not on this server, or the role may not create in it; what was in it is in the default one"
        return LeftOut(f"tablespace {name}", why)

    @staticmethod
    def rows(table: str, count: int) -> LeftOut:
        """Return the rows of a table that could not be made."""
        return LeftOut(f"{count_text(count, 'row')} of {table}", "the table could not be made")

    @property
    def sentence(self) -> str:
        """The sentence for the report."""
        text = f"{self.what}: {self.why}."
        if self.statement:
            statement = self.statement.strip()
            if len(statement) > _LONGEST:
                statement = statement[:_LONGEST] + " … (the whole statement is in the archive)"
            text += f" To add it: {statement}"
        return text


def sentences(left_out: Iterable[LeftOut]) -> tuple[str, ...]:
    """Return the sentences, each once."""
    return tuple(dict.fromkeys(each.sentence for each in left_out))

"""The last step of a restore: rights are given back, the metadata is compared, and the rest is put into sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from ..metadata.compare import (
    Difference,
    RightsDifference,
    definition_differences,
    property_differences,
    rights_differences,
)
from ..metadata.model import Metadata
from ..metadata.restore import Attempts, owner_statement, property_statements, rights_statements
from .left_out import LeftOut, sentences

__all__ = ["definition_sentences", "rest_of"]


def definition_sentences(
    left_out: Sequence[LeftOut], found: Metadata, wanted: Metadata, *, wording: bool
) -> tuple[str, ...]:
    """Return what was left out, and what is defined in another way than in the snapshot.

    With ``wording`` also where only the server's text of a definition differs, and not what it means.
    """
    differences = (each for each in definition_differences(found, wanted) if wording or not each.wording)
    return (*sentences(left_out), *(f"{each.text}." for each in _unexplained(differences, left_out)))


def rest_of(
    left_out: Sequence[LeftOut], found: Metadata, wanted: Metadata, attempts: Attempts, *, compare_definitions: bool
) -> tuple[str, ...]:
    """Return everything in which a restored database is not as it was in the snapshot, in sentences."""
    definitions = (
        definition_sentences(left_out, found, wanted, wording=True) if compare_definitions else sentences(left_out)
    )
    return tuple(dict.fromkeys((*definitions, *rights_sentences(found, wanted, attempts))))


def _unexplained(differences: Iterator[Difference], left_out: Sequence[LeftOut]) -> Iterator[Difference]:
    """Pass over what differs because of something that was left out by name."""
    # pg_dump names what belongs to a table by the table and its own name, the server by its own name first.
    names = [_words(each.name) for each in left_out if each.name]
    for each in differences:
        if not any(name <= _words(each.shown) for name in names):
            yield each


def _words(text: str) -> set[str]:
    return set(re.split(r"[\s.(]+", text.replace('"', "")))


def rights_sentences(found: Metadata, wanted: Metadata, attempts: Attempts) -> Iterator[str]:
    """Yield which owners, rights and properties could not be given back, with the statements that do."""
    version = min(found.server, wanted.server)
    for now, then in rights_differences(found, wanted):
        text = RightsDifference(now, then).text
        if now.owner != then.owner and now.kind != "default acl":
            yield _sentence(text, [owner_statement(now, str(then.owner))], attempts)
        else:
            yield _sentence(text, [each.text for each in rights_statements(now, then, version)], attempts)
    for field, text in property_differences(found.database, wanted.database):
        one = msgspec.structs.replace(found.database, **{field: getattr(wanted.database, field)})
        yield _sentence(text, list(property_statements(found.name, found.database, one)), attempts)


def _sentence(text: str, statements: list[str], attempts: Attempts) -> str:
    reasons = [attempts.refused[each].splitlines()[0] for each in statements if each in attempts.refused]
    why = f" ({reasons[0]})" if reasons else ""
    how = f" To mend it: {'; '.join(statements)};" if statements else ""
    return f"{text}{why}.{how}"

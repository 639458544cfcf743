r"""Values as COPY writes them in text, and as answers hold them.

Numbers without a fraction, floating-point numbers, truth values and bytes become Python's; everything else stays the
text that PostgreSQL writes, which is exact (https://www.postgresql.org/docs/current/sql-copy.html, text format).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from ...engines.postgres.plain_dump import encodings
from ...engines.postgres.session import literal
from ...errors import QueryError
from ..databases import Value
from ..tables import Column

__all__ = ["Decoder", "column_of", "copy_field", "same_key", "sql_value", "text_of"]

_INTEGERS = frozenset({"smallint", "integer", "bigint", "oid"})
_FLOATS = frozenset({"real", "double precision"})
_ESCAPES = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|x[0-9a-fA-F]{1,2}|.)", re.DOTALL)
_WRITTEN = str.maketrans({"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"})
_TRUTHS = {"true": "t", "t": "t", "yes": "t", "on": "t", "1": "t", "false": "f", "f": "f", "no": "f", "off": "f"}


def column_of(name: str, declared: str, *, generated: bool) -> Column:
    """Return a column from its type as ``format_type`` writes it."""
    kind = "INTEGER" if declared in _INTEGERS else "REAL" if declared in _FLOATS else "TEXT"
    return Column(name, declared, generated, "BLOB" if declared == "bytea" else kind)


class Decoder:
    """Turns lines of COPY into rows; ``columns`` are those of the lines, in their order."""

    def __init__(self, columns: Sequence[Column], encoding: str) -> None:
        self._types = [column.type for column in columns]
        self._names = [column.name for column in columns]
        self._encoding = encoding

    def row(self, line: bytes) -> dict[str, Value]:
        """Return the row on a line, which has no line break at its end."""
        fields = line.split(b"\t") if self._types else []
        values = (_decoded(field, kind, self._encoding) for field, kind in zip(fields, self._types, strict=True))
        try:
            return dict(zip(self._names, values, strict=True))
        except UnicodeDecodeError as error:
            raise QueryError(
                f"A text among {', '.join(self._names)} is not {self._encoding}, so nobody can read it: {error}.",
                detail=str(error),
            ) from error


def _decoded(field: bytes, kind: str, encoding: str) -> Value:
    if field == rb"\N":
        return None
    if kind in _INTEGERS:
        return int(field)
    if kind in _FLOATS:
        return float(field)
    if kind == "boolean":
        return field == b"t"
    text = encodings.text_of(_unescaped(field) if b"\\" in field else field, encoding)
    if kind == "bytea":
        return bytes.fromhex(text[2:])
    return text


def _unescaped(field: bytes) -> bytes:
    """Return what a field of COPY stands for."""
    return _ESCAPE.sub(_character, field)


def _character(found: re.Match[bytes]) -> bytes:
    code = found[1]
    if code[:1] in b"01234567":
        return bytes([int(code, 8) & 0xFF])
    if code[:1] == b"x" and len(code) > 1:
        return bytes([int(code[1:], 16)])
    return _ESCAPES.get(code, code)


def text_of(value: Value, column: Column) -> str | None:
    """Return a value as its type's output function writes it, as far as it is written the same way every time.

    A key that a person wrote is put into that form where there are others: a UUID in capitals, 5 for 5.00.
    """
    if value is None:
        return None
    if isinstance(value, bool) or column.type == "boolean":
        truth = "t" if value is True else "f" if value is False else str(value).lower()
        return _TRUTHS.get(truth, truth)
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    text = repr(value) if isinstance(value, float) else str(value)
    if column.type == "uuid":
        try:
            return str(uuid.UUID(text))
        except ValueError:
            return text
    return text


def same_key(stored: Value, asked: Value, column: Column) -> bool:
    """Return True if a stored value is the one that was asked for."""
    if stored is None or asked is None:
        return stored is asked
    if isinstance(stored, float) or isinstance(asked, float):
        return stored == asked
    first, second = text_of(stored, column), text_of(asked, column)
    if first != second and column.type.startswith("numeric"):
        try:
            return Decimal(str(first)) == Decimal(str(second))
        except InvalidOperation:
            return False
    if first != second and column.type.startswith("character("):
        return str(first).rstrip(" ") == str(second).rstrip(" ")
    return first == second


def copy_field(value: Value, column: Column, encoding: str) -> bytes | None:
    """Return the bytes that must be in every line of COPY that holds this value; None if there can be several forms."""
    if value is None or isinstance(value, float) or column.type.startswith(("numeric", "character(")):
        return None
    if column.kind == "REAL":
        return None
    try:
        return encodings.bytes_of(str(text_of(value, column)).translate(_WRITTEN), encoding)
    except UnicodeEncodeError:  # then no row holds it
        return None


def sql_value(value: Value, declared: str) -> str:
    """Return a value as an SQL expression of a type."""
    if value is None:
        return f"CAST(NULL AS {declared})"
    text = "\\x" + value.hex() if isinstance(value, bytes) else repr(value) if isinstance(value, float) else str(value)
    return f"CAST({literal(text)} AS {declared})"

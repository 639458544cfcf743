r"""Values as COPY writes them in text, and as answers hold them.

Numbers without a fraction, floating-point numbers, truth values and bytes become Python's; everything else stays the
text that PostgreSQL writes, which is exact (https://www.postgresql.org/docs/current/sql-copy.html, text format).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal, InvalidOperation

from ...engines.postgres.plain_dump import encodings
from ...engines.postgres.session import literal
from ...errors import QueryError
from ..databases import Value
from ..tables import Column

__all__ = ["Decoder", "column_of", "comparable", "converted", "copy_field", "same_key", "sql_value", "text_of"]

_INTEGERS = frozenset({"smallint", "integer", "bigint", "oid"})
_FLOATS = frozenset({"real", "double precision"})
_ESCAPES = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|x[0-9a-fA-F]{1,2}|.)", re.DOTALL)
_WRITTEN = str.maketrans({"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"})
_LENGTH = re.compile(r"\(\d+(?:,-?\d+)?\)(?=[^\"]*\Z)")
_WITHOUT_LENGTH = re.compile(r"^(?:character|bit)(?! varying)\b")
_ENDLESS = {"character": "bpchar", "bit": "bit varying"}
_NO_CASE = ".citext"
_SCALE = re.compile(r"numeric\(\d+,(\d+)\)")
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
    return comparable(stored, column) == comparable(asked, column)


def comparable(value: Value, column: Column) -> Value:
    """Return what is the same text for values that are the same in a column, however and in whatever type written."""
    if value is None:
        return None
    if column.kind == "REAL":
        try:
            return repr(float(value) + 0.0)
        except ValueError:
            return text_of(value, column)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(text_of(value, column))
    if column.type.startswith("character("):
        return text.rstrip(" ")
    if column.type.endswith(_NO_CASE):
        return text.lower()
    if column.type.startswith("numeric"):
        with suppress(InvalidOperation):
            return _digits(Decimal(text))
    return text


def _digits(number: Decimal) -> str:
    """Return a number without zeros that say nothing; not normalized, which would round it."""
    if not number.is_finite() or number == 0:
        return str(number) if number else "0"
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def copy_field(value: Value, column: Column, encoding: str) -> bytes | None:
    """Return the bytes that must be in every line of COPY that holds this value; None if there can be several forms."""
    if value is None or isinstance(value, float) or column.type.startswith(("numeric", "character(")):
        return None
    if column.type.endswith(_NO_CASE):
        return None
    if column.kind == "REAL":
        return None
    try:
        return encodings.bytes_of(str(text_of(value, column)).translate(_WRITTEN), encoding)
    except UnicodeEncodeError:  # then no row holds it
        return None


def sql_value(value: Value, declared: str) -> str:
    """Return a value as an SQL expression of a type, but for its length: a cast to that cuts off what is longer."""
    endless = _LENGTH.sub("", declared)
    endless = _WITHOUT_LENGTH.sub(lambda found: _ENDLESS[found[0]], endless) if endless != declared else endless
    if value is None:
        return f"CAST(NULL AS {endless})"
    return f"CAST({literal(_written(value))} AS {endless})"


def converted(value: Value, declared: str, column: Column) -> Value:
    """Return a value of a type as a column of perhaps another type holds it, if it can."""
    if value is None or declared == column.type:
        return value
    text = str(int(value)) if isinstance(value, bool) and column.kind == "INTEGER" else _written(value)
    try:
        if column.kind == "INTEGER":
            return int(text)
        if column.kind == "REAL":
            return float(text)
        if column.kind == "BLOB" and text.startswith("\\x"):
            return bytes.fromhex(text[2:])
    except ValueError:
        return value
    if column.type == "boolean":
        truth = text_of(value, column)
        return truth == "t" if truth in ("t", "f") else value
    scale = _SCALE.fullmatch(column.type)
    if scale is not None:
        with suppress(InvalidOperation):
            rounded = Decimal(text).quantize(Decimal(1).scaleb(-int(scale[1])))
            return f"{rounded:f}" if rounded == Decimal(text) else text
    return text


def _written(value: Value) -> str:
    """Return a value as PostgreSQL casts it to a text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)

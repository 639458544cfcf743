r"""Split a plain dump, in pieces of any length, into statements and table rows.

Statements are told apart as psql does it: by quotes, dollar quotes, comments, parentheses, and the BEGIN … END of a
routine's body (``psqlscan.l``). So nothing inside a function's body or a string is taken for a statement. Between
``COPY … FROM stdin;`` and the line ``\.`` everything is rows
(https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS).

Of psql's own commands only ``\restrict`` and ``\unrestrict``, which pg_dump writes, are passed over. Anything else that
pg_dump does not write raises Malformed.
"""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias

from .encodings import text_of

__all__ = ["Comment", "CopyEnd", "CopyStart", "Entry", "Event", "Lexer", "Malformed", "Rows", "Statement", "unquoted"]

_IDENTIFIER = rb'(?:"(?:[^"]|"")*"|[^"\s.,();]+)'
_COPY = re.compile(
    rb"COPY (?P<schema>" + _IDENTIFIER + rb")\.(?P<name>" + _IDENTIFIER + rb") "
    rb"(?:\((?P<columns>(?:" + _IDENTIFIER + rb"(?:, )?)*)\))? ?FROM stdin;"
)
_COLUMN = re.compile(_IDENTIFIER)
_ENTRY = re.compile(
    rb"-- (?:Data for )?Name: (?P<name>.*); Type: (?P<type>[A-Z ]+); Schema: (?P<schema>.*); Owner: .*", re.DOTALL
)
_RESTRICT = re.compile(rb"\\(?:un)?restrict [0-9A-Za-z]+")
_STRINGS = re.compile(rb"SET standard_conforming_strings = (?P<value>on|off);")
_ENCODING = re.compile(rb"SET client_encoding = '(?P<name>\w+)';")
_ROUTINE = re.compile(rb"CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE)\b", re.IGNORECASE)
_ATOMIC = re.compile(rb"BEGIN\s+ATOMIC\b", re.IGNORECASE)
_LONGEST_LINE = 1 << 20
_TOKEN = re.compile(
    rb"(?P<escape>[eE]')|(?P<word>[A-Za-z_\x80-\xff][\w$\x80-\xff]*)|(?P<quote>['\"])"
    rb"|(?P<dollar>\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$)|(?P<line>--)|(?P<block>/\*)|(?P<mark>[;()\\])|[^\s]"
)
_BLOCK_COMMENT = re.compile(rb"/\*|\*/")
_SHOWN_IN_COMMENTS = str.maketrans("\n\r", "  ")
_ROWS_END = b"\n\\.\n"
_ESCAPED = b"\\'"
"""Stands for the end of a string in which a backslash escapes the next character."""


class Malformed(ValueError):
    """The text is no dump that pg_dump writes."""


class Entry(NamedTuple):
    """What pg_dump says in a comment of the statements that follow: the object's type, schema and name.

    A name with a line break is shown with a blank instead.
    """

    type: str
    schema: str
    name: str


class Statement(NamedTuple):
    """One SQL statement, from its first word to its semicolon, and the entry that it belongs to."""

    text: bytes
    entry: Entry | None


class CopyStart(NamedTuple):
    """The rows of a table follow; ``columns`` are in the order of the rows, ``end`` is their offset in the dump.

    ``via_root`` is True for those of a partition that are loaded through the partitioned table, which is named here.
    """

    schema: str
    name: str
    columns: tuple[str, ...]
    end: int
    via_root: bool = False


class Rows(NamedTuple):
    """Some rows of the table, or a piece of one: the bytes of ``data`` from ``begin`` to ``end``."""

    data: bytes
    begin: int
    end: int

    @property
    def view(self) -> memoryview:
        """The bytes themselves, not copied."""
        return memoryview(self.data)[self.begin : self.end]

    @property
    def row_count(self) -> int:
        """How many rows end here."""
        return self.data.count(b"\n", self.begin, self.end)


class CopyEnd(NamedTuple):
    """The table's rows have ended at this offset in the dump."""

    end: int


class Comment(NamedTuple):
    """A line that begins with ``--``, between two statements, without its line break."""

    text: bytes


Event: TypeAlias = Statement | CopyStart | Rows | CopyEnd | Comment


class Lexer:
    """Splits a dump; ``inside`` is the table whose rows have begun and not ended."""

    def __init__(self) -> None:
        self.inside: CopyStart | None = None
        self._rest = b""
        self._offset = 0
        """Of the first byte of ``_rest`` in the dump."""
        self._statement: list[bytes] | None = None
        """The parts of the statement that has begun; None between two statements."""
        self._until: bytes = b""
        """What ends the quote, comment or rows that have begun; empty in plain SQL."""
        self._parentheses = 0
        self._blocks = 0
        self._routine: bool | None = None
        self._escapes = False
        self._encoding = "UTF8"
        self._skip = 0
        self._entry: Entry | None = None

    @property
    def between_statements(self) -> bool:
        """True if no statement, quote, comment or table has begun."""
        return self._statement is None and not self._until and not self._rest.strip()

    def feed(self, piece: bytes) -> list[Event]:
        """Return what a further piece of the dump completes; raises Malformed."""
        data = self._rest + piece if self._rest else piece
        events: list[Event] = []
        at = 0
        while True:
            before = at, self._until
            if self.inside is not None:
                at = self._in_rows(data, at, events)
            elif self._until:
                at = self._in_quote(data, at, events)
            else:
                at = self._in_sql(data, at, events)
            if (at, self._until) == before:
                break
        self._rest = data[at:]
        self._offset += at
        return events

    def skip(self, length: int) -> None:
        """Pass over so many bytes, which are rows of the table that has begun, as who reads them finds out.

        Raises Malformed if none has begun.
        """
        if self.inside is None or (self._skip and self._rest[:1] != b"\n"):
            raise Malformed("the rows of a table are not where the archive's tail says")
        self._offset += len(self._rest) + length
        self._rest, self._skip = b"", 0

    def _in_sql(self, data: bytes, at: int, events: list[Event]) -> int:
        """Go on to the next quote, comment or table, or to the end of the last line that is complete."""
        limit = data.rfind(b"\n") + 1
        if limit <= at and len(data) - at > _LONGEST_LINE:
            limit = data.rfind(b" ") + 1  # no token has a blank inside
        start = at
        while found := _TOKEN.search(data, at, max(at, limit)):
            kind, at = found.lastgroup, found.end()
            if self._statement is None:
                if kind in ("line", "block"):
                    self._until = b"\n" if kind == "line" else b"*/"
                    return found.start()
                if found[0] == b"\\":
                    start = at = self._command(data, found.start())
                    continue
                self._statement, self._routine, start = [], None, found.start()
            if kind in ("escape", "quote", "dollar", "line", "block"):
                self._until = self._terminator(found[0], kind)
                self._statement.append(data[start:at])
                return at
            if kind == "word":
                self._count_block(found, data, start)
            elif kind == "mark" and self._ends_statement(found[0]):
                self._statement.append(data[start:at])
                start = at
                events.append(self._complete(at))
                if self.inside is not None:
                    return at
        if self._statement is not None:
            self._statement.append(data[start:limit])
        return max(at, limit)

    def _terminator(self, token: bytes, kind: str | None) -> bytes:
        if kind == "escape" or (token == b"'" and self._escapes):
            return _ESCAPED
        return {"line": b"\n", "block": b"*/"}.get(str(kind), token)

    def _ends_statement(self, token: bytes) -> bool:
        """Count a parenthesis; return True at the statement's semicolon. Raises Malformed at a backslash."""
        if token == b"\\":
            raise Malformed("it holds a command of psql inside a statement")
        if token != b";":
            self._parentheses = max(0, self._parentheses + (1 if token == b"(" else -1))
            return False
        return self._parentheses == 0 and self._blocks == 0

    def _count_block(self, word: re.Match[bytes], data: bytes, start: int) -> None:
        """Follow the BEGIN ATOMIC, CASE and END of a routine whose body is SQL."""
        upper = word[0].upper() if len(word[0]) <= 5 else b""
        if upper not in (b"BEGIN", b"CASE", b"END") or self._parentheses or self._statement is None:
            return
        if self._routine is None:
            first = b"".join((*self._statement[:2], data[start : start + 64]))
            self._routine = _ROUTINE.match(first) is not None
        if not self._routine:
            return
        if upper == b"END":
            self._blocks = max(0, self._blocks - 1)
        elif self._blocks or _ATOMIC.match(data, word.start()):
            self._blocks += 1

    def _complete(self, at: int) -> Event:
        assert self._statement is not None
        text = b"".join(self._statement)
        self._statement, self._parentheses = None, 0
        strings = _STRINGS.fullmatch(text)
        encoding = _ENCODING.fullmatch(text)
        if strings:
            self._escapes = strings["value"] == b"off"
        elif encoding:
            self._encoding = encoding["name"].decode()
        if not text.startswith(b"COPY "):
            return Statement(text, self._entry)
        found = _COPY.fullmatch(text)
        if found is None:
            raise Malformed(f"it holds a COPY that pg_dump does not write: {text[:80].decode(errors='replace')}")
        columns = tuple(unquoted(column, self._encoding) for column in _COLUMN.findall(found["columns"] or b""))
        # The line break after the statement stays with the rows, so that the end of an empty table looks like any.
        self._skip = 1
        schema, name = (unquoted(found[part], self._encoding) for part in ("schema", "name"))
        entry = self._entry
        via_root = entry is not None and entry.type == "TABLE DATA" and entry.name != name.translate(_SHOWN_IN_COMMENTS)
        self.inside = CopyStart(schema, name, columns, self._offset + at + 1, via_root)
        return self.inside

    def _command(self, data: bytes, at: int) -> int:
        """Return where a command of psql ends that pg_dump writes; raises Malformed at any other."""
        end = data.index(b"\n", at)
        if not _RESTRICT.fullmatch(data, at, end):
            raise Malformed(f"it holds a command of psql: {data[at : min(end, at + 80)].decode(errors='replace')}")
        return end + 1

    def _in_quote(self, data: bytes, at: int, events: list[Event]) -> int:
        """Go on to the end of a quote or comment."""
        if self._until == _ESCAPED:
            end = _escaped_end(data, at)
        elif self._until == b"*/":
            end = _comment_end(data, at, 0 if self._statement is None else 1)
        else:
            found = data.find(self._until, at)
            end = found + len(self._until) if found >= 0 else -1
        if end < 0 and (self._statement is None or self._until in (_ESCAPED, b"*/")):
            return at  # these are only understood from their beginning
        if end < 0:
            end = max(at, len(data) - len(self._until) + 1)
        else:
            self._until = b""
        if self._statement is None:
            self._comment(data[at:end], events)
        else:
            self._statement.append(data[at:end])
        return end

    def _comment(self, text: bytes, events: list[Event]) -> None:
        if not text.startswith(b"--"):
            return
        line = text.rstrip(b"\n")
        entry = _ENTRY.fullmatch(line)
        if entry:
            self._entry = Entry(
                *(text_of(entry[part], self._encoding, errors="replace") for part in ("type", "schema", "name"))
            )
        events.append(Comment(line))

    def _in_rows(self, data: bytes, at: int, events: list[Event]) -> int:
        if self._skip and data[at : at + 1] not in (b"\n", b""):
            raise Malformed("the rows of a table do not begin on a line of their own")
        # Rows have few backslashes, and one byte is found ten times as fast as four.
        backslash = data.find(b"\\", at)
        end = data.find(_ROWS_END, max(at, backslash - 1)) if backslash >= 0 else -1
        upto = end + 1 if end >= 0 else max(at, len(data) - _begun(data))
        if end < 0 and upto <= at + self._skip:
            return at
        begin, self._skip = at + self._skip, 0
        if begin < upto:
            events.append(Rows(data, begin, upto))
        if end < 0:
            return upto
        self.inside = None
        events.append(CopyEnd(self._offset + end + len(_ROWS_END)))
        return end + len(_ROWS_END)


def _escaped_end(data: bytes, at: int) -> int:
    """Return where a string with backslash escapes ends, -1 if that cannot be told yet."""
    while True:
        quote, backslash = data.find(b"'", at), data.find(b"\\", at)
        if backslash >= 0 and (backslash < quote or quote < 0):
            at = backslash + 2
        elif quote < 0 or quote + 1 >= len(data):
            return -1
        elif data[quote + 1 : quote + 2] != b"'":
            return quote + 1
        else:
            at = quote + 2


def _comment_end(data: bytes, at: int, depth: int) -> int:
    """Return where a block comment ends, those inside it included; -1 if that cannot be told yet."""
    for found in _BLOCK_COMMENT.finditer(data, at):
        depth += 1 if found[0] == b"/*" else -1
        if depth == 0:
            return found.end()
    return -1


def _begun(data: bytes) -> int:
    """Return how many bytes at the end could be the beginning of a table's end."""
    return next((length for length in range(len(_ROWS_END) - 1, 0, -1) if data.endswith(_ROWS_END[:length])), 0)


def unquoted(name: bytes, encoding: str = "UTF8") -> str:
    """Return an identifier as it is called, from how pg_dump writes it; raises Malformed if it has no such letters."""
    try:
        text = text_of(name, encoding)
    except UnicodeDecodeError as error:
        raise Malformed(f"it names something in letters that are not {encoding}") from error
    return text[1:-1].replace('""', '"') if text.startswith('"') else text

"""Execute a dump statement by statement on a connection of our own.

No program stands in between: each statement is sent alone, in a form in which the server takes exactly one, and rows go
in as they are. So what one statement meets is no concern of the others: where the role may not make an object, or what
it needs is not on this server, the object is left out and named, and the rest is restored.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator

from ....errors import DatabaseUnavailable
from ..plain_dump.encodings import text_of
from ..plain_dump.lexer import CopyStart, Entry, Event, Rows, Statement, unquoted
from ..plain_dump.scanner import TableEnd
from ..session import Session, quoted
from .apart_table import ApartTable
from .archive_events import DumpEvent
from .foreign_key_groups import ForeignKeys
from .fresh_tables import fresh_table, transaction
from .held_checks import HeldChecks
from .index_builds import IndexBuilds
from .left_out import LeftOut
from .second_loader import SecondLoader
from .two_connections import Executor, execute

__all__ = ["ApartRows", "Loader"]

_CREATED = re.compile(rb'CREATE (?:UNLOGGED )?TABLE (?P<schema>"(?:[^"]|"")*"|[^\s.]+)\.(?P<name>"(?:[^"]|"")*"|\S+) ')
_ALTERED = re.compile(rb'ALTER TABLE (?:ONLY )?("(?:[^"]|"")*"|[^\s.]+)\.("(?:[^"]|"")*"|[^\s;]+)\s')
_ENCODING = re.compile(rb"SET client_encoding = '(?P<name>\w+)';")
_SETTING = re.compile(rb"SET (?!client_encoding)\w+ ")
_EXTENSION = re.compile(rb'CREATE EXTENSION IF NOT EXISTS (?P<name>"(?:[^"]|"")*"|\S+) ')
_TABLESPACE = re.compile(rb"SET default_tablespace = (?P<name>[^;]*);")

_LEFT_OUT_CLASSES = ("0A", "22", "23", "2F", "38", "39", "3F", "42", "44", "55", "P0")
"""Classes of error codes that say why one object cannot be made, and nothing of the server or the other objects."""
_SYNTAX_ERROR = "42601"
_EXISTS = frozenset({"42710", "42723", "42P06", "42P07"})
_AVAILABLE = """
SELECT e.name FROM pg_catalog.pg_available_extensions e
  JOIN pg_catalog.pg_available_extension_versions v ON v.name = e.name AND v.version = e.default_version
 WHERE e.installed_version IS NOT NULL OR v.trusted OR NOT v.superuser
    OR (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
"""
_OF_EXTENSION = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE deptype = 'e' AND objid = pg_catalog.to_regclass($1)
                  AND classid = 'pg_catalog.pg_class'::pg_catalog.regclass)
"""
_MAY_USE_TABLESPACE = """
SELECT coalesce((SELECT pg_catalog.has_tablespace_privilege(oid, 'CREATE')
                   FROM pg_catalog.pg_tablespace WHERE spcname = $1), false)
"""


class Loader:
    """Loads a dump through one session.

    ``in_transaction`` keeps everything in the transaction that the session has begun, which the dump's own statements
    then do not end; ``kept`` are tables that are there already, without rows. Otherwise each statement and each table
    is a transaction of its own, and ``loaded`` is called with each table whose rows are committed, and with where they
    begin and end in the dump, and a ``second`` loader may load other tables and build indexes at the same time.
    """

    def __init__(
        self,
        session: Session,
        *,
        in_transaction: bool = False,
        kept: frozenset[str] = frozenset(),
        loaded: Callable[[CopyStart, TableEnd], object] = lambda _start, _end: None,
        second: SecondLoader | None = None,
    ) -> None:
        self.left_out: list[LeftOut] = []
        self.left_out_tables: set[str] = set()
        self._session = session
        self._in_transaction = in_transaction
        self._loaded = loaded
        self._second = second
        self._settings: dict[bytes, Statement] = {}
        self._counts: dict[str, int] = {}
        self._kept = kept
        self._created = set(kept)
        self._via_root: dict[str, tuple[CopyStart, TableEnd]] = {}
        self._indexes = IndexBuilds()
        self._keys = ForeignKeys(self._counts, self._via_root)
        self._encoding = "UTF8"
        self._checks: HeldChecks | None = None
        self._extensions = {str(name) for (name,) in session.rows(_AVAILABLE)}

    def load(self, events: Iterable[DumpEvent]) -> None:
        """Execute a whole dump; raises what the server says of rows, and of anything that concerns all objects."""
        stream = iter(events)
        for event in stream:
            if isinstance(event, CopyStart):
                self._table(event, stream)
            elif isinstance(event, Statement) and not self._is_for_two(event):
                self._build()
                self._before_statement(event)
                self.run(event)
        self._build()
        self._end_rows()
        for start, end in self._via_root.values():
            self._loaded(start, end)  # with the rows of all partitions
        if self._checks is not None:
            self.left_out += self._checks.add_again()

    def _is_for_two(self, statement: Statement) -> bool:
        """Return True if a statement was noted for being executed on two connections."""
        if self._second is None:
            return False
        if self._keys:
            return self._keys.take(statement, self._encoding)
        if self._indexes.take(statement, self._encoding):
            return True
        if self._checks is None:
            return False
        return self._keys.take(statement, self._encoding)

    def _before_statement(self, statement: Statement) -> None:
        """Note settings, and wait for the second loader before the first statement that needs all rows."""
        setting = _SETTING.match(statement.text)
        if setting:
            self._settings[setting[0]] = statement
        elif self._checks is not None and (statement.entry is None or statement.entry.type != "SEQUENCE SET"):
            self._end_rows()

    def _end_rows(self) -> None:
        if self._second is not None:
            self._second.finish()

    def _build(self) -> None:
        """Do what was noted for two connections."""
        if self._second is None:
            return
        if self._indexes:
            second = self._second
            rows = {name: count for name, count in self._counts.items() if name not in self._via_root}
            execute(self._indexes.groups(rows, second.is_loaded, second.is_done), self, self._beside)
        if self._keys:
            self._end_rows()
            execute(self._keys.groups(self), self, self._beside)

    @contextlib.contextmanager
    def _beside(self) -> Iterator[Executor]:
        """Yield a second connection under the settings of this one, once it loads no rows any more."""
        assert self._second is not None
        self._second.finish()
        with self._second.connection() as session:
            beside = Loader(session)
            for setting in self._settings.values():
                beside.run(setting)
            yield beside
        self.left_out += beside.left_out

    def run(self, statement: Statement) -> None:
        """Execute a statement of the dump; what the server refuses is left out, with a sentence."""
        text, entry = statement
        encoding = _ENCODING.fullmatch(text)
        if encoding:
            self._encoding = encoding["name"].decode()  # the session's own stays: statements are sent as text
            return
        if self._in_transaction and text in (b"BEGIN;", b"COMMIT;"):
            return  # those of large objects, for whoever loads the dump without a transaction
        if entry is not None and entry.type == "EXTENSION" and not self._is_available(text):
            self._leave_out(statement, "an administrator must create it")
            return
        space = _TABLESPACE.fullmatch(text)
        if space and not self._may_use(space["name"]):
            self.left_out.append(LeftOut.tablespace(unquoted(space["name"].strip(b"'"), self._encoding)))
            text = b"SET default_tablespace = '';"
        try:
            with self._savepoint():
                self._session.rows(text_of(text, self._encoding))
        except UnicodeDecodeError:
            self._leave_out(statement, f"it is not written in {self._encoding}")
        except DatabaseUnavailable as error:
            self._refused(statement, error)
        else:
            created = _CREATED.match(text)
            if created:
                names = (unquoted(created[part], self._encoding) for part in ("schema", "name"))
                self._created.add(quoted(*names))

    def attempt(self, text: bytes) -> bool:
        """Execute a statement of our own, outside a transaction; return False if the server refuses it."""
        try:
            self._session.rows(text_of(text, self._encoding))
        except DatabaseUnavailable as error:
            if "code" not in error.data:
                raise
            return False
        return True

    def _refused(self, statement: Statement, error: DatabaseUnavailable) -> None:
        """Leave an object out; raise the error again if it is not about one object."""
        code, entry = str(error.data.get("code") or ""), statement.entry
        if code in _EXISTS or statement.text.startswith(b"COMMENT ON ") or self._is_of_kept(statement):
            return  # what is there, or how it is described, is compared at the end
        if entry is None or not code.startswith(_LEFT_OUT_CLASSES) or code == _SYNTAX_ERROR or entry.type == "BLOBS":
            raise error
        self._leave_out(statement, str(error.data.get("detail", error)).splitlines()[0])

    def _is_of_kept(self, statement: Statement) -> bool:
        """Return True for what a kept table or view of others has already; that is compared at the end."""
        if statement.text.startswith(b"CREATE OR REPLACE VIEW "):
            return self._in_transaction
        found = _ALTERED.match(statement.text) if self._kept else None
        return found is not None and quoted(*(unquoted(part, self._encoding) for part in found.groups())) in self._kept

    def _leave_out(self, statement: Statement, reason: str) -> None:
        entry = statement.entry or Entry("STATEMENT", "-", "")
        self.left_out.append(
            LeftOut.of_statement(entry, text_of(statement.text, self._encoding, errors="replace"), reason)
        )

    def _table(self, table: CopyStart, stream: Iterator[DumpEvent]) -> None:
        name = quoted(table.schema, table.name)
        if self._checks is None:
            self._checks = HeldChecks(self._session, in_transaction=self._in_transaction)
            self._checks.drop()
            if self._second is not None:
                self._second.begin(frozenset(self._created), self._encoding)
        rows = TableRows(stream)
        apart = self._second.apart if self._second is not None else None
        created = name in self._created
        if created and self._second is not None and not table.via_root and not self._second.take(name):
            for _ in rows:
                pass
            is_apart = apart is not None and apart.name == name
            self._counts[name] = apart.estimated_rows if apart is not None and is_apart else rows.end.block.rows
            self._second.passed(name, table, rows.end)
            return
        if self._second is not None and apart is not None and apart.name == name:
            rows = ApartRows(stream, apart, self._second.read_apart(self._encoding))
        # A partitioned table has no file of its own that could be emptied, and takes no frozen rows.
        fresh = created and not self._in_transaction and not table.via_root
        if not created and (self._in_transaction or not self._exists(name)):
            self._skip(rows, name)
            return
        try:
            with self._table_transaction() if not fresh else fresh_table(self._session, name):
                self._session.copy_in(
                    table.schema,
                    table.name,
                    table.columns,
                    rows,
                    encoding=self._encoding,
                    freeze=fresh,
                )
        except DatabaseUnavailable as error:
            if created or not error.data.get("code"):
                raise
            self._skip(rows, name)  # an extension's, which has its own rows already or does not take any
        else:
            self._counts[name] = rows.end.block.rows
            if table.via_root:
                self._via_root[name] = table, rows.end
            else:
                self._loaded(table, rows.end)

    def _exists(self, table: str) -> bool:
        return bool(self._session.value("SELECT pg_catalog.to_regclass($1) IS NOT NULL", table))

    def _skip(self, rows: TableRows, name: str) -> None:
        for _ in rows:
            pass
        self.left_out_tables.add(name)
        if not self._exists(name):
            why = "the table could not be made"
        elif self._session.value(_OF_EXTENSION, name):
            why = "the table belongs to an extension, and is as the extension has it"
        else:
            why = "the table belongs to another role, and was left as it is"
        if rows.end.block.rows:
            self.left_out.append(LeftOut.rows(name, rows.end.block.rows, why))

    def _table_transaction(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if self._in_transaction else transaction(self._session, "BEGIN")

    @contextlib.contextmanager
    def _savepoint(self) -> Iterator[None]:
        if not self._in_transaction:
            yield
            return
        self._session.execute("SAVEPOINT statement")
        try:
            yield
        except DatabaseUnavailable as error:
            if error.data.get("code"):
                self._session.execute("ROLLBACK TO SAVEPOINT statement")
            raise
        self._session.execute("RELEASE SAVEPOINT statement")

    def _is_available(self, text: bytes) -> bool:
        found = _EXTENSION.match(text)
        return found is None or unquoted(found["name"], self._encoding) in self._extensions

    def _may_use(self, tablespace: bytes) -> bool:
        name = unquoted(tablespace.strip(b"'"), self._encoding)
        return not name or bool(self._session.value(_MAY_USE_TABLESPACE, name))


class TableRows:
    """Iterates over the rows of one table, in pieces, and goes on where it was left; ``end`` is known afterwards."""

    def __init__(self, stream: Iterator[DumpEvent]) -> None:
        self.end: TableEnd
        self._stream = stream

    def __iter__(self) -> Iterator[memoryview]:
        for event in self._stream:
            if isinstance(event, TableEnd):
                self.end = event
                return
            assert isinstance(event, Rows)
            yield event.view


class ApartRows(TableRows):
    """The same of a table that is read apart: the dump goes on behind its rows at once."""

    def __init__(self, stream: Iterator[DumpEvent], apart: ApartTable, events: Iterator[Event]) -> None:
        super().__init__(stream)
        self._apart = apart
        self._events = events
        self._passed = False

    def __iter__(self) -> Iterator[memoryview]:
        if not self._passed:
            for _ in super().__iter__():
                pass
            self._passed = True
        for event in self._events:
            if isinstance(event, Rows):
                yield event.view
        self.end = TableEnd(self.end.end, self._apart.block)

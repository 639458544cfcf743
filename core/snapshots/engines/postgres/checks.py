"""Check a PostgreSQL database, with the same findings and severities as for SQLite.

Errors: damage that the server reports, missing critical tables, critical JSON that does not parse. Warnings: foreign
keys, a critical table that had rows in the newest snapshot and has none now, JSON of another type than expected,
invalid indexes. Damaged pages are found by the extension amcheck, if the database has it
(https://www.postgresql.org/docs/current/amcheck.html), since no dump reads an index; and by the server's own count of
pages with a wrong checksum (https://www.postgresql.org/docs/current/checksums.html).

Damage that the server reports is ``by_hand``: a person decides what becomes of such a server.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from ...errors import DatabaseDamaged, DatabaseUnavailable
from ...models import Check, Finding, IntegrityReport, Severity
from ...progress import Watch
from ...settings.json_column import JsonColumn
from ...units import count_text
from ..base import Checks
from ..integrity import (
    JSON_TYPES,
    json_findings,
    missing_column_finding,
    row_findings,
    single_finding_report,
    table_findings,
)
from .errors import ADVICE
from .foreign_keys import find_orphans
from .loading.archive_events import Content
from .session import Session, literal, quoted
from .tables import Relation, count_rows, relations, resolve_tables

__all__ = ["check", "damaged_report", "unrebuilt_report", "with_differences"]

LISTED = 50
"""The most damaged tables and indexes that are named one by one; the rest become one finding with a count."""
_JSON_COLUMN = """
SELECT a.attname, t.typname::text FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
 WHERE a.attrelid = $1::text::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped
   AND lower(a.attname) = lower($2)
 ORDER BY a.attname <> $2 LIMIT 1
"""
_ROWS_AT_ONCE = 2000


def damaged_report(error: DatabaseDamaged, started: float) -> IntegrityReport:
    """Return the report on a database that the server cannot open."""
    return single_finding_report(_damage(Check.FILE, str(error)), started)


def unrebuilt_report(content: Content, checks: Checks, shown: str) -> IntegrityReport:
    """Return the report on an archive that could only be read, because the role may not create databases."""
    message = (
        f"The dump is whole, but was not rebuilt: the role of {shown} may not create databases (ALTER ROLE … "
        "CREATEDB), and a test restore needs one."
    )
    finding = Finding(check=Check.ACCESS, severity=Severity.WARNING, message=message)
    rows = {table.name: table.rows for table in content.blocks.values()}
    present = {table: rows[table] for table in checks.critical_tables if table in rows}
    return IntegrityReport(findings=(finding,), checked={"tables": len(rows)}, rows=present, seconds=0.0)


def with_differences(report: IntegrityReport, differences: Sequence[str]) -> IntegrityReport:
    """Return the report with a warning for each way in which a rebuilt database differs from the snapshot."""
    listed = [Finding(check=Check.TABLES, severity=Severity.WARNING, message=each) for each in differences[:LISTED]]
    if len(differences) > LISTED:
        message = f"{count_text(len(differences) - LISTED, 'more object')} cannot be restored as they were."
        listed.append(Finding(check=Check.TABLES, severity=Severity.WARNING, message=message))
    return msgspec.structs.replace(report, findings=(*report.findings, *listed))


def _damage(check: Check, message: str, table: str | None = None, count: int = 1) -> Finding:
    return Finding(
        check=check, severity=Severity.ERROR, message=f"{message} {ADVICE}", table=table, count=count, by_hand=True
    )


def check(session: Session, checks: Checks, watch: Watch) -> IntegrityReport:
    """Run every check on the database and return what was found.

    Damage that stops a check is itself a finding. Raises DatabaseBusy, DatabaseUnavailable, or what the watch raises.
    """
    started = time.monotonic()
    findings: list[Finding] = []
    checked: Counter[str] = Counter()
    rows: dict[str, int] = {}
    present = tuple(each for each in relations(session) if each.readable)
    parts = (
        _pages(session, checks, checked),
        _tables(session, checks, checked, present),
        _rows(session, checks, checked, present, rows),
        _json(session, checks, checked, present),
        _foreign_keys(session, checked),
    )
    watch.phase("check", len(parts))
    for part in parts:
        try:
            findings.extend(part)
        except DatabaseDamaged as error:
            finding = _damage(Check.PAGES, str(error))
            if finding not in findings:
                findings.append(finding)
        watch.advance(1)
    return IntegrityReport(
        findings=tuple(findings), checked=dict(checked), rows=rows, seconds=time.monotonic() - started
    )


def _pages(session: Session, checks: Checks, checked: Counter[str]) -> Iterator[Finding]:
    checked["pages"] = int(
        session.value(
            """SELECT coalesce(sum(pg_catalog.pg_relation_size(c.oid)), 0)::bigint
                      / current_setting('block_size')::int
                 FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'i', 't', 'm', 'S')"""
        )
    )
    failures = session.value(
        "SELECT checksum_failures FROM pg_catalog.pg_stat_database WHERE datname = current_database()"
    )
    if failures:
        pages = "one page" if failures == 1 else f"{failures:,} pages"
        message = f"The server counted {pages} with a wrong checksum."
        yield _damage(Check.PAGES, message, count=int(failures))
    for schema, index, table in session.rows(
        """SELECT n.nspname, c.relname, t.relname FROM pg_catalog.pg_index i
             JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE NOT (i.indisvalid AND i.indisready) AND c.relkind = 'i' ORDER BY 1, 2"""
    ):
        message = f"The index {quoted(schema, index)} of {table} is not valid: REINDEX INDEX it, or drop it."
        yield Finding(check=Check.INDEXES, severity=Severity.WARNING, message=message, table=table)
    if not checks.quick:
        yield from _amcheck(session, checked)


def _amcheck(session: Session, checked: Counter[str]) -> Iterator[Finding]:
    """Let amcheck read every table and compare every B-tree index with its table, if it is installed and allowed."""
    schema = session.value(
        """SELECT n.nspname FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
            WHERE e.extname = 'amcheck'"""
    )
    if schema is None:
        return
    damaged = 0
    for kind, oid, name, table in session.rows(
        """SELECT c.relkind::text, c.oid, c.oid::pg_catalog.regclass::text, coalesce(t.relname, c.relname)
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_am a ON a.oid = c.relam
             LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
             LEFT JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
            WHERE c.relpersistence <> 't' AND (c.relkind IN ('r', 't', 'm') AND a.amname = 'heap'
                  OR c.relkind = 'i' AND a.amname = 'btree' AND i.indisvalid AND i.indisready)
            ORDER BY 1 DESC, 2"""
    ):
        try:
            problem = _problem(session, quoted(schema), kind, oid)
        except DatabaseUnavailable as error:  # not granted to this role
            message = f"amcheck is installed but cannot be used: {error}"
            yield Finding(check=Check.SETTINGS, severity=Severity.WARNING, message=message)
            return
        checked["amcheck"] += 1
        if problem is not None:
            damaged += 1
            if damaged <= LISTED:
                about = Check.INDEXES if kind == "i" else Check.PAGES
                yield _damage(about, f"{name} is damaged: {problem}.", table)
    if damaged > LISTED:
        yield _damage(Check.PAGES, f"{damaged - LISTED} more tables and indexes are damaged.", count=damaged - LISTED)


def _problem(session: Session, schema: str, kind: str, oid: int) -> str | None:
    try:
        if kind == "i":
            session.value(f"SELECT {schema}.bt_index_check($1::oid::pg_catalog.regclass, true)", oid)
            return None
        if session.version < 14:
            return None
        found = session.value(f"SELECT msg FROM {schema}.verify_heapam($1::oid::pg_catalog.regclass) LIMIT 1", oid)
        return None if found is None else str(found)
    except DatabaseDamaged as error:
        return str(error.detail)


def _tables(
    session: Session, checks: Checks, checked: Counter[str], present: tuple[Relation, ...]
) -> Iterator[Finding]:
    own = [each for each in present if not each.from_extension]
    checked["tables"] = len(own)
    known = resolve_tables(session, checks.critical_tables, own)
    yield from table_findings(len(own), (table for table in checks.critical_tables if table not in known), checks)


def _rows(
    session: Session, checks: Checks, checked: Counter[str], present: tuple[Relation, ...], rows: dict[str, int]
) -> Iterator[Finding]:
    rows.update(count_rows(session, resolve_tables(session, checks.critical_tables, present)))
    checked["rows"] = sum(rows.values())
    yield from row_findings(rows, checks)


def _json(session: Session, checks: Checks, checked: Counter[str], present: tuple[Relation, ...]) -> Iterator[Finding]:
    known = resolve_tables(session, [each.table for each in checks.json_columns], present)
    for expectation in checks.json_columns:
        if expectation.table in known:
            yield from _json_column(session, known[expectation.table], expectation, checked)


def _json_column(
    session: Session, relation: Relation, expectation: JsonColumn, checked: Counter[str]
) -> Iterator[Finding]:
    found = session.rows(_JSON_COLUMN, relation.quoted, expectation.column)
    if not found:
        yield missing_column_finding(expectation)
        return
    column, kind = quoted(found[0][0]), found[0][1]
    checked["json_values"] += int(session.rows_of_game(f"SELECT count({column}) FROM {relation.quoted}")[0][0])
    broken, strange = _count_json(session, relation, column, kind, JSON_TYPES.get(expectation.expects))
    yield from json_findings(expectation, broken, strange)


def _count_json(session: Session, relation: Relation, column: str, kind: str, wanted: str | None) -> tuple[int, int]:
    """Count the values that are not JSON, and those that are JSON of another type than ``wanted``."""
    if kind in ("json", "jsonb"):
        if wanted is None:
            return 0, 0
        other = f"pg_catalog.{kind}_typeof({column}) <> {literal(wanted)}"
        query = f"SELECT count(*) FROM {relation.quoted} WHERE {column} IS NOT NULL AND {other}"
        return 0, int(session.rows_of_game(query)[0][0])
    if session.version >= 16:
        text = f"{column}::text"
        is_json = f"{text} IS JSON"
        right = "true" if wanted is None else f"{text} IS JSON {wanted.upper()}"
        query = (
            f"SELECT count(*) FILTER (WHERE NOT {is_json}), count(*) FILTER (WHERE {is_json} AND NOT {right}) "
            f"FROM {relation.quoted} WHERE {column} IS NOT NULL"
        )
        broken, strange = session.rows_of_game(query)[0]
        return int(broken), int(strange)
    return _count_json_in_python(session, relation, column, wanted)


def _count_json_in_python(session: Session, relation: Relation, column: str, wanted: str | None) -> tuple[int, int]:
    """Count the same for a server before 16, which has no test for JSON that does not fail on other text."""
    import json

    kinds = {"array": list, "object": dict}
    broken = strange = 0
    with session.cursor(f"SELECT {column}::text FROM {relation.quoted} WHERE {column} IS NOT NULL") as cursor:
        while rows := cursor(_ROWS_AT_ONCE):
            for (text,) in rows:
                try:
                    value = json.loads(text)
                except ValueError:
                    broken += 1
                    continue
                if wanted is not None and not isinstance(value, kinds[wanted]):
                    strange += 1
    return broken, strange


def _foreign_keys(session: Session, checked: Counter[str]) -> Iterator[Finding]:
    checked["foreign_keys"], findings = find_orphans(session)
    yield from findings

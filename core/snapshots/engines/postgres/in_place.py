"""Restore a snapshot in place, for a role that may not create databases: everything in one transaction.

What the role owns is dropped object by object, the dump is executed, every table is read back and compared, and only
then is it committed: until that moment everybody else sees the old state, or waits. Nothing is dropped with its schema,
so extensions and what other roles own stay; what depends on the role's own objects is made again from the dump.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ...errors import SnapshotDamaged
from ...progress import Watch
from ..base import ChainFile
from .connection import Address
from .loading.archive_events import Content, Events, read_for
from .loading.comparison import compare
from .loading.left_out import LeftOut
from .loading.loader import Loader
from .loading.others_views import Kept, strip, what_views_need
from .loading.report import rest_of
from .metadata.compare import without_entry
from .metadata.model import Metadata
from .metadata.read import read_metadata
from .metadata.restore import Attempts, drop_statement, property_statements, restore_rights, rights_statements
from .session import Session, connected

__all__ = ["load_in_place"]

_INSIDE_OTHERS = frozenset(
    (
        "index",
        "schema",
        "table constraint",
        "domain constraint",
        "rule",
        "trigger",
        "policy",
        "extension",
        "subscription",
    )
)
"""What goes with another object, or must stay."""
_LATE = {"sequence": 1, "function": 2, "procedure": 2, "aggregate": 2, "type": 3, "large object": 4}


def load_in_place(
    part: ChainFile, planned: Metadata | None, address: Address, busy_timeout: float, watch: Watch
) -> tuple[str, ...]:
    """Make the database what an archive holds; return the sentences on what was left out.

    ``planned`` is the metadata in the archive, as far as it is known before it is loaded. Raises SnapshotDamaged,
    DatabaseBusy if somebody holds a lock for ``busy_timeout`` seconds, and what the server says. The database is as it
    was then.
    """
    with connected(address, watch, lock_timeout=busy_timeout, patience=busy_timeout) as session:
        me = str(session.value("SELECT current_user"))
        before = read_metadata(session, address.database)
        with _transaction(session, watch):
            kept = what_views_need(session, before, planned, me)
            _drop_own(session, before, me, kept)
            strip(session, kept)

            def work(events: Events) -> Loader:
                loader = Loader(session, in_transaction=True, kept=kept.tables)
                with session.watched_by(events.watch):
                    loader.load(events)
                return loader

            content, loader = read_for(work, part, watch)
            content = content.without(frozenset(loader.left_out_tables))
            _compare(session, content, part)
            wanted = content.metadata or before
            attempts = Attempts(session, in_transaction=True)
            restore_rights(session, wanted, attempts)
            for statement in property_statements(address.database, before.database, wanted.database):
                attempts.run(statement)
            found = read_metadata(session, address.database)
            session.execute("ANALYZE")
    left_out = [each for each in loader.left_out if not each.is_in(found.objects)] + list(
        _dropped_with(before, wanted, found, me)
    )
    return rest_of(left_out, found, wanted, attempts, compare_definitions=content.metadata is not None)


@contextlib.contextmanager
def _transaction(session: Session, watch: Watch) -> Iterator[None]:
    session.execute("BEGIN")
    try:
        yield
    except BaseException:
        # The error is what matters; if the connection is lost, the server rolls back by itself.
        with contextlib.suppress(Exception):
            session.execute("ROLLBACK")
        raise
    session.execute("COMMIT")
    watch.commit()


def _drop_own(session: Session, before: Metadata, me: str, kept: Kept) -> None:
    """Drop every object of the role but what belongs to extensions or is kept, and what is in the way of its rights."""
    own = [each for each in before.objects if each.owner == me and not each.foreign and not each.column]
    own = [each for each in own if each.key not in kept.keys]
    for each in sorted(own, key=lambda each: (_LATE.get(each.kind, 0), each.key)):
        if each.kind not in _INSIDE_OTHERS:
            session.execute(drop_statement(each))
    attempts = Attempts(session, in_transaction=True)
    for each in own:
        if each.kind == "schema" and each.identity != "public":
            attempts.run(f"DROP SCHEMA {each.identity}")  # refused where something of others is in it: it stays
    for each in before.objects:
        default = without_entry(each) if each.kind == "default acl" and each.owner == me else None
        for statement in rights_statements(each, default, before.server) if default else ():
            attempts.run(statement.text)


def _compare(session: Session, content: Content, part: ChainFile) -> None:
    problems = compare(session, content)
    if problems:
        name = part.path.rpartition("/")[2]
        raise SnapshotDamaged(
            f"What was loaded from {name} is not what was dumped, and nothing was changed: {'; '.join(problems[:5])}.",
            path=part.path,
        )


def _dropped_with(before: Metadata, wanted: Metadata, found: Metadata, me: str) -> Iterator[LeftOut]:
    """Yield the objects of others that depended on the role's own, and that the snapshot does not hold."""
    there = {each.key for each in (*wanted.objects, *found.objects)}
    for each in before.objects:
        if each.key not in there and each.owner not in (None, me) and not each.foreign and not each.column:
            why = f"it belonged to {each.owner}, depended on what was restored, and is not in the snapshot"
            yield LeftOut(each.shown, why, name=each.identity)

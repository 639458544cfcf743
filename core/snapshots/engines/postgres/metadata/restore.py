"""Restore the owners, rights and settings that a database had in the snapshot, as far as the role may."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ....errors import SnapshotError
from ..session import Session, literal, quoted
from .compare import without_entry
from .model import DatabaseObject, DatabaseProperties, Metadata, Setting
from .read import read_objects
from .rights import Grant, GrantStatement, effective, grant_target, statements

__all__ = [
    "Attempts",
    "drop_statement",
    "owner_statement",
    "property_statements",
    "restore_rights",
    "rights_statements",
]

_LISTS = frozenset(
    (
        "search_path",
        "temp_tablespaces",
        "session_preload_libraries",
        "local_preload_libraries",
        "unix_socket_directories",
    )
)
"""Settings that are stored as lists, with their elements already quoted."""
_WORDS = {
    "function": "ROUTINE",
    "procedure": "ROUTINE",
    "aggregate": "ROUTINE",
    "foreign-data wrapper": "FOREIGN DATA WRAPPER",
    "statistics object": "STATISTICS",
}


class Attempts:
    """Executes statements one by one; ``refused`` are those that the server refused, with its reason.

    ``in_transaction`` keeps the session's transaction alive after a refusal.
    """

    def __init__(self, session: Session, *, in_transaction: bool = False) -> None:
        self.refused: dict[str, str] = {}
        self._session = session
        self._in_transaction = in_transaction

    def run(self, statement: str, *, role: str | None = None) -> bool:
        """Execute a statement, as a role if there is one; return False if that was refused."""
        try:
            with self._savepoint(), self._as(role):
                self._session.rows(statement)  # parts of it come from an archive: the server takes one statement only
        except SnapshotError as error:
            if "code" not in error.data:
                raise  # the server did not refuse: it is gone, or the time is up
            self.refused[statement] = str(error.data.get("detail", error))
            return False
        self.refused.pop(statement, None)
        return True

    @contextlib.contextmanager
    def _as(self, role: str | None) -> Iterator[None]:
        if role is None:
            yield
            return
        self._session.execute(f"SET ROLE {quoted(role)}")
        try:
            yield
        finally:
            if not self._in_transaction:
                self._session.execute("RESET ROLE")
        if self._in_transaction:
            self._session.execute("RESET ROLE")

    @contextlib.contextmanager
    def _savepoint(self) -> Iterator[None]:
        if not self._in_transaction:
            yield
            return
        self._session.execute("SAVEPOINT attempt")
        try:
            yield
        except SnapshotError:
            self._session.execute("ROLLBACK TO SAVEPOINT attempt")  # which resets the role as well
            raise
        self._session.execute("RELEASE SAVEPOINT attempt")


def restore_rights(session: Session, wanted: Metadata, attempts: Attempts) -> None:
    """Give the objects of a database the owners and rights of ``wanted``, and the role's default privileges."""
    _restore_owners(session, wanted, attempts)
    me = str(session.value("SELECT current_user"))
    version = min(session.version, wanted.server)
    found = {each.key: each for each in read_objects(session)}
    targets = {each.key: each for each in wanted.objects}
    for key in dict.fromkeys((*targets, *found)):
        here, there = found.get(key), targets.get(key)
        now, then = here or without_entry(there), there or without_entry(here)
        if now is not None and then is not None:
            for statement in rights_statements(now, then, version):
                _grant(attempts, statement, now, me)


def _restore_owners(session: Session, wanted: Metadata, attempts: Attempts) -> None:
    found = {each.key: each for each in read_objects(session)}
    moving = []
    for then in wanted.objects:
        now = found.get(then.key)
        if now is not None and now.owner != then.owner and then.owner and not then.column and not then.foreign:
            moving.append((now, then))
    schemas = {each.identity for each in found.values() if each.kind == "schema"}
    # Whoever gets an object must be allowed to create in its schema; the schema's own rights are restored afterwards.
    for schema in sorted(schemas):
        for owner in sorted({str(then.owner) for _, then in moving if then.identity.startswith(f"{schema}.")}):
            attempts.run(f"GRANT CREATE ON SCHEMA {schema} TO {quoted(owner)}")
    # A sequence of a column follows its table, and a schema's owner decides over what is in it: so these come late.
    for now, then in sorted(moving, key=lambda pair: {"sequence": 1, "schema": 2}.get(pair[0].kind, 0)):
        attempts.run(owner_statement(now, str(then.owner)))


def owner_statement(each: DatabaseObject, owner: str) -> str:
    """Return the statement that gives an object to a role."""
    return f"ALTER {_WORDS.get(each.kind, each.kind.upper())} {each.identity} OWNER TO {quoted(owner)}"


def drop_statement(each: DatabaseObject) -> str:
    """Return the statement that drops an object with what depends on it, if it is still there."""
    if each.kind == "large object":
        return f"SELECT pg_catalog.lo_unlink({each.identity})"
    return f"DROP {_WORDS.get(each.kind, each.kind.upper())} IF EXISTS {each.identity} CASCADE"


def rights_statements(now: DatabaseObject, then: DatabaseObject, version: int) -> Iterator[GrantStatement]:
    """Yield what turns an object's rights into those that it had; rights of another owner become the owner's."""
    found = effective(now, version)
    wanted = frozenset(_regranted(grant, then.owner, now.owner) for grant in effective(then, version))
    prefix = ""
    if now.kind == "default acl":
        prefix = f"ALTER DEFAULT PRIVILEGES FOR ROLE {quoted(str(now.owner))} "
        prefix += f"IN SCHEMA {now.identity} " if now.identity else ""
    changes = [GrantStatement(each.grantor, prefix + each.text) for each in statements(now, found, wanted)]
    yield from changes
    written_down = now.acl is None and then.acl is not None and now.owner == then.owner
    if not changes and written_down and not now.column and not now.foreign:
        # The same rights, but written down: as where something was granted and revoked again.
        yield GrantStatement(str(now.owner), f"GRANT ALL ON {grant_target(now)} TO {quoted(str(now.owner))}")


def _regranted(grant: Grant, old: str | None, new: str | None) -> Grant:
    if old == new or new is None:
        return grant
    grantor = new if grant.grantor == old else grant.grantor
    return Grant(grantor, new if grant.grantee == old else grant.grantee, grant.privilege, grant.grantable)


def _grant(attempts: Attempts, statement: GrantStatement, each: DatabaseObject, me: str) -> None:
    if statement.grantor in (me, each.owner) or each.kind == "default acl":
        attempts.run(statement.text)
    else:
        attempts.run(statement.text, role=statement.grantor)


def property_statements(target: str, found: DatabaseProperties, wanted: DatabaseProperties) -> Iterator[str]:
    """Yield what gives the database ``target`` the owner, rights, settings, comment and limits that it had."""
    name = quoted(target)
    for setting in (each for each in found.settings if each not in wanted.settings):
        yield f"{_setting_owner(name, setting)} RESET {quoted(*setting.name.split('.'))}"
    for setting in wanted.settings:
        if setting not in found.settings:
            value = setting.value if setting.name in _LISTS else literal(setting.value)
            yield f"{_setting_owner(name, setting)} SET {quoted(*setting.name.split('.'))} TO {value or literal('')}"
    if found.comment != wanted.comment:
        yield f"COMMENT ON DATABASE {name} IS {'NULL' if wanted.comment is None else literal(wanted.comment)}"
    if found.connection_limit != wanted.connection_limit and wanted.connection_limit >= -1:
        yield f"ALTER DATABASE {name} WITH CONNECTION LIMIT {wanted.connection_limit}"
    if found.template != wanted.template:
        yield f"ALTER DATABASE {name} WITH IS_TEMPLATE {str(wanted.template).lower()}"
    now = DatabaseObject("database", name, found.owner, found.acl)
    then = DatabaseObject("database", name, wanted.owner, wanted.acl)
    for statement in rights_statements(now, then, 0):
        yield statement.text
    if found.owner != wanted.owner:  # last, since everything else needs the owner
        yield f"ALTER DATABASE {name} OWNER TO {quoted(wanted.owner)}"


def _setting_owner(name: str, setting: Setting) -> str:
    return f"ALTER ROLE {quoted(setting.role)} IN DATABASE {name}" if setting.role else f"ALTER DATABASE {name}"

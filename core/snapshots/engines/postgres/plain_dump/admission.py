"""Which statements a dump may hold: an archive is data, and never a program.

A restore executes what an archive holds, with the rights of the bot's role. So only the kinds of statements that
pg_dump writes are admitted (https://www.postgresql.org/docs/current/app-pgdump.html, its source ``pg_dump.c``): nothing
that runs a program of the server (``COPY … FROM PROGRAM``), runs code at once (``DO``, ``CALL``), or reaches beyond the
database (``ALTER SYSTEM``, roles, other databases).
"""

from __future__ import annotations

import re

from .lexer import Statement

__all__ = ["is_admitted"]

_CREATED = (
    "ACCESS METHOD|AGGREGATE|CAST|COLLATION|CONSTRAINT TRIGGER|(?:DEFAULT )?CONVERSION|DOMAIN|EVENT TRIGGER|EXTENSION"
    "|FOREIGN (?:DATA WRAPPER|TABLE)|FUNCTION|(?:UNIQUE )?INDEX|(?:TRUSTED )?(?:PROCEDURAL )?LANGUAGE"
    "|MATERIALIZED VIEW|OPERATOR(?: CLASS| FAMILY)?|POLICY|PROCEDURE|PROPERTY GRAPH|PUBLICATION|RULE|SCHEMA"
    "|(?:UNLOGGED )?SEQUENCE|SERVER|STATISTICS|(?:UNLOGGED )?TABLE"
    "|TEXT SEARCH (?:CONFIGURATION|DICTIONARY|PARSER|TEMPLATE)|TRANSFORM|TRIGGER|TYPE|USER MAPPING"
    "|(?:RECURSIVE )?VIEW"
)
_ALTERED = (
    "AGGREGATE|COLLATION|CONVERSION|DEFAULT PRIVILEGES|DOMAIN|EVENT TRIGGER|EXTENSION|FOREIGN (?:DATA WRAPPER|TABLE)"
    "|FUNCTION|INDEX|LANGUAGE|LARGE OBJECT|MATERIALIZED VIEW|OPERATOR(?: CLASS| FAMILY)?|PROCEDURE|PROPERTY GRAPH"
    "|PUBLICATION|ROUTINE|SCHEMA|SEQUENCE|SERVER|STATISTICS|TABLE|TEXT SEARCH (?:CONFIGURATION|DICTIONARY)|TRIGGER"
    "|TYPE|VIEW"
)
_CALLED = r"set_config|setval|lo_create|lo_open|lowrite|lo_close|pg_restore_(?:relation|attribute|extended)_stats"
_CREATED, _ALTERED = (kinds.replace(" ", r"\s") for kinds in (_CREATED, _ALTERED))
_ADMITTED = re.compile(
    rf"""
      SET \s (?! role\b | session ) [a-z_]+ \s = \s
    | SELECT \s (?:\*\sFROM\s)? pg_catalog\.(?:{_CALLED}) \(
    | CREATE \s (?:OR\sREPLACE\s)? (?:{_CREATED}) \b
    | ALTER \s (?:{_ALTERED}) \b
    | COMMENT \s ON \b | SECURITY \s LABEL \b | REFRESH \s MATERIALIZED \s VIEW \b
    | (?:GRANT|REVOKE) \b
    | (?:BEGIN|COMMIT);
    """.encode(),
    re.VERBOSE,
)


def is_admitted(statement: Statement) -> bool:
    """Return True if pg_dump writes statements of this kind."""
    return _ADMITTED.match(statement.text) is not None

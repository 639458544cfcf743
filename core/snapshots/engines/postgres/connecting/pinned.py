"""The settings that are the same in every session of ours, whatever the role, the database or the server has set.

A dump, its load and the reading back must write the same value as the same text, so everything that decides how values
are written and read is pinned for all three. Time-outs of the role and ``default_transaction_read_only`` protect the
server from the game; they would end a dump half-way. Settings that a client sends when it connects win over those of
roles and databases (https://www.postgresql.org/docs/current/config-setting.html), and never stay behind in a session
that somebody else uses next.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["VALUES", "as_options", "pinned_settings"]

VALUES: Mapping[str, str] = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "xmloption": "content",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "quote_all_identifiers": "off",
}
"""What decides how a value, or the SQL around it, is written and read. ``client_encoding`` is the caller's choice."""

_UNHINDERED: Mapping[str, str] = {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "default_transaction_read_only": "off",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "synchronize_seqscans": "off",
    "row_security": "off",
    "jit": "off",
}
"""Nothing ends or refuses what we do, and catalog queries are not compiled first, which takes seconds on each run."""
_SINCE: Mapping[int, Mapping[str, str]] = {14: {"idle_session_timeout": "0"}, 17: {"transaction_timeout": "0"}}


def pinned_settings(version: int) -> dict[str, str]:
    """Return the settings for every session on a server of this major version."""
    newer = {name: value for since, settings in _SINCE.items() if version >= since for name, value in settings.items()}
    return {**VALUES, **_UNHINDERED, **newer}


def as_options(settings: Mapping[str, str]) -> str:
    """Return settings as the connection parameter ``options``, where a backslash escapes a blank."""
    escaped = {name: value.replace("\\", "\\\\").replace(" ", "\\ ") for name, value in settings.items()}
    return " ".join(f"-c {name}={value}" for name, value in escaped.items())

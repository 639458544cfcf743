"""The tables that a dump's statements describe, and what values of one type are in a column of another."""

from __future__ import annotations

import pytest

from core.snapshots.engines.postgres.plain_dump.lexer import Lexer, Statement
from core.snapshots.history.databases import Value
from core.snapshots.history.postgres.schema import DumpSchema
from core.snapshots.history.postgres.values import column_of, converted, same_key, sql_value
from core.snapshots.history.tables import Table

DUMP = r"""
CREATE TYPE public.pt AS (
    x integer,
    y text COLLATE pg_catalog."C"
);
CREATE TABLE public.typed OF public.pt (
    x NOT NULL,
    y DEFAULT 'a)b, c'::text
);
CREATE TABLE public.bare OF public.pt;
CREATE TABLE public.par (
    a integer NOT NULL,
    b text
);
CREATE TABLE public.child (
    NOT NULL a,
    CONSTRAINT named NOT NULL b,
    c integer
)
INHERITS (public.par);
CREATE TABLE public."odd ""table"" (x)" (
    id integer NOT NULL,
    "c)d, e" public."my DEFAULT type" DEFAULT 'a'::public."my DEFAULT type" NOT NULL,
    note text DEFAULT ') GENERATED ALWAYS AS (1) STORED'::text,
    twice integer GENERATED ALWAYS AS ((id * 2)) STORED,
    "NOT" integer,
    CONSTRAINT "odd" CHECK ((id > 0))
);
CREATE TABLE public.ages (
    id int4range NOT NULL,
    v daterange NOT NULL
);
ALTER TABLE ONLY public."odd ""table"" (x)"
    ADD CONSTRAINT odd_pkey PRIMARY KEY (id, "c)d, e") INCLUDE (note);
ALTER TABLE ONLY public.child
    ADD CONSTRAINT child_key UNIQUE NULLS NOT DISTINCT (b);
ALTER TABLE ONLY public.ages
    ADD CONSTRAINT ages_pkey PRIMARY KEY (id, v WITHOUT OVERLAPS);
ALTER TABLE ONLY public.typed
    ADD CONSTRAINT typed_fkey FOREIGN KEY (x, y) REFERENCES public."odd ""table"" (x)"(id, "c)d, e") ON DELETE CASCADE;
"""


def test_hard_statements_are_read() -> None:
    """Tables of a type, NOT NULL without a column, names and defaults that look like SQL, keys over time."""
    schema, lexer = DumpSchema(), Lexer()
    for event in lexer.feed(DUMP.encode()):
        if isinstance(event, Statement):
            schema.take(event, "UTF8")
    tables: dict[str, Table] = dict(schema.tables().values())
    assert {name: table.names for name, table in tables.items()} == {
        "typed": ("x", "y"),
        "bare": ("x", "y"),
        "par": ("a", "b"),
        "child": ("a", "b", "c"),
        'odd "table" (x)': ("id", "c)d, e", "note", "twice", "NOT"),
        "ages": ("id", "v"),
    }
    odd = tables['odd "table" (x)']
    assert [column.type for column in odd.columns[:2]] == ["integer", 'public."my DEFAULT type"']
    assert [column.name for column in odd.columns if column.generated] == ["twice"]
    assert [column.type for column in tables["typed"].columns] == ["integer", "text"]
    assert [table.key for table in tables.values()] == [(), (), (), ("b",), ("id", "c)d, e"), ("id", "v")]
    (reference,) = tables["typed"].foreign_keys
    assert (reference.columns, reference.table, reference.to) == (("x", "y"), odd.name, ("id", "c)d, e"))


@pytest.mark.parametrize(
    ("declared", "written"),
    [
        ("character varying(3)", "character varying"),
        ("character(3)", "bpchar"),
        ("bit(3)[]", "bit varying[]"),
        ("numeric(8,2)", "numeric"),
        ("timestamp(0) without time zone", "timestamp without time zone"),
        ("character varying", "character varying"),
        ('public."a(3)x"', 'public."a(3)x"'),
    ],
)
def test_nothing_is_cut_off_by_a_cast(declared: str, written: str) -> None:
    """A cast to a type with a length does that silently."""
    assert sql_value("abcd", declared) == f"CAST('abcd' AS {written})"


@pytest.mark.parametrize(
    ("value", "declared", "now", "held"),
    [
        (5, "integer", "text", "5"),
        (5, "integer", "numeric(8,2)", "5.00"),
        ("1.2345", "numeric(8,4)", "numeric(8,2)", "1.2345"),
        (1.0, "real", "text", "1"),
        (True, "boolean", "text", "true"),
        (True, "boolean", "integer", 1),
        (0, "integer", "boolean", False),
        ("7", "text", "bigint", 7),
        ("high", "text", "real", "high"),
        (b"\x00", "bytea", "text", "\\x00"),
        (None, "integer", "text", None),
    ],
)
def test_values_become_those_of_another_type(value: Value, declared: str, now: str, held: Value) -> None:
    """So a column whose type changed is compared, and put back, as what it is now."""
    assert converted(value, declared, column_of("c", now, generated=False)) == held


@pytest.mark.parametrize(
    ("stored", "asked", "declared", "same"),
    [
        ("1.00", 1, "numeric(8,2)", True),
        ("1234567890123456789012345678901.1", "1234567890123456789012345678901.2", "numeric", False),
        ("100", "1e2", "numeric", True),
        ("NaN", "NaN", "numeric", True),
        ("ab  ", "ab", "character(4)", True),
        ("5", 5, "public.positive", True),
        (5, 5.0, "bigint", True),
        (None, 0, "bigint", False),
    ],
)
def test_the_same_key_is_written_in_several_ways(stored: Value, asked: Value, declared: str, *, same: bool) -> None:
    """By tables that refer to one with columns of another type."""
    assert same_key(stored, asked, column_of("c", declared, generated=False)) is same

"""Statements and rows told apart as psql does it, wherever the dump is cut."""

from __future__ import annotations

from itertools import combinations_with_replacement

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.snapshots.engines.postgres.plain_dump.lexer import (
    CopyEnd,
    CopyStart,
    Entry,
    Lexer,
    Malformed,
    Rows,
    Statement,
)

STATEMENTS = (
    b"SET standard_conforming_strings = on;",
    b"SELECT pg_catalog.set_config('search_path', '', false);",
    b"CREATE FUNCTION public.f() RETURNS void\n    LANGUAGE plpgsql\n    AS $_$begin\nCREATE EXTENSION x;\n"
    b"COMMENT ON EXTENSION pg_trgm IS 'mine';\n-- Data for Name: t; Type: TABLE DATA; Schema: public; Owner: -\n"
    b"COPY public.t (a) FROM stdin;\n1\n\\.\n\\! sh\nend $$ ; $_$;",
    b"COMMENT ON TABLE public.t IS 'it''s; \\ \n\\restrict x\n-- PostgreSQL database dump complete\n';",
    b"CREATE FUNCTION public.g(a integer) RETURNS integer\n    LANGUAGE sql\n    BEGIN ATOMIC\n"
    b" SELECT CASE WHEN (a > 1) THEN 2 ELSE 3 END AS \"case\";\n SELECT 'end; ';\nEND;",
    b"CREATE PROCEDURE public.begin() LANGUAGE sql AS 'select 1; select 2';",
    b"CREATE RULE r AS ON INSERT TO public.t DO ( SELECT 1;\n SELECT 2;\n);",
    b'CREATE VIEW public.v AS SELECT E\'a\\\';\' AS x, "we;ird"."q""\\" AS y /* ; /* ; */ \' */, 1 -- ; \'\n;',
    b"CREATE VIEW public.w AS SELECT a$b$c, $1, 'x' FROM t$x$;",
    "COMMENT ON TABLE public.\"ü$$\" IS '\u00e9';".encode(),
)
ROWS = b"1\t\\\\.\n2\t\\N\nCOPY x FROM stdin;\n"
TABLE = b'COPY "The ""Shop""".many (a, "b, (c)") FROM stdin;'
ENTRY = b'--\n-- Name: many; Type: TABLE DATA; Schema: The "Shop"; Owner: -\n--\n\n'
DUMP = (
    b"--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\n"
    + b"\n\n".join(STATEMENTS)
    + b"\n\n"
    + ENTRY
    + TABLE
    + b"\n"
    + ROWS
    + b"\\.\n\n\nCOPY public.bare  FROM stdin;\n\\.\n\n\nSELECT pg_catalog.setval('public.s', 1, true);\n"
)


def lexed(dump: bytes, cuts: list[int]) -> list[object]:
    """Return what a dump that comes in pieces holds, rows as one piece."""
    lexer, at, found = Lexer(), 0, []
    for cut in (*sorted(cuts), len(dump)):
        if cut > at:
            found += lexer.feed(dump[at:cut])
            at = cut
    joined: list[object] = []
    for event in found:
        if isinstance(event, Rows):
            before = joined.pop() if isinstance(joined[-1], bytes) else b""
            assert isinstance(before, bytes)
            joined.append(before + bytes(event.view))
        else:
            joined.append(event)
    return joined


@given(st.lists(st.integers(0, len(DUMP)), max_size=60))
def test_statements_and_rows_do_not_depend_on_where_a_dump_is_cut(cuts: list[int]) -> None:
    """Every byte of a statement comes back, and nothing inside a quote or a body is taken for one."""
    found = lexed(DUMP, cuts)
    statements = [event.text for event in found if isinstance(event, Statement)]
    assert statements == [*STATEMENTS, b"SELECT pg_catalog.setval('public.s', 1, true);"]
    entry = Entry("TABLE DATA", 'The "Shop"', "many")
    tables = [event for event in found if isinstance(event, CopyStart | bytes | CopyEnd)]
    assert tables[0] == CopyStart('The "Shop"', "many", ("a", "b, (c)"), DUMP.index(ROWS))
    assert tables[1] == ROWS
    assert isinstance(tables[2], CopyEnd)
    assert tables[2].end == DUMP.index(ROWS) + len(ROWS) + 3
    assert isinstance(tables[3], CopyStart)
    assert tables[3].columns == ()
    assert isinstance(tables[4], CopyEnd)
    assert [event.entry for event in found if isinstance(event, Statement)][-1] == entry


def test_rows_that_somebody_else_reads_are_passed_over() -> None:
    """From any byte after the COPY to any one before its end, also where a cut lies in the line break after it."""
    begin = DUMP.index(ROWS)
    end = begin + len(ROWS)
    whole = lexed(DUMP, [])
    for first, last in combinations_with_replacement(range(begin, end), 2):
        lexer = Lexer()
        events = lexer.feed(DUMP[:first])
        lexer.skip(last - first)
        events += lexer.feed(DUMP[last:])
        assert [each for each in events if not isinstance(each, Rows)] == [
            each for each in whole if not isinstance(each, bytes)
        ]
        assert lexer.between_statements
    for before in (0, DUMP.index(TABLE), len(DUMP)):
        lexer = Lexer()
        lexer.feed(DUMP[:before])
        with pytest.raises(Malformed):
            lexer.skip(1)


def test_a_dump_without_standard_strings_escapes_with_backslashes() -> None:
    """After the dump has switched them off, a backslash escapes a quote in every string."""
    dump = b"SET standard_conforming_strings = off;\nCOMMENT ON TABLE t IS 'a\\'; b';\nCOMMENT ON TABLE u IS 'x';\n"
    assert len(lexed(dump, [])) == 3


def test_names_are_read_in_the_encoding_of_the_dump() -> None:
    """A dump says in which encoding it is written."""
    dump = "SET client_encoding = 'LATIN1';\nCOPY public.größe (ä) FROM stdin;\n\\.\n".encode("latin-1")
    assert CopyStart("public", "größe", ("ä",), dump.index(b"\\.")) in lexed(dump, [])


@pytest.mark.parametrize(
    "text", [b"COPY t (a) FROM stdin; x\n", b"\\! sh\n", b"SELECT \\gexec 1;\n", b"COPY a.b TO stdout;\n"]
)
def test_what_is_no_dump_is_refused(text: bytes) -> None:
    """Commands of psql, and forms of COPY that pg_dump does not write."""
    with pytest.raises(Malformed):
        lexed(text, [])

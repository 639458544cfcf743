"""A dump that goes by: its tables counted and hashed, and whatever is not whole named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.snapshots.engines.postgres.plain_dump.scanner import COMPLETE, Manifest, Scanner, Table, manifest_lines

ROWS = b"1\tone\n2\t\\\\.\n3\tCOPY public.fake (a) FROM stdin;\n"
DUMP = b"".join(
    [
        b"--\n-- PostgreSQL database dump\n--\n\n"
        b"CREATE FUNCTION public.f() AS $$\nCOPY public.users (id) FROM stdin;\n$$;\n",
        b"--\n-- Data for Name: users; Type: TABLE DATA; Schema: public; Owner: -\n--\n\n",
        b"COPY public.users (id, name) FROM stdin;\n",
        ROWS,
        b"\\.\n\n\n",
        b'--\n-- Data for Name: We"ird (t); Type: TABLE DATA; Schema: public; Owner: -\n--\n\n',
        b'COPY public."We""ird (t)" ("a,b", "c""d)") FROM stdin;\n\\.\n\n\n',
        b"--\n-- Name: x; Type: INDEX\n--\n\nCREATE INDEX x;\n\n--\n",
        COMPLETE + b"\n",
        b"--\n\n",
    ]
)


def scanned(dump: bytes, cuts: list[int]) -> Scanner:
    """Scan a dump that comes in pieces."""
    scanner, at = Scanner(), 0
    for cut in (*sorted(cuts), len(dump)):
        scanner.feed(dump[at:cut])
        at = max(at, cut)
    return scanner


def manifest_of(scanner: Scanner) -> Manifest:
    """Return the manifest that fits what was found."""
    return Manifest({name: Table(block.rows, block.digest) for name, block in scanner.blocks.items()})


WHOLE = DUMP + manifest_lines(manifest_of(scanned(DUMP, [])))


@given(st.lists(st.integers(0, len(WHOLE)), max_size=40))
def test_however_a_dump_is_cut_into_pieces_the_same_tables_are_found(cuts: list[int]) -> None:
    """Rows, hashes, columns and the manifest do not depend on where a piece ends."""
    scanner = scanned(WHOLE, cuts)
    manifest = scanner.manifest
    assert manifest is not None
    assert list(scanner.problems(manifest)) == []
    assert {name: (block.rows, block.columns) for name, block in scanner.blocks.items()} == {
        '"public"."users"': (3, ("id", "name")),
        '"public"."We""ird (t)"': (0, ("a,b", 'c"d)')),
    }


@given(st.integers(0, len(WHOLE) - 1))
def test_a_dump_that_was_cut_anywhere_is_not_whole(length: int) -> None:
    """Whatever is missing at its end, something says so: the manifest is the very last line."""
    scanner = scanned(WHOLE[:length], [])
    assert list(scanner.problems(scanner.manifest))


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (lambda dump: dump.replace(b"1\tone\n", b""), "has 2 rows where 3 were counted"),
        (lambda dump: dump.replace(b"1\tone\n", b"1\tten\n"), "has another content"),
        (lambda dump: dump.replace(COMPLETE, b""), "every complete dump is missing"),
        (
            lambda dump: dump.replace(b'"\\"public\\".\\"users\\"":', b'"\\"public\\".\\"cards\\"":'),
            'cards" is missing',
        ),
    ],
)
def test_what_is_not_in_the_manifest_is_named(harm: object, problem: str) -> None:
    """Each disagreement with what the server counted is a sentence."""
    scanner = scanned(harm(WHOLE), [])  # type: ignore[operator]
    assert any(problem in said for said in scanner.problems(scanner.manifest))


@pytest.mark.parametrize(
    "insertion",
    [
        rb"\! touch /tmp/pwned",
        rb"\unrestrict abc",
        rb"\connect postgres",
        rb"SELECT 1 \g |sh",
        b"COPY public.users FROM PROGRAM 'sh';",
        b"COPY public.users TO '/tmp/x';",
        b"COPY (SELECT 1) TO PROGRAM 'sh';",
        b"copy public.users (id) from program 'sh';",
        b"DO $$BEGIN END$$;",
        b"CALL public.p();",
        b"ALTER SYSTEM SET archive_command = 'sh';",
        b"ALTER ROLE bot SUPERUSER;",
        b"ALTER DATABASE game OWNER TO bot;",
        b"CREATE ROLE evil SUPERUSER;",
        b"CREATE DATABASE evil;",
        b"DROP DATABASE game;",
        b"DROP TABLE public.users;",
        b"INSERT INTO public.users VALUES (1);",
        b"SELECT pg_catalog.pg_read_file('/etc/passwd');",
        b"SELECT public.f();",
        b"SET ROLE postgres;",
        b"SET SESSION AUTHORIZATION postgres;",
        b"LOAD 'evil';",
        b"VACUUM;",
    ],
)
def test_what_pg_dump_does_not_write_is_a_damaged_archive(insertion: bytes) -> None:
    """An archive is data: no command of psql, no program, no code that is run at once, nothing beyond the database."""
    at = WHOLE.index(b"--\n-- Data for Name: users")
    scanner = scanned(WHOLE[:at] + insertion + b"\n\n" + WHOLE[at:], [])
    if insertion == rb"\unrestrict abc":  # pg_dump writes it, and nothing here takes it for an end
        assert list(scanner.problems(scanner.manifest)) == []
    else:
        assert len(list(scanner.problems(scanner.manifest))) == 1


def test_nothing_may_follow_the_manifest() -> None:
    """What was added at the end of an archive is not part of it."""
    scanner = scanned(WHOLE + b"SELECT pg_catalog.set_config('search_path', '', false);\n", [])
    assert list(scanner.problems(scanner.manifest)) == ["something follows its manifest"]

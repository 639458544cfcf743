"""Loading a dump table by table: what psql is given, and when each table can be read back."""

from __future__ import annotations

import hashlib
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.snapshots.engines.postgres import subprocesses
from core.snapshots.engines.postgres.compare import Comparison
from core.snapshots.engines.postgres.connection import Address
from core.snapshots.engines.postgres.copy_data import Block, Scanner
from core.snapshots.engines.postgres.load import TableByTable, read_table
from core.snapshots.engines.postgres.session import connected
from core.snapshots.engines.postgres.subprocesses import Program, bare_environment
from core.snapshots.progress import Watch
from core.snapshots.settings.conninfo import parse_conninfo
from tests.worlds.postgres_world import PostgresGame, run_sql

ONE = "1\ta\\\\b\n2\t\\N\n"
MANY = "".join(f"{number}\tx\n" for number in range(200))


def data(name: str, columns: str, rows: str, statement: str = "COPY") -> str:
    """Give a table's rows as pg_dump writes them."""
    return (
        f"-- Data for Name: t; Type: TABLE DATA; Schema: public; Owner: -\n--\n\n{statement} {name} ({columns}) "
        f"FROM stdin;\n{rows}\\.\n\n\n--\n"
    )


CREATED = (
    'SET x = y;\nCREATE TABLE public.one (\n    a int\n);\nCREATE UNLOGGED TABLE "The ""Shop""".many (\n    a int\n);\n'
    "CREATE TABLE public.empty (\n    a int\n);\n\n--\n"
)
AFTER = "-- Name: one_key; Type: CONSTRAINT; Schema: public; Owner: -\n--\n\nALTER TABLE ONLY public.one ADD x;\n"
DUMP = (
    CREATED
    + data("public.one", "a, b", ONE)
    + data("public.ours_not", "a, b", ONE)
    + data('"The ""Shop""".many', "a", MANY)
    + data("public.empty", "a", "")
    + AFTER
)
FROZEN = "FROM stdin WITH (FREEZE);"
STATEMENTS = {
    "COPY public.one (a, b) FROM stdin;": f'BEGIN; TRUNCATE ONLY "public"."one";\nCOPY public.one (a, b) {FROZEN}',
    "COPY public.ours_not": "BEGIN;\nCOPY public.ours_not",
    'COPY "The ""Shop""".many (a) FROM stdin;': (
        f'BEGIN; TRUNCATE ONLY "The ""Shop"""."many";\nCOPY "The ""Shop""".many (a) {FROZEN}'
    ),
    "COPY public.empty (a) FROM stdin;": f'BEGIN; TRUNCATE ONLY "public"."empty";\nCOPY public.empty (a) {FROZEN}',
    "\n\\.\n": "\n\\.\nCOMMIT;\n",
}


def expected() -> str:
    """Give what psql should get of the dump."""
    text = DUMP
    for dumped, loaded in STATEMENTS.items():
        text = text.replace(dumped, loaded)
    return text


def passed_on(pieces: list[bytes], size: int) -> tuple[str, list[tuple[Block, bool]]]:
    """Give what psql gets of a dump, and which tables were said to be on their way."""
    fed: list[bytes] = []
    loaded: list[tuple[Block, bool]] = []
    tables = TableByTable(fed.append, lambda block, beside: loaded.append((block, beside)), size)
    scanner = Scanner()
    for piece in pieces:
        scanner.feed(piece)
        tables.take(piece, scanner)
    tables.finish()
    return b"".join(fed).decode(), loaded


@given(st.sets(st.integers(0, len(DUMP.encode()))))
def test_each_table_is_a_transaction_wherever_the_dump_is_cut(cuts: set[int]) -> None:
    """Own tables are emptied and frozen, an extension's is neither, and everything else passes as it is."""
    whole = DUMP.encode()
    ends = [0, *sorted(cuts), len(whole)]
    text, loaded = passed_on([whole[begin:end] for begin, end in pairwise(ends)], len(whole))
    assert text == expected()
    assert [(block.name, block.rows) for block, _ in loaded] == [
        ("one", 2),
        ("ours_not", 2),
        ("many", 200),
        ("empty", 0),
    ]


def test_a_table_is_read_back_beside_the_others_only_where_enough_comes_after_it() -> None:
    """The last large one would be in the way of what follows, so it comes late."""
    _, loaded = passed_on([DUMP.encode()], len(DUMP.encode()))
    assert {block.name: beside for block, beside in loaded} == {
        "one": True,
        "ours_not": True,
        "many": False,
        "empty": True,
    }


@pytest.mark.parametrize("large", [True, False])
def test_a_programs_output_comes_in_blocks(monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    """However it writes, and whatever pipes this user may have, the blocks are of 64 KiB and nothing is lost."""
    if not large:
        monkeypatch.setattr(subprocesses, "_PIPE_BYTES", 1 << 40)  # refused, as where a user has too many of them
    lines = "import sys\nfor n in range(30000): sys.stdout.write(f'{n}\\n'); n % 1000 or sys.stdout.flush()\n"
    with Program([sys.executable, "-c", lines], bare_environment(), Watch()) as program:
        blocks = list(program.pieces())
        assert program.wait() == 0
    assert b"".join(blocks) == "".join(f"{number}\n" for number in range(30000)).encode()
    assert {len(block) for block in blocks[:-1]} == {1 << 16}


@pytest.mark.parametrize("large", [True, False])
def test_a_program_gets_all_that_is_written(monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    """Also where it reads slowly, in small pieces."""
    if not large:
        monkeypatch.setattr(subprocesses, "_PIPE_BYTES", 1 << 40)
    data = bytes(range(256)) * 10_000
    count = "import hashlib,sys; print(hashlib.file_digest(sys.stdin.buffer, 'sha256').hexdigest())"
    with Program([sys.executable, "-c", count], bare_environment(), Watch(), feed=True) as program:
        assert all(program.write(data[at : at + 100_000]) for at in range(0, len(data), 100_000))
        assert program.wait() == 0
        assert b"".join(program.pieces()).decode().strip() == hashlib.sha256(data).hexdigest()


def test_a_table_that_is_locked_is_compared_when_it_is_free() -> None:
    """An index that takes long holds the comparison up, however short the bot's patience with locks is."""
    game = PostgresGame()
    game.create()
    address = Address(parse_conninfo(game.url))
    with (
        connected(address, Watch(), lock_timeout=0.01) as session,
        connected(address, Watch(), lock_timeout=1.0) as other,
    ):
        columns = ("id", "dust")
        known = read_table(session, Block("public", "users", columns, 0, ""))
        assert known.rows > 0
        comparison = Comparison(address, Watch())
        other.execute("BEGIN; LOCK TABLE public.users IN ACCESS EXCLUSIVE MODE")
        with comparison.begun():
            comparison.add(Block("public", "users", columns, known.rows, known.digest), True)
            comparison.add(Block("public", "cards", ("id",), 1, "another"), False)
            while not session.rows("SELECT FROM pg_catalog.pg_locks WHERE NOT granted"):
                time.sleep(0.01)
            other.execute("ROLLBACK")
    assert [said.split(" has ")[0] for said in comparison.problems] == ['the table "public"."cards"']


def test_the_last_large_table_is_compared_while_keys_are_checked() -> None:
    """Not before, when an index would wait for the reader, and not only when all is loaded."""
    game = PostgresGame()
    game.create()
    run_sql(game.url, "CREATE TABLE late (user_id int)")
    address = Address(parse_conninfo(game.url))
    adding = "ALTER TABLE ONLY public.late ADD CONSTRAINT k FOREIGN KEY (user_id) REFERENCES public.users (id)"
    comparison = Comparison(address, Watch())
    with ThreadPoolExecutor(1) as pool, connected(address, Watch(), lock_timeout=None) as holder, comparison.begun():
        holder.execute("BEGIN; LOCK TABLE public.late IN ROW EXCLUSIVE MODE")
        comparison.add(Block("public", "cards", ("id",), 1, "another"), False)
        time.sleep(0.3)
        too_early = comparison.problems
        assert too_early == ()
        checking = pool.submit(run_sql, game.url, adding)
        limit = time.monotonic() + 20
        while not comparison.problems and time.monotonic() < limit:
            time.sleep(0.01)
        assert [said.split(" has ")[0] for said in comparison.problems] == ['the table "public"."cards"']
        assert not checking.done()
        holder.execute("ROLLBACK")
        checking.result()

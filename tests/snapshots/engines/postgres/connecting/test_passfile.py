"""Names and passwords as libpq takes them: escapes, blanks, and files that others can read."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.snapshots.engines import engine_for
from core.snapshots.engines.postgres.connecting.passfile import find_password
from core.snapshots.engines.postgres.connection import Address
from core.snapshots.models import Level
from core.snapshots.settings.database_url import parse
from tests.worlds.chain_world import Chain
from tests.worlds.engine_cases import bounded
from tests.worlds.postgres_world import PostgresGame, over_tcp, run_sql, with_database

HOST = ("db", "5432")


def write(folder: Path, text: str, mode: int = 0o600) -> Path:
    """Return a password file with this text."""
    path = folder / "pass"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("line", "password"),
    [
        ("db:5432:game:bot:simple", "simple"),
        ("*:*:*:*:simple", "simple"),
        (r"db:5432:game:bot:a\:b\\c", r"a:b\c"),
        (r"db:5432:game:bot:a:b", "a"),
        ("db:5432:game:bot:\n*:*:*:*:second", ""),
        ("*:5432:game:bot:wildcard\ndb:5432:game:bot:exact", "wildcard"),
        ("db:5432:other:bot:no\ndb:5432:game:other:no\ndb:*:game:bot:first\ndb:5432:game:bot:second", "first"),
        ("\ndb:5432:game:bot:after an empty line\r\r", "after an empty line"),
        ("db:5432:game:bot:ends in a blank ", "ends in a blank "),
        ("db:5432:game:bot: begins with one", " begins with one"),
        ("db:5432:game:bot:\ttab\t", "\ttab\t"),
        ("db:5432:game:bot:windows\r", "windows"),
        ("# db:5432:game:bot:comment\ndb:5432:game:bot:after", "after"),
        ("other:*:*:*:no\ndb:*:*:*:first\n*:*:*:*:second", "first"),
        ("db:5432:ga\\me:bot:escaped name", "escaped name"),
        (r"db:5432:game:bot:ends in a backslash" + "\\", "ends in a backslash\\"),
        ("db:5432:game", None),
        ("db:5433:game:bot:another port", None),
        (r"db:5432:\*:bot:a literal star", None),
        ("", None),
    ],
)
def test_a_line_of_a_password_file_is_read_as_libpq_reads_it(tmp_path: Path, line: str, password: str | None) -> None:
    """Escapes are taken out, blanks stay, the first line that matches counts."""
    assert find_password(write(tmp_path, f"{line}\n"), HOST, "game", "bot") == password


@pytest.mark.parametrize(
    ("host", "password"),
    [("", "local"), ("/tmp", "local"), ("/var/run/postgresql", "local"), ("/home/me/run", "mine"), ("db", None)],
)
def test_only_the_default_sockets_are_called_localhost(tmp_path: Path, host: str, password: str | None) -> None:
    """A socket elsewhere is named by its folder."""
    file = write(tmp_path, "localhost:*:*:*:local\n/home/me/run:*:*:*:mine\n")
    assert find_password(file, (host, "5432"), "game", "bot") == password


def test_the_password_for_the_games_database_is_that_for_the_others_of_its_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role has one password: a line for the game alone, or a wrong one for the rest, keeps nobody from a restore."""
    lines = "db:*:game:bot:right\n*:*:*:*:wrong\n"
    monkeypatch.setenv("PGPASSFILE", str(write(tmp_path, lines)))
    game = Address({"host": "db", "user": "bot", "dbname": "game"})
    assert game.with_database("postgres").with_database("scratch").for_asyncpg(1.0)["password"] == "right"
    with game.for_programs(tmp_path) as environment:
        assert "right" in Path(environment["PGPASSFILE"]).read_text()
    assert Address({"host": "db", "user": "bot", "dbname": "postgres"}).for_asyncpg(1.0)["password"] == "wrong"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_password_file_that_others_can_read_is_ignored(tmp_path: Path, mode: int) -> None:
    """As libpq ignores it; one that is missing or a folder is no password either."""
    assert find_password(write(tmp_path, "*:*:*:*:secret\n", mode), HOST, "game", "bot") is None
    assert find_password(tmp_path, HOST, "game", "bot") is None
    assert find_password(tmp_path / "missing", HOST, "game", "bot") is None


def test_each_of_several_hosts_has_a_password_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As libpq looks one up for each, while the URL's or the environment's is for all."""
    lines = "one:1:game:bot:fi:rst\n/tmp/x:*:*:*:sec\\:ond\nlocalhost:*:*:*:local\n"
    monkeypatch.setenv("PGPASSFILE", str(write(tmp_path, lines)))
    several = {"host": "one,two,/tmp/x,/tmp", "port": "1,2,3,4", "user": "bot", "dbname": "game"}
    asked = Address(several).for_asyncpg(1.0)["password"]
    assert [asked() for _ in range(4)] == ["fi", "", "sec:ond", "local"]
    with Address(several).for_programs(tmp_path) as environment:
        assert Path(environment["PGPASSFILE"]).read_text().splitlines() == [
            "one:1:*:*:fi",
            r"/tmp/x:3:*:*:sec\:ond",
            "/tmp:4:*:*:local",
            "localhost:4:*:*:local",
        ]
    assert Address({**several, "password": "given"}).for_asyncpg(1.0)["password"] == "given"


NAMES = st.text(st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"]), min_size=1)


@given(name=NAMES, password=NAMES)
def test_any_name_and_password_come_out_of_the_file_as_they_went_in(
    tmp_path_factory: pytest.TempPathFactory, name: str, password: str
) -> None:
    """Written with libpq's escapes, each is found again."""
    escaped = [text.replace("\\", "\\\\").replace(":", "\\:") for text in (name, password)]
    line = f"db:5432:{'[star]' if name == '*' else escaped[0]}:bot:{escaped[1]}"
    found = find_password(write(tmp_path_factory.mktemp("pass"), f"{line}\n"), HOST, name, "bot")
    assert found == (None if name == "*" else password)


@pytest.mark.server
@pytest.mark.parametrize("password", ["with:colon", "back\\slash", "ends in a blank ", "\\:", " both "])
def test_a_snapshot_is_taken_and_rebuilt_with_a_password_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    """Our connections and libpq's programs find the same password in the operator's file."""
    game = PostgresGame()
    game.create()
    run_sql(game.server, f"ALTER ROLE {game.role} PASSWORD '{password}'")
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    monkeypatch.setenv("PGPASSFILE", str(write(tmp_path, f"127.0.0.1:*:*:{game.role}:{escaped}\n")))
    url = over_tcp(with_database(game.server, game.name, game.role))
    chain = Chain(tmp_path / "taken", engine_for(parse(url), 5.0))
    assert chain.take(watch=bounded(60)).rows
    chain.engine.discard(chain.rebuild(), bounded(60))


@pytest.mark.server
def test_the_second_host_is_asked_with_its_own_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By us and by libpq's programs, after a first one that does not answer."""
    game = PostgresGame()
    game.create()
    run_sql(game.server, f"ALTER ROLE {game.role} PASSWORD 'second'")
    monkeypatch.setenv("PGPASSFILE", str(write(tmp_path, "127.0.0.1:1:*:*:first\n127.0.0.1:*:*:*:second\n")))
    url = over_tcp(with_database(game.server, game.name, game.role)).replace("127.0.0.1", "127.0.0.1:1,127.0.0.1")
    chain = Chain(tmp_path / "taken", engine_for(parse(url), 5.0))
    assert chain.take(watch=bounded(60)).rows


@pytest.mark.server
@pytest.mark.parametrize("name", ["ends in a blank ", " begins with one", "tab\t", 'quo"te ', "eq=ual's "])
def test_a_database_may_have_any_name(tmp_path: Path, name: str) -> None:
    """Blanks at the ends belong to a name: the database without them is another one, or none."""
    game = PostgresGame(name=f"{name}{tmp_path.name[-4:]}{name}")
    game.create()
    run_sql(game.superuser, f"ALTER DATABASE {game.quoted} OWNER TO {game.role}")
    url = with_database(game.server, game.name, game.role)
    assert quote(name.strip(), safe="") in url
    chain = Chain(tmp_path / "taken", engine_for(parse(url), 5.0))
    assert chain.take(watch=bounded(60)).rows
    image = tmp_path / "image"
    assert chain.engine.rebuild(chain.parts[-1:], image, bounded(60)) is Level.RESTORED
    chain.engine.discard(image, bounded(60))

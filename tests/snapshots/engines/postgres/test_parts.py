"""The parts of the PostgreSQL engine by themselves: addresses, programs, names."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.snapshots.engines.postgres.client_tools import Tools, choose
from core.snapshots.engines.postgres.connection import Address
from core.snapshots.engines.postgres.errors import from_output
from core.snapshots.engines.postgres.scratch import kept_name
from core.snapshots.errors import (
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseUnavailable,
    NotEnoughSpace,
    SettingsError,
    SnapshotError,
)
from core.snapshots.settings.conninfo import parse_conninfo, without_secrets
from core.snapshots.settings.database_url import parse

# Connection strings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://", {}),
        ("postgres://db", {"host": "db"}),
        ("postgresql://u@db:5433/game", {"user": "u", "host": "db", "port": "5433", "dbname": "game"}),
        ("postgresql+asyncpg://u:p@db/game", {"user": "u", "password": "p", "host": "db", "dbname": "game"}),
        ("postgresql://u:p%40ss%2F%3A@db/g%C3%B6", {"user": "u", "password": "p@ss/:", "host": "db", "dbname": "gö"}),
        ("postgresql://u:p@ss@db/game", {"user": "u", "password": "p@ss", "host": "db", "dbname": "game"}),
        ("postgresql://u:a/b@db/game", {"user": "u", "password": "a/b", "host": "db", "dbname": "game"}),
        ("postgresql://a:1,b:2/game", {"host": "a,b", "port": "1,2", "dbname": "game"}),
        ("postgresql://[::1]:5433,[fe80::2]/game", {"host": "::1,fe80::2", "port": "5433,", "dbname": "game"}),
        ("postgresql:///game?host=/var/run/postgresql", {"dbname": "game", "host": "/var/run/postgresql"}),
        ("postgresql://%2Frun%2Fpg/game", {"host": "/run/pg", "dbname": "game"}),
        ("postgresql://db/game?sslmode=verify-full", {"host": "db", "dbname": "game", "sslmode": "verify-full"}),
        ("postgresql://db/game?ssl=true&pool_size=4", {"host": "db", "dbname": "game", "sslmode": "require"}),
        ("postgresql://db/x?password=a%2Bb+c", {"host": "db", "dbname": "x", "password": "a+b+c"}),
        ("host=db dbname=game user = bot", {"host": "db", "dbname": "game", "user": "bot"}),
        (r"host=db password='it\'s a \\ word'", {"host": "db", "password": r"it's a \ word"}),
        (r"password=a\ b host=db", {"host": "db", "password": "a b"}),
        ("host=db user='' dbname=game", {"host": "db", "dbname": "game"}),
    ],
)
def test_a_connection_string_is_read_as_libpq_reads_it(text: str, expected: dict[str, str]) -> None:
    """URLs and pairs, percent-encoding and quotes, several hosts, sockets, and what drivers add."""
    assert parse_conninfo(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:hunter2@db:port/game",
        "postgresql://u:hunter2@db:99999/game",
        "postgresql://u:hunter2@a:1,b:2,c:x/game",
        "postgresql://u:hunter2@[::1/game",
        "postgresql://u:hunter2%ff@db/game",
        "host=db password='hunter2",
        "host=db password=hunter2 port=x",
        "host=a,b port=1,2,3 password=hunter2",
        "host=db\nhunter2",
        "password='hunter2\nx' host=db",
    ],
)
def test_what_is_no_connection_string_is_refused_without_its_password(text: str) -> None:
    """The sentence says what is wrong and shows nothing of what could be secret."""
    with pytest.raises(SettingsError) as caught:
        parse(text)
    assert "hunter2" not in repr(caught.value.to_wire())


@given(st.text(st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"]), min_size=1))
def test_any_password_goes_through_a_url_and_through_pairs(password: str) -> None:
    """Whatever the password, encoded as RFC 3986 has it or quoted as libpq has it, it comes out the same."""
    assert parse_conninfo(f"postgresql://u:{quote(password, safe='')}@db/g")["password"] == password
    escaped = password.replace("\\", "\\\\").replace("'", "\\'")
    assert parse_conninfo(f"user=u password='{escaped}'")["password"] == password


def test_a_place_is_shown_without_its_secrets() -> None:
    """Both forms show which database it is."""
    assert parse("host=db user=bot password=hunter2 dbname=game").redacted == "postgresql://bot:***@db/game"
    assert parse("postgresql://bot:hunter2@db/game?sslmode=require").redacted == "postgresql://bot:***@db/game?***"
    shown = without_secrets({"host": "a,b", "port": "1,2", "sslpassword": "hunter2", "dbname": "game"})
    assert shown == "postgresql://a:1,b:2/game"


def test_programs_get_the_password_in_a_private_file_that_goes(tmp_path: Path) -> None:
    """Colons and backslashes are escaped as libpq reads them; the environment names the file and nothing secret."""
    address = Address({"host": "db", "user": "bot", "password": "a:b\\c", "dbname": "game", "sslpassword": "hunter2"})
    with address.for_programs(tmp_path) as environment:
        passfile, service = Path(environment["PGPASSFILE"]), Path(environment["PGSERVICEFILE"])
        assert passfile.read_text() == "*:*:*:*:a\\:b\\\\c\n"
        assert "sslpassword=hunter2\n" in service.read_text()
        assert {stat.S_IMODE(path.stat().st_mode) for path in (passfile, service)} == {0o600}
        assert stat.S_IMODE(passfile.parent.stat().st_mode) == 0o700
        assert not any("a:b" in value or "hunter2" in value for value in environment.values())
    assert list(tmp_path.iterdir()) == []


def test_a_password_of_the_environment_is_moved_out_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PGPASSWORD works, and is not passed on to where everybody can read it."""
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    with Address({"host": "db"}).for_programs(tmp_path) as environment:
        assert "hunter2" in Path(environment["PGPASSFILE"]).read_text()
        assert "hunter2" not in repr(environment)
    assert "hunter2" in os.environ["PGPASSWORD"]


# Programs


def tools(*versions: str) -> tuple[Tools, ...]:
    """Return installations of these versions."""
    return tuple(Tools(f"/pg{version}", *(int(part) for part in version.split("."))) for version in versions)


@pytest.mark.parametrize(
    ("server", "installed", "chosen"),
    [
        (16, ("15.1", "16.2", "16.9", "18.4"), "16.9"),
        (14, ("13.5", "15.14", "16.2"), "15.14"),
        (17, ("16.2", "18.0"), "18.0"),
        (17, ("17.0",), "17.0"),
    ],
)
def test_the_version_of_the_server_is_chosen_else_the_nearest_that_does_no_harm(
    server: int, installed: tuple[str, ...], chosen: str
) -> None:
    """Equal before newer, newer before nothing."""
    assert choose(server, tools(*installed)).folder == f"/pg{chosen}"


@pytest.mark.parametrize(
    ("server", "installed", "why"),
    [
        (16, (), "not installed"),
        (16, ("13.1", "15.14"), "pg_dump 13, 15 is too old for it"),
        (16, ("18.4",), "cannot be restored to a server before that"),
        (16, ("15.0", "17.0"), "pg_dump 15, 17 is no match for it"),
    ],
)
def test_without_a_fitting_version_the_package_to_install_is_named(
    server: int, installed: tuple[str, ...], why: str
) -> None:
    """One sentence with the very package."""
    with pytest.raises(DatabaseUnavailable, match=why) as caught:
        choose(server, tools(*installed))
    assert "postgresql-client-16" in str(caught.value)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("pg_dump: error: query failed: ERROR:  canceling statement due to lock timeout", DatabaseBusy),
        (
            'pg_dump: error: Dumping the contents failed: ERROR:  invalid page in block 7 of relation "x"',
            DatabaseDamaged,
        ),
        ("psql:<stdin>:9: ERROR:  could not extend file: No space left on device", NotEnoughSpace),
        ("pg_dump: error: connection to server was lost", DatabaseUnavailable),
        ("", DatabaseUnavailable),
    ],
)
def test_the_last_words_of_a_program_are_understood(said: str, kind: type[SnapshotError]) -> None:
    """A lock is not damage, damage is not an outage, and a full disk is named as one."""
    assert type(from_output("pg_dump", said, "postgresql://db/game")) is kind


def test_the_name_of_what_is_kept_fits_and_tells_games_apart() -> None:
    """63 bytes are all that a name may have; two long names that begin alike stay two names."""
    moment = "20261123T120000.123Z"
    assert kept_name("game", moment) == "game_before_20261123t120000123z"
    long = [kept_name("ü" * 30 + end, moment) for end in ("a", "b")]
    assert len(set(long)) == 2
    assert all(len(name.encode()) <= 63 for name in long)

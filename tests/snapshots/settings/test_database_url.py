"""The database's URL: which file it means, and that its password never gets out."""

from __future__ import annotations

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.snapshots.engines import suffix_for
from core.snapshots.errors import SettingsError
from core.snapshots.settings.database_url import ENGINES, DatabaseUrl, parse, redact

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///data/game.db", "data/game.db"),
        ("sqlite:////srv/bot/game.db", "/srv/bot/game.db"),
        ("sqlite+aiosqlite:///data/game.db", "data/game.db"),
        ("SQLite:///Data/Game.db", "Data/Game.db"),
        ("  sqlite:///game.db\n", "game.db"),
        ("sqlite:///data/my%20game%23%3F.db", "data/my game#?.db"),
        ("sqlite:///data/%C3%BCber.db", "data/über.db"),
        ("sqlite:///data/100%.db", "data/100%.db"),
        ("sqlite:///C:/bot/game.db", "C:/bot/game.db"),
        ("sqlite:////C:/bot/game.db", "C:/bot/game.db"),
        (r"sqlite:///C:\bot\game.db", r"C:\bot\game.db"),
        ("sqlite:///data/game.db?timeout=5&cache=shared&mode=rwc", "data/game.db"),
    ],
)
def test_a_sqlite_url_names_its_file(url: str, path: str) -> None:
    """Three slashes are relative, four absolute; encoding is decoded, a driver and its options change nothing."""
    parsed = parse(url)
    assert (parsed.engine, parsed.path) == ("sqlite", path)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sqlite://", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:///data/", "names no file"),
        ("sqlite:///game%00.db", "names no file"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite://:memory:", "three slashes"),
        ("sqlite://data/game.db", "three slashes"),
        ("sqlite:///game.db?mode=memory", "option mode"),
        ("sqlite:///game.db?vfs=memdb", "option vfs"),
        ("sqlite:///file:game.db?uri=true", "file: URI"),
        ("sqlite:///data/#1.db", "%23"),
        ("sqlite:///data/%ff.db", "not UTF-8"),
        ("sqlite:///da\nta/game.db", "cannot be read as a URL"),
        ("data/game.db", "cannot be read as a URL"),
        ("", "cannot be read as a URL"),
        ("sqlite://[broken/game.db", "cannot be read as a URL"),
    ],
)
def test_a_sqlite_url_without_a_file_is_refused(url: str, why: str) -> None:
    """The sentence says what is wrong with it and shows the right form."""
    with pytest.raises(SettingsError, match=why) as caught:
        parse(url)
    assert caught.value.key == "database.url"
    assert "sqlite:///relative/path.db" in caught.value.allowed
    assert str(caught.value.value) in str(caught.value)


@pytest.mark.parametrize("scheme", ["mysql", "mongodb+srv", "sqlite3", "http"])
def test_an_unknown_engine_is_refused_with_the_known_ones(scheme: str) -> None:
    """The error names the engines that this version has."""
    with pytest.raises(SettingsError, match="its engine is not known") as caught:
        parse(f"{scheme}://host/game")
    assert all(engine in caught.value.allowed for engine in ENGINES)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_an_engine_that_is_not_among_the_known_is_named_by_its_title(scheme: str) -> None:
    """Somebody with PostgreSQL reads that this version does not support it; where it is known, it parses."""
    url = f"{scheme}://bot:{SECRET}@db.example/game"
    with pytest.raises(SettingsError, match="PostgreSQL is not supported by this version"):
        parse(url, engines={"sqlite"})
    assert parse(url, engines={"sqlite", "postgresql"}).engine == "postgresql"


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_that_a_url_can_name_has_its_package(engine: str) -> None:
    """The registry says what names of its snapshots end with, and that differs between engines."""
    assert suffix_for(engine).endswith(".gz")
    assert len({suffix_for(each) for each in ENGINES}) == len(ENGINES)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://bot:{SECRET}@db.example:5432/game",
        f"postgresql://bot:a/{SECRET}@db.example/game",
        f"postgresql://bot:a?{SECRET}@db.example/game",
        f"postgresql://bot:a#{SECRET}@db.example/game",
        f"postgresql://bot:a@{SECRET}@db.example/game",
        f"postgresql://db.example/game?password={SECRET}",
        f"postgresql://db.example/game?password=a@{SECRET}",
        f"postgresql://db.example:5432/game?sslmode=require&sslpassword={SECRET}",
        f"postgresql://bot:{SECRET}@[broken/game",
        f"postgresql://bot:{SECRET}℀@db.example/game",
        f"sqlite://bot:{SECRET}@db.example/game.db",
        f"mysql://bot:{SECRET}@db.example/game",
        f"sqlserver://db.example;user=sa;password={SECRET}",
        f"postgresql:bot:{SECRET}@db.example",
        f"host=db.example user=bot password={SECRET}",
    ],
)
def test_no_refusal_shows_a_password(url: str) -> None:
    """Neither the sentence, nor the data that travels with it, nor the traceback holds the secret."""
    with pytest.raises(SettingsError) as caught:
        parse(url, engines={"sqlite"})
    assert SECRET not in repr(caught.value.to_wire())
    assert SECRET not in "".join(traceback.format_exception(caught.value)).replace(repr(url), "")
    assert caught.value.__context__ is None


@given(st.text(min_size=1).map(lambda text: f"«{text}»"))
def test_a_password_of_any_characters_is_redacted(password: str) -> None:
    """Nothing of a password shows, though it may hold the very characters that separate a URL's parts."""
    for shown in (redact(f"postgresql://bot:{password}@db/game"), redact(f"postgresql://db/game?password={password}")):
        assert "«" not in shown
        assert "»" not in shown


def test_a_redacted_url_still_says_which_database_it_is() -> None:
    """User, host and database stay readable."""
    assert redact("postgresql://bot:pw@db.example:5432/game?sslmode=require") == (
        "postgresql://bot:***@db.example:5432/game?***"
    )
    assert redact("sqlite:///data/game.db") == "sqlite:///data/game.db"


def test_the_parsed_url_shows_itself_redacted() -> None:
    """A URL that ends up in a log line by its repr carries no secret, while the engine still has the whole text."""
    url = DatabaseUrl(text=f"postgresql://bot:{SECRET}@db/game", engine="postgresql")
    assert SECRET not in repr(url) + str(url) + repr(url.__rich_repr__())
    assert url.redacted == "postgresql://bot:***@db/game"
    assert SECRET in url.text

"""Settings that are refused: the sentence names key, value, what is allowed and where it came from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.snapshots.errors import SettingsError
from core.snapshots.settings.schema import load


def refused(folder: Path, text: str) -> SettingsError:
    """Load a file with this text and give the error, after checking what every such error must have."""
    path = folder / "backup.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load(path, {})
    error = caught.value
    assert str(error).startswith(f"{path}: ")
    assert str(error).endswith(".")
    assert error.key in str(error)
    assert error.allowed in str(error)
    assert json.dumps(error.value, ensure_ascii=False) in str(error)
    return error


@pytest.mark.parametrize(
    ("text", "key", "value", "allowed"),
    [
        ("[database]\nurl = 5", "database.url", 5, "a URL"),
        ('[database]\nurl = "mysql://host/game"', "database.url", "mysql://host/game", "sqlite"),
        ('[database]\ncritical_tables = "users"', "database.critical_tables", "users", "a list"),
        ('[database]\ncritical_tables = ["users", " "]', "database.critical_tables[1]", " ", "a table's name"),
        ('[database]\njson_columns = ["cards"]', "database.json_columns[0]", "cards", "table.column"),
        ('[database]\njson_columns = [".x"]', "database.json_columns[0]", ".x", "table.column"),
        ('[database]\njson_columns = ["a.b:"]', "database.json_columns[0]", "a.b:", ":list"),
        ('[database]\njson_columns = ["a.b:array"]', "database.json_columns[0]", "a.b:array", ":list"),
        ('[database]\nbusy_timeout = "30d"', "database.busy_timeout", "30d", "up to 1d"),
        ('[repository]\npath = ""', "repository.path", "", "a folder's path"),
        ("[repository]\nmin_free = 500", "repository.min_free", 500, "500 MiB"),
        ('[repository]\nmin_free = "-1 MB"', "repository.min_free", "-1 MB", "500 MiB"),
        ('[repository]\nlatest_after = ["hourly"]', "repository.latest_after[0]", "hourly", '"periodic"'),
        ("[schedule]\nperiodic_interval = 20", "schedule.periodic_interval", 20, "20m"),
        ("[schedule]\nperiodic_interval = 0", "schedule.periodic_interval", 0, "longer than 0"),
        ('[schedule]\nperiodic_interval = "0s"', "schedule.periodic_interval", "0s", "longer than 0"),
        ('[schedule]\nperiodic_interval = "-5m"', "schedule.periodic_interval", "-5m", "longer than 0"),
        ("[schedule]\nfirst_after = -1", "schedule.first_after", -1, "from 0"),
        ("[schedule]\nfirst_after = nan", "schedule.first_after", float("nan"), "from 0"),
        ("[schedule]\nfirst_after = false", "schedule.first_after", False, "from 0"),
        ('[schedule]\nstale_after = "6000w"', "schedule.stale_after", "6000w", "up to 36525d"),
        ('[schedule]\nshutdown = "yes"', "schedule.shutdown", "yes", "true or false"),
        ("[schedule]\nshutdown = 1", "schedule.shutdown", 1, "true or false"),
        ("[retention]\ndaily = -1", "retention.daily", -1, "a whole number from 0"),
        ("[retention]\ndaily = 1.5", "retention.daily", 1.5, "a whole number from 0"),
        ("[retention]\ndaily = true", "retention.daily", True, "a whole number from 0"),
        ("[retention]\ndaily = 2024-01-01", "retention.daily", "2024-01-01", "a whole number from 0"),
        ('[startup]\ncheck = "deep"', "startup.check", "deep", '"quick", "full", "off"'),
        ('[startup]\ncheck = "gründlich"', "startup.check", "gründlich", '"quick", "full", "off"'),
        ("[discord]\nadmin_guild_ids = [1, 0]", "discord.admin_guild_ids[1]", 0, "a positive whole number"),
        ("[discord]\nadmin_guild_ids = [-5]", "discord.admin_guild_ids[0]", -5, "a positive whole number"),
        ('[discord]\nadmin_guild_ids = ["5"]', "discord.admin_guild_ids[0]", "5", "a positive whole number"),
        ("[discord]\nalert_channel_id = -1", "discord.alert_channel_id", -1, "or 0 for direct messages"),
        ('[discord]\nbackup_group = "Backup"', "discord.backup_group", "Backup", "a-z"),
        ('[discord]\nbackup_group = "db\\n"', "discord.backup_group", "db\n", "a-z"),
        (f'[discord]\nbackup_group = "{"x" * 33}"', "discord.backup_group", "x" * 33, "1 to 32"),
        ("database = 5", "database", 5, "a section"),
        ("[triggers]\nevent = 5", "triggers", {"event": 5}, "a list"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused(
    tmp_path: Path, text: str, key: str, value: object, allowed: str
) -> None:
    """Wrong types, ranges, shapes and words each end in the same kind of sentence."""
    error = refused(tmp_path, text)
    assert error.key == key
    assert repr(error.value) == repr(value)
    assert allowed in error.allowed


def test_a_bare_number_is_told_how_to_be_a_duration(tmp_path: Path) -> None:
    """20 could be seconds or minutes: nobody guesses."""
    assert "a number needs a unit" in str(refused(tmp_path, "[schedule]\nperiodic_interval = 20"))


@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        ('[databse]\nurl = "sqlite:///x.db"', "databse", "did you mean database?"),
        ("[[trigger]]\nevent = 5", "trigger", "did you mean triggers?"),
        ('[repository]\npaht = "x"', "repository.paht", "did you mean path?"),
        ('[database]\nmin_free = "1 GB"', "database.min_free", "it belongs to [repository]"),
        ('url = "sqlite:///x.db"', "url", "there are database, repository"),
        ("[startup]\nsubspace = 5", "startup.subspace", "there are in [startup] check, restore, deadline"),
    ],
)
def test_an_unknown_name_is_refused_with_the_one_that_was_meant(tmp_path: Path, text: str, key: str, hint: str) -> None:
    """A misspelt setting that was ignored would be a promise broken in silence."""
    error = refused(tmp_path, text)
    assert error.key == key
    assert hint in str(error)


@pytest.mark.parametrize(
    ("text", "key", "other"),
    [
        (
            '[schedule]\nretry_first = "20m"\nretry_longest = "10m"',
            "schedule.retry_longest",
            "schedule.retry_first, which is 20m",
        ),
        ('[schedule]\nstale_after = "20m"', "schedule.stale_after", "schedule.periodic_interval, which is 20m"),
        ('[discord]\nbackup_group = "db"', "discord.database_group", "discord.backup_group, which is db"),
    ],
)
def test_values_that_contradict_each_other_are_refused(tmp_path: Path, text: str, key: str, other: str) -> None:
    """A pair that cannot work names both settings, though one of them is a default."""
    error = refused(tmp_path, text)
    assert error.key == key
    assert other in error.allowed


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[database\nurl = 5", "line 1, column 10"),
        ('[database]\nurl = "a"\nurl = "b"', "line 3, column 10"),
        ("[database]\n  url = sqlite", "line 2, column 9"),
    ],
)
def test_a_file_that_is_no_toml_is_refused_with_the_place(tmp_path: Path, text: str, where: str) -> None:
    """The line and the column of the mistake are in the sentence."""
    path = tmp_path / "backup.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=f"it is not TOML: .*{where}"):
        load(path, {})


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A path that was given and leads nowhere is a mistake, not a wish for the defaults."""
    path = tmp_path / "backup.toml"
    with pytest.raises(SettingsError, match="there is no such file") as caught:
        load(path, {})
    assert str(caught.value).startswith(f"{path}: ")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A folder in its place, and bytes that are no text, are said as what they are."""
    with pytest.raises(SettingsError, match="it cannot be read"):
        load(tmp_path, {})
    path = tmp_path / "backup.toml"
    path.write_bytes(b"\xff\xfe[\0")
    with pytest.raises(SettingsError, match="not UTF-8"):
        load(path, {})


@pytest.mark.parametrize(
    "text",
    [
        '[database]\nurl = "mysql://bot:hunter2@db/game"',
        '[database]\nurl = ["postgresql://bot:hunter2@db/game"]',
        '[database]\nurk = "postgresql://bot:hunter2@db/game"',
        '[database]\npassword = "hunter2"',
        '[discord]\ntoken = "hunter2"',
        'token = "hunter2"',
        '[postgres]\npassword = "hunter2"\nhost = "db"',
        '[repository]\npath = ["postgresql://bot:hunter2@db/game"]',
    ],
)
def test_no_refusal_shows_a_secret_of_the_file(tmp_path: Path, text: str) -> None:
    """A password or a token in the wrong place is refused without being repeated, in the sentence and in the data."""
    assert "hunter2" not in repr(refused(tmp_path, text).to_wire())


def test_a_long_value_is_shown_shortened(tmp_path: Path) -> None:
    """A sentence stays one that fits in a message."""
    path = tmp_path / "backup.toml"
    path.write_text(f'[startup]\ncheck = "{"x" * 5000}"', encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load(path, {})
    assert len(str(caught.value)) < 500 + len(str(path))

"""The environment: it wins over the file, and a variable that is nearly one of ours is not ignored."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.snapshots import settings as settings_package
from core.snapshots.errors import SettingsError
from core.snapshots.models import Kind
from core.snapshots.settings.rules import RULES
from core.snapshots.settings.schema import Settings, TriggerSettings, defaults, load, load_chosen
from core.snapshots.settings.sources import variable

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).filter(str.strip)


def refused(environment: dict[str, str]) -> SettingsError:
    """Load with this environment and give the error, which names its variable, its key and what is allowed."""
    with pytest.raises(SettingsError) as caught:
        load(None, environment)
    error = caught.value
    assert next(iter(environment)) in str(error)
    assert error.key in str(error)
    assert error.allowed in str(error)
    return error


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("BACKUP_REPOSITORY_PATH", "/srv/backups", "/srv/backups"),
        ("BACKUP_REPOSITORY_PATH", "42", "42"),
        ("BACKUP_REPOSITORY_MIN_FREE", "2 GiB", 2 * 1024**3),
        ("BACKUP_REPOSITORY_LATEST_AFTER", '["manual"]', (Kind.MANUAL,)),
        ("BACKUP_DATABASE_URL", "sqlite:///x.db", "sqlite:///x.db"),
        ("BACKUP_DATABASE_CRITICAL_TABLES", '["users"]', ("users",)),
        ("BACKUP_SCHEDULE_ONLY_WITH_GUILDS", "false", False),
        ("BACKUP_SCHEDULE_ONLY_WITH_GUILDS", " No ", False),
        ("BACKUP_SCHEDULE_ONLY_WITH_GUILDS", "1", True),
        ("BACKUP_SCHEDULE_PERIODIC_INTERVAL", "1h", 3600),
        ("BACKUP_SCHEDULE_VERIFY_INTERVAL", "0", 0),
        ("BACKUP_RETENTION_DAILY", "7", 7),
        ("BACKUP_DISCORD_ADMIN_GUILD_IDS", "[1,2]", (1, 2)),
        ("BACKUP_DISCORD_ALERT_CHANNEL_ID", "123", 123),
        ("BACKUP_DISCORD_ALERT_CHANNEL_ID", "0", None),
    ],
)
def test_a_variable_wins_over_the_file(tmp_path: Path, name: str, text: str, expected: Any) -> None:
    """Whatever the file says, the variable of the setting is what holds."""
    path = tmp_path / "backup.toml"
    path.write_text(
        '[repository]\npath = "a"\nmin_free = 0\nlatest_after = []\n[database]\nurl = "sqlite:///a.db"\n'
        'critical_tables = []\n[schedule]\nonly_with_guilds = true\nperiodic_interval = "2m"\nverify_interval = "2d"\n'
        "[retention]\ndaily = 1\n[discord]\nadmin_guild_ids = [9]\nalert_channel_id = 9\n",
        encoding="utf-8",
    )
    setting = next(setting for setting in RULES if variable(setting) == name)
    section, _, key = setting.partition(".")
    assert getattr(getattr(load(path, {name: text}), section), key) == expected


def test_the_more_specific_variable_of_the_url_wins(tmp_path: Path) -> None:
    """BACKUP_DATABASE_URL beats DATABASE_URL, which beats the file."""
    path = tmp_path / "backup.toml"
    path.write_text('[database]\nurl = "sqlite:///file.db"', encoding="utf-8")
    common = {"DATABASE_URL": "sqlite:///common.db"}
    assert load(path, {}).database.url == "sqlite:///file.db"
    assert load(path, common).database.url == "sqlite:///common.db"
    assert load(path, {"BACKUP_DATABASE_URL": "sqlite:///ours.db", **common}).database.url == "sqlite:///ours.db"


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_variable_counts_as_absent(empty: str) -> None:
    """Container files pass on variables that nobody set."""
    environment = {"DATABASE_URL": empty, "BACKUP_CONFIG": empty, "BACKUP_DISCORD_ALERT_CHANNEL_ID": empty}
    assert load(None, environment) == defaults()


def test_the_process_environment_is_read_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an environment of its own, load reads the one that the bot was started with."""
    for name in [name for name in os.environ if name.startswith("BACKUP_") or name == "DATABASE_URL"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("BACKUP_REPOSITORY_PATH", "/srv/backups")
    assert load().repository.path == "/srv/backups"


def test_triggers_can_be_given_as_json() -> None:
    """BACKUP_TRIGGERS adds to the defaults, or replaces them if another variable says so; an empty one means none."""
    triggers = [{"event": "member_join", "reason": "join_{member.id}", "fields": ["member"]}]
    expected = (TriggerSettings(event="member_join", reason="join_{member.id}", fields=("member",)),)
    variables = {"BACKUP_TRIGGERS": json.dumps(triggers)}
    assert load(None, variables).triggers == defaults().triggers + expected
    assert load(None, {**variables, "BACKUP_REPLACE_DEFAULT_TRIGGERS": "true"}).triggers == expected
    assert load(None, {"BACKUP_TRIGGERS": "[]"}).triggers == ()


@given(st.lists(NAMES))
def test_any_list_of_texts_survives_the_environment(names: list[str]) -> None:
    """A list given as JSON is read as it was written, whatever characters are in it."""
    for ascii_only in (True, False):
        environment = {"BACKUP_DATABASE_CRITICAL_TABLES": json.dumps(names, ensure_ascii=ascii_only)}
        assert load(None, environment).database.critical_tables == tuple(names)


@given(st.lists(st.integers(1, 2**64 - 1)))
def test_any_list_of_ids_survives_the_environment(ids: list[int]) -> None:
    """Ids are exact, also those above what a floating-point number holds."""
    assert load(None, {"BACKUP_DISCORD_ADMIN_GUILD_IDS": json.dumps(ids)}).discord.admin_guild_ids == tuple(ids)


@given(name=st.sampled_from(sorted(RULES)), text=st.text(st.characters(exclude_categories=["Cs"])))
def test_no_text_in_a_variable_ends_in_anything_but_an_answer(name: str, text: str) -> None:
    """Whatever a variable holds, it is taken or refused by name; nothing else is ever raised."""
    refusal = None
    try:
        load(None, {variable(name): text})
    except SettingsError as error:
        refusal = str(error)
    assert refusal is None or variable(name) in refusal


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("BACKUP_DATABASE_CRITICAL_TABLES", "users, cards", "users, cards"),
        ("BACKUP_DATABASE_CRITICAL_TABLES", '{"users": 1}', {"users": 1}),
        ("BACKUP_DISCORD_ADMIN_GUILD_IDS", "[1.5]", 1.5),
        ("BACKUP_DISCORD_ALERT_CHANNEL_ID", "general", "general"),
        ("BACKUP_SCHEDULE_SHUTDOWN", "maybe", "maybe"),
        ("BACKUP_SCHEDULE_PERIODIC_INTERVAL", "20", "20"),
        ("BACKUP_RETENTION_DAILY", "many", "many"),
        ("BACKUP_TRIGGERS", "[" * 100_000, "[" * 100_000),
        ("DATABASE_URL", "mysql://host/game", "mysql://host/game"),
    ],
)
def test_a_variable_with_a_wrong_value_is_refused_by_name(name: str, text: str, value: object) -> None:
    """The sentence begins with the variable, so that nobody searches the file."""
    error = refused({name: text})
    assert str(error).startswith(f"environment variable {name}: ")
    assert error.value == value


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("BACKUP_REPOSITORY_PAHT", "did you mean path?"),
        ("BACKUP_DATABASE_MIN_FREE", "it belongs to [repository]"),
        ("BACKUP_REPOSITRY_PATH", "did you mean BACKUP_REPOSITORY_PATH?"),
        ("BACKUP_TRIGGER", "did you mean BACKUP_TRIGGERS?"),
        ("BACKUP_DATABASEURL", "did you mean BACKUP_DATABASE_URL?"),
    ],
)
def test_a_variable_that_is_nearly_one_of_ours_is_refused(name: str, hint: str) -> None:
    """A misspelt variable is not taken for the host's."""
    assert hint in str(refused({name: "x"}))


def test_a_variable_that_names_no_setting_is_refused_without_its_value() -> None:
    """Whatever begins like ours is meant for us, or the owner says it is not; nobody misses a setting unawares."""
    error = refused({"BACKUP_S3_BUCKET": "hunter2", "DISCORD_TOKEN": "x", "PATH": "/bin"})
    assert error.key == "BACKUP_S3_BUCKET"
    assert "there is no such setting" in str(error)
    assert "did you mean" in str(error) or "start Savepoint without it" in str(error)
    assert "hunter2" not in repr(error.to_wire())


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_path_of_the_repository_is_refused(text: str) -> None:
    """Snapshots would go to the default folder, where nobody looks for them."""
    assert refused({"BACKUP_REPOSITORY_PATH": text}).key == "repository.path"


def test_no_refusal_shows_a_secret_of_the_environment() -> None:
    """A password in a URL, or in a variable that we do not have, is not repeated."""
    for name, text in (
        ("DATABASE_URL", "mysql://bot:hunter2@db/game"),
        ("BACKUP_DATABASE_PASSWORD", "hunter2"),
        ("BACKUP_DISCORD_TOKEN", "hunter2"),
        ("BACKUP_DATABASE_URI", "host=db password=hunter2"),
    ):
        assert "hunter2" not in repr(refused({name: text}).to_wire())


def test_every_setting_has_a_variable_of_its_own() -> None:
    """No two settings are named by the same variable."""
    assert len({variable(name) for name in RULES}) == len(RULES)


def test_a_contradiction_names_the_variable_that_brought_it() -> None:
    """Where a variable and a default do not go together, the variable is what the owner can change."""
    error = refused({"BACKUP_SCHEDULE_STALE_AFTER": "1m"})
    assert str(error).startswith("environment variable BACKUP_SCHEDULE_STALE_AFTER: ")


def test_the_settings_are_imported_from_their_package() -> None:
    """A host's own script needs no module below it; what is not there is said as usual."""
    assert settings_package.load_chosen is load_chosen
    assert settings_package.Settings is Settings
    with pytest.raises(AttributeError, match="no_such_name"):
        getattr(settings_package, "no_such_name")  # noqa: B009

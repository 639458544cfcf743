"""The settings file: its defaults, its documentation, and what becomes of it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.snapshots.models import Kind
from core.snapshots.settings.rules import RULES
from core.snapshots.settings.schema import JsonColumn, Settings, TriggerSettings, defaults, load
from core.snapshots.units import Duration

CONFIG = Path(__file__).parents[3] / "config" / "backup.toml"
SECTIONS = [field for field in msgspec.structs.fields(Settings) if field.name != "triggers"]


def from_text(folder: Path, text: str) -> Settings:
    """Load settings from a file with this text and an empty environment."""
    path = folder / "backup.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, {})


def test_without_file_and_environment_the_defaults_hold() -> None:
    """Nobody has to set anything."""
    assert load(None, {}) == defaults()


def test_the_shipped_file_says_exactly_the_defaults() -> None:
    """Whoever reads the file reads the truth, and deleting a line of it changes nothing."""
    assert load(CONFIG, {}) == defaults()


def test_every_setting_stands_in_the_shipped_file() -> None:
    """No setting is undocumented, and none is documented that is not there."""
    document = tomllib.loads(CONFIG.read_text(encoding="utf-8"))
    assert set(document) == {"triggers", *(section.name for section in SECTIONS)}
    for section in SECTIONS:
        assert list(document[section.name]) == [field.name for field in msgspec.structs.fields(section.type)]
    in_triggers = {key for trigger in document["triggers"] for key in trigger}
    # What the five defaults have no use for stands in the examples above them.
    in_triggers |= set(re.findall(r"^# (\w+) = ", CONFIG.read_text(encoding="utf-8"), flags=re.MULTILINE)) & {
        "commands",
        "buttons",
    }
    assert in_triggers == {field.name for field in msgspec.structs.fields(TriggerSettings)}


def test_every_line_of_the_shipped_file_is_explained() -> None:
    """Each setting has a comment of one line beside it."""
    lines = [line for line in CONFIG.read_text(encoding="utf-8").splitlines() if re.match(r"\w+ = ", line)]
    assert len(lines) > 40
    assert [line for line in lines if not re.search(r"  # \S.{5,}$", line)] == []


def test_every_setting_has_a_rule_and_every_rule_a_setting() -> None:
    """A setting that is added without a rule would be accepted unread."""
    names = [f"{section.name}.{field.name}" for section in SECTIONS for field in msgspec.structs.fields(section.type)]
    assert [*names, "replace_default_triggers", "triggers"] == list(RULES)


@pytest.mark.parametrize(
    ("text", "section", "key", "expected"),
    [
        ('[database]\nurl = "sqlite:////srv/g.db"', "database", "url", "sqlite:////srv/g.db"),
        ("[database]\ncritical_tables = []", "database", "critical_tables", ()),
        ('[repository]\nmin_free = "2 GB"', "repository", "min_free", 2_000_000_000),
        ("[repository]\nmin_free = 0", "repository", "min_free", 0),
        ('[repository]\nlatest_after = ["critical"]', "repository", "latest_after", (Kind.CRITICAL,)),
        ('[schedule]\nperiodic_interval = "30m"', "schedule", "periodic_interval", 1800),
        ("[schedule]\nverify_interval = 0", "schedule", "verify_interval", 0),
        ('[schedule]\nverify_interval = "0s"', "schedule", "verify_interval", 0),
        ('[schedule]\nverify_interval = "0"', "schedule", "verify_interval", 0),
        ("[schedule]\nonly_with_guilds = false", "schedule", "only_with_guilds", False),
        ("[retention]\ncritical = 0", "retention", "critical", 0),
        ('[startup]\ncheck = "off"', "startup", "check", "off"),
        ("[discord]\nadmin_guild_ids = [81384788765712384]", "discord", "admin_guild_ids", (81384788765712384,)),
        ("[discord]\nalert_channel_id = 42", "discord", "alert_channel_id", 42),
        ("[discord]\nalert_channel_id = 0", "discord", "alert_channel_id", None),
    ],
)
def test_a_value_of_the_file_replaces_its_default(
    tmp_path: Path, text: str, section: str, key: str, expected: Any
) -> None:
    """One setting changes and every other stays."""
    settings = from_text(tmp_path, text)
    part = getattr(settings, section)
    assert getattr(part, key) == expected
    normal = getattr(defaults(), section)
    assert msgspec.structs.replace(part, **{key: getattr(normal, key)}) == normal
    assert msgspec.structs.replace(settings, **{section: normal}) == defaults()


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ('periodic_interval = "6h"', "stale_after", 18 * 3600),
        ('retry_first = "20m"', "retry_longest", 1200),
        ('periodic_interval = "6h"\nstale_after = "7h"', "stale_after", 7 * 3600),
    ],
)
def test_a_default_grows_with_the_setting_it_belongs_to(tmp_path: Path, text: str, key: str, expected: float) -> None:
    """Setting one of two that belong together is enough; what is set stays as it was set."""
    assert getattr(from_text(tmp_path, f"[schedule]\n{text}").schedule, key) == expected


def test_a_json_column_says_what_it_expects(tmp_path: Path) -> None:
    """Without a word after it a column must hold lists."""
    text = '[database]\njson_columns = ["packs.cards", "users.profile:object", "log.payload:any"]'
    assert from_text(tmp_path, text).database.json_columns == (
        JsonColumn(table="packs", column="cards", expects="list"),
        JsonColumn(table="users", column="profile", expects="object"),
        JsonColumn(table="log", column="payload", expects="any"),
    )


def test_a_file_saved_by_a_windows_editor_is_read(tmp_path: Path) -> None:
    """A byte order mark and carriage returns change nothing."""
    path = tmp_path / "backup.toml"
    path.write_bytes(b'\xef\xbb\xbf[startup]\r\ncheck = "full"\r\n')
    assert load(path, {}).startup.check == "full"


def test_settings_never_show_a_password() -> None:
    """The repr of the settings, which ends up in logs and tracebacks, has the URL without its secret."""
    database = msgspec.structs.replace(defaults().database, url="postgresql://bot:hunter2@db/game")
    settings = msgspec.structs.replace(defaults(), database=database)
    for shown in (repr(settings), str(settings), f"{database}", repr(database.__rich_repr__())):
        assert "hunter2" not in shown
        assert "bot:***@db/game" in shown or shown == repr(settings)
    assert "bot:***@db/game" in repr(settings)


def test_settings_cannot_be_changed_by_their_readers() -> None:
    """Settings are values: whoever has them cannot change what others see."""
    settings = defaults()
    with pytest.raises(AttributeError):
        settings.repository = settings.repository  # type: ignore[misc]
    with pytest.raises(AttributeError):
        settings.repository.path = "elsewhere"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("interval", "kept"), [("10s", 3600), ("1m", 4320), ("10m", 43200), ("20m", 86400), ("6h", 86400)]
)
def test_a_short_interval_keeps_everything_for_less_long(tmp_path: Path, interval: str, kept: int) -> None:
    """A day of snapshots every ten seconds would be 8,640 files; whoever wants them says so."""
    text = f'[schedule]\nperiodic_interval = "{interval}"\n'
    assert float(from_text(tmp_path, text).retention.keep_all) == kept
    assert from_text(tmp_path, text + '[retention]\nkeep_all = "2d"\n').retention.keep_all == Duration(172800)

"""Writing into a settings file that belongs to somebody: every other line stays as it is."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.snapshots.doctor import configuration
from core.snapshots.doctor.configuration import merged, write_settings
from core.snapshots.errors import SettingsError
from core.snapshots.settings.schema import load

OWN = """# mine
replace_default_triggers = true

[database]
url = "sqlite:///old.db"  # moved in May
json_columns = [
    "a.b",  # with ] in it
    "c.d:object",
]
busy_timeout = "5s"

# about the folder
[repository]
path = "elsewhere"

[[triggers]]
event = "sold"
reason = "sold"
"""


def test_a_line_is_replaced_and_its_comment_stays() -> None:
    """Also a list of several lines; everything else is where it was."""
    text = merged(
        OWN, {"database.url": "sqlite:///new.db", "database.json_columns": ("x.y",), "history.player": "p.id"}
    )
    assert text == OWN.replace("old.db", "new.db").replace(
        'json_columns = [\n    "a.b",  # with ] in it\n    "c.d:object",\n]\n', 'json_columns = ["x.y"]\n'
    ).replace("[[triggers]]", '[history]\nplayer = "p.id"\n\n[[triggers]]')


def test_a_new_key_stands_at_the_end_of_its_section() -> None:
    """Above the comment of the next one."""
    text = merged(OWN, {"database.critical_tables": ("players",)})
    assert 'busy_timeout = "5s"\ncritical_tables = ["players"]\n\n# about the folder\n' in text


@given(st.lists(st.text(min_size=1, max_size=8).filter(lambda name: "\0" not in name and name.strip()), max_size=4))
def test_any_names_of_tables_come_back(names: list[str]) -> None:
    """Quotes, backslashes and line breaks in a name are written so that TOML reads them back."""
    clean = [name for name in names if not any("\ud800" <= letter <= "\udfff" for letter in name)]
    for text in ("", OWN):
        document = tomllib.loads(merged(text, {"database.critical_tables": tuple(clean)}))
        assert document["database"]["critical_tables"] == clean


def test_a_file_that_would_not_load_is_left_as_it_was(tmp_path: Path) -> None:
    """The owner's mistake is reported, not made worse."""
    path = tmp_path / "backup.toml"
    path.write_text("[database]\nbusy_timeout = 5\n")
    with pytest.raises(SettingsError):
        write_settings(path, {"database.critical_tables": ("players",)})
    assert path.read_text() == "[database]\nbusy_timeout = 5\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_holds_only_what_was_found(tmp_path: Path) -> None:
    """In a folder that is made for it."""
    path = tmp_path / "config" / "backup.toml"
    write_settings(path, {"database.url": "sqlite:///bot.db"})
    assert load(path, {}).database.url == "sqlite:///bot.db"
    assert len([line for line in path.read_text().splitlines() if line and line[0] != "#"]) == 2


def test_nobody_else_can_read_the_settings_while_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They can hold a password, whatever the umask is."""
    seen = []

    def looked_at(path: Path, environment: dict[str, str]) -> None:
        seen.append(stat.S_IMODE(path.stat().st_mode))

    monkeypatch.setattr(configuration, "load", looked_at)
    before = os.umask(0)
    try:
        write_settings(tmp_path / "backup.toml", {"database.url": "sqlite:///bot.db"})
    finally:
        os.umask(before)
    assert (seen, stat.S_IMODE((tmp_path / "backup.toml").stat().st_mode)) == ([0o600], 0o600)

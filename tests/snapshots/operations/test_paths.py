"""Paths that no JSON can hold: names that are not UTF-8, or that this locale cannot read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.snapshots import SettingsError, SnapshotService
from tests.worlds.game_database import url_of
from tests.worlds.service_world import ServiceWorld

ROOT = Path(__file__).parents[3]
NOT_UTF8 = os.fsdecode(b"caf\xe9")


@pytest.mark.parametrize(
    ("section", "values", "key"),
    [
        ("repository", {"path": f"/srv/{NOT_UTF8}/backups"}, "repository.path"),
        ("database", {"url": url_of(Path(f"/srv/{NOT_UTF8}/game.db"))}, "database.url"),
    ],
    ids=["repository", "database"],
)
def test_a_path_that_is_not_utf8_is_refused_with_a_sentence(
    tmp_path: Path, section: str, values: dict[str, str], key: str
) -> None:
    """Before anything is touched: it names the setting, shows the name harmlessly and says the two ways out."""
    with pytest.raises(SettingsError, match="not UTF-8") as raised:
        SnapshotService(ServiceWorld(tmp_path, game=False).settings(**{section: values}))
    assert raised.value.key == key
    assert "Rename the folder, or set PYTHONUTF8=1" in str(raised.value)
    assert "caf\\udce9" in str(raised.value)
    str(raised.value).encode()


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the names of files do not depend on the locale")
def test_a_folder_with_an_umlaut_under_the_locale_c_is_a_sentence(tmp_path: Path) -> None:
    """As a bot has it that cron or an old container starts."""
    folder = tmp_path / "café"
    folder.mkdir()
    config = folder / "backup.toml"
    config.write_text(f'[database]\nurl = "sqlite:///{folder}/game.db"\n[repository]\npath = "{folder}/backups"\n')
    ran = subprocess.run(
        [sys.executable, "-m", "core.snapshots", "--config", str(config), "status"],
        cwd=ROOT,
        env={**os.environ, "LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        check=False,
    )
    output = (ran.stdout + ran.stderr).decode()
    assert "Traceback" not in output
    assert ran.returncode in (0, 2)
    assert ran.returncode == 0 or "PYTHONUTF8=1" in output

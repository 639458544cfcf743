"""What was kept of a look at a player makes the next one quick, and never wrong."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.snapshots.archive import framing
from core.snapshots.errors import SnapshotDamaged
from core.snapshots.history import searched
from core.snapshots.history.chains import side_by_side
from core.snapshots.history.chains.kept import SUFFIX
from core.snapshots.history.look import look_at_player
from core.snapshots.history.questions import PlayerSettings
from core.snapshots.history.tables import json_record
from core.snapshots.models import Point
from tests.worlds.past.history_world import HistoryWorld
from tests.worlds.past.random_past import STEPS, play, state

PLAYER = PlayerSettings(player="users.id")
MANY = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) "


def world_of_trades(folder: Path) -> HistoryWorld:
    """A table of some hundred leaves that no index leads into, at three points."""
    world = HistoryWorld(folder)
    world.snapshot(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)",
        "CREATE TABLE trades (id INTEGER PRIMARY KEY, seller_id REFERENCES users, buyer_id REFERENCES users, note)",
        "INSERT INTO users " + MANY.format(50) + "SELECT i, 'player ' || i FROM n",
        "INSERT INTO trades " + MANY.format(9000) + "SELECT i, i % 1000, i % 1001, 'note ' || i FROM n",
    )
    world.snapshot(
        "UPDATE trades SET buyer_id = 7 WHERE id IN (1, 4000)",
        "DELETE FROM trades WHERE id = 1007",
        "DELETE FROM trades WHERE id = 5",
    )
    world.snapshot(
        "INSERT INTO trades VALUES (-5, 7, NULL, 'x'), (9999, 8, 7, 'y')",
        "UPDATE trades SET seller_id = 1 WHERE id = 7",
    )
    return world


def trades_of(world: HistoryWorld, point: Point, player: int = 7) -> list[dict[str, Any]]:
    """Return the trades of a player as a rebuilt image holds them."""
    rows = world.rows(point, "SELECT * FROM trades WHERE seller_id = ? OR buyer_id = ? ORDER BY id", player, player)
    return [dict(zip(("id", "seller_id", "buyer_id", "note"), row, strict=True)) for row in rows]


def seen(world: HistoryWorld, point: Point, player: int = 7) -> dict[str, Any]:
    """Look at a player in a job of its own."""
    with world.past() as past:
        past.keep_for(str(player))
        return look_at_player(past, point, str(player), PLAYER).tables


@pytest.mark.parametrize("order", [(0, 1, 2, 0), (2, 0, 1, 2), (1, 1, 0, 2)])
def test_the_rows_of_a_player_are_right_whatever_was_looked_at_before(tmp_path: Path, order: Sequence[int]) -> None:
    """Earlier and later points, where his rows came, changed and went."""
    world = world_of_trades(tmp_path)
    for number in order:
        point = world.points[number]
        assert seen(world, point)["trades"] == trades_of(world, point)


def test_the_second_look_expands_nothing_and_one_at_another_point_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows of the table are in many members of the archive."""
    world, expanded = world_of_trades(tmp_path), []
    unpack = framing.unpack_member

    def counted(member: bytes, deflate: Any) -> bytes:
        expanded.append(member)
        return unpack(member, deflate)

    monkeypatch.setattr(framing, "unpack_member", counted)
    counts = []
    for number in (0, 0, 2):
        expanded.clear()
        seen(world, world.points[number])
        counts.append(len(expanded))
    assert counts[1] == 0
    assert counts[2] < counts[0] // 2


def test_a_column_behind_a_text_that_overflows_is_searched_each_time(tmp_path: Path) -> None:
    """SQLite can rewrite the overflow page alone; then the leaf says nothing of whose row it is."""
    world = HistoryWorld(tmp_path)
    world.snapshot(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)",
        "CREATE TABLE trades (id INTEGER PRIMARY KEY, note, tail, user_id INTEGER)",
        "INSERT INTO users VALUES (700, 'Ann'), (701, 'Bo')",
        "INSERT INTO trades " + MANY.format(300) + "SELECT i, 'n', zeroblob(3000), 700 + i % 2 FROM n",
    )
    world.snapshot("UPDATE trades SET user_id = 700 WHERE id = 7")
    for point in (*world.points, *world.points):
        rows = world.rows(point, "SELECT id FROM trades WHERE user_id = 700 ORDER BY id")
        assert [row["id"] for row in seen(world, point, 700)["trades"]] == [number for (number,) in rows]


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    """Nothing that was kept speaks for another file: its damage is found."""
    world = world_of_trades(tmp_path)
    point = world.points[0]
    seen(world, point)
    content = bytearray(world.file(point).read_bytes())
    content[len(content) // 2] ^= 0xFF
    world.file(point).write_bytes(content)
    with pytest.raises(SnapshotDamaged, match=point.snapshot):
        seen(world, point)


@pytest.mark.process
def test_a_search_by_several_processes_finds_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what they searched is known afterwards."""
    monkeypatch.setattr(searched, "_WORTH_A_PROCESS", 16)
    monkeypatch.setattr(side_by_side, "_processors", lambda: 3)
    world = world_of_trades(tmp_path)
    for point in (*world.points, *world.points):
        assert seen(world, point)["trades"] == trades_of(world, point)


@pytest.mark.process
def test_damage_that_another_process_met_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the snapshot as ever."""
    monkeypatch.setattr(searched, "_WORTH_A_PROCESS", 16)
    monkeypatch.setattr(side_by_side, "_processors", lambda: 2)
    world = world_of_trades(tmp_path)
    point = world.points[0]
    content = bytearray(world.file(point).read_bytes())
    content[len(content) * 3 // 4] ^= 0xFF
    world.file(point).write_bytes(content)
    with pytest.raises(SnapshotDamaged, match=point.snapshot):
        seen(world, point)


@pytest.mark.parametrize("harm", ["cut", "other", "folder"])
def test_what_was_kept_can_be_lost(tmp_path: Path, harm: str) -> None:
    """A damaged file, one of another format, and a folder that cannot be written."""
    world = world_of_trades(tmp_path)
    point, cache = world.points[1], tmp_path / "cache"
    if harm == "folder":
        cache.write_text("no folder")
    else:
        seen(world, point)
        (kept,) = cache.glob(f"*{SUFFIX}")
        kept.write_bytes(kept.read_bytes()[:-100] if harm == "cut" else b"other")
    assert seen(world, point)["trades"] == trades_of(world, point)


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS, page_size=st.sampled_from([512, 1024]), dice=st.randoms(use_true_random=False))
def test_looks_are_what_a_rebuild_holds_in_random_histories(
    steps: Sequence[Sequence[tuple[str, int]]], page_size: int, dice: Any
) -> None:
    """Points in any order, tables of every kind, and every table is searched as a large one would be."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(searched, "_WORTH_IT", 2)
        world = HistoryWorld(Path(folder), page_size=page_size)
        play(world, steps)
        for _ in range(12):
            point, player = dice.choice(world.points), dice.choice([1, 7, 29])
            found = {name: sorted(map(repr, rows)) for name, rows in seen(world, point, player).items()}
            assert found == rows_of(world, point, player)


def rows_of(world: HistoryWorld, point: Point, player: int) -> dict[str, list[str]]:
    """Return the rows of a player as a rebuilt image holds them."""
    found = {
        name: sorted(
            repr(json_record({column: value for column, value in row.items() if column != "rowid"}))
            for row in rows.values()
            if row.get("id" if name == "users" else "user_id") == player
        )
        for name, rows in state(world, point).items()
    }
    return {name: rows for name, rows in found.items() if rows}

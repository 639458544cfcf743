"""The picture of the snapshots: what is where in it, what is said of it, and that the bot goes on without it."""

from __future__ import annotations

import asyncio
import datetime as dt
import io
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from cogs.backup_cog.language import speak
from cogs.backup_cog.status import picture
from cogs.backup_cog.status.chart import Chart, chart_of
from cogs.backup_cog.status.picture import Pictures
from core.snapshots import Kind
from tests.backup_cog.world import NOON
from tests.worlds.snapshots import make_snapshot

DAY = dt.timedelta(days=1)
MIB = 1 << 20
TAKEN = (
    make_snapshot(1, at=NOON - 10 * DAY, kind=Kind.PERIODIC, size=4 * MIB),
    make_snapshot(2, at=NOON - 5 * DAY, kind=Kind.CRITICAL, size=MIB // 64),
    make_snapshot(3, at=NOON, kind=Kind.MANUAL, size=MIB // 64, ok=False),
)


def chart(zone: dt.tzinfo = dt.UTC) -> Chart:
    """Make the chart of three snapshots, a restore and two alerts."""
    alerts = [(NOON - 40 * DAY, NOON - 39 * DAY), (NOON - 20 * DAY, NOON - 9 * DAY), (NOON - DAY, NOON)]
    made = chart_of(TAKEN, [NOON - 2 * DAY, NOON - 60 * DAY], alerts, NOON, zone)
    assert made is not None
    return made


def test_everything_stands_where_its_time_and_its_size_are() -> None:
    """Ten days from left to right; what is older than the first snapshot is cut or left out."""
    made = chart()
    assert [(round(x, 2), shape) for x, _, shape in made.marks] == [(0.0, "dot"), (0.5, "diamond"), (1.0, "cross")]
    first, second, third = (y for _, y, _ in made.marks)
    assert 1.0 > first > second == third > 0.0
    assert [round(x, 2) for x in made.restores] == [0.8]
    assert [(round(x, 2), round(y, 2)) for x, y in made.alerts] == [(0.0, 0.1), (0.9, 1.0)]
    assert [label for _, label in made.x_ticks][::4] == ["2026-11-13", "2026-11-23"]
    assert [shape for shape, _ in made.legend] == ["dot", "diamond", "cross", "restore", "alert"]


def test_the_picture_is_described_in_words_and_in_the_readers_time() -> None:
    """Who cannot see it reads what it shows."""
    assert chart().description == "3 snapshots of 16.0 KiB to 4.0 MiB, of which 1 of an event; 1 restore, 2 alerts."
    speak("de")
    assert chart().description.startswith("3 Snapshots von 16,0 KiB bis 4,0 MiB, davon 1 zu einem Ereignis")
    speak("")
    day = chart_of(TAKEN[2:], [], [], NOON, ZoneInfo("Asia/Tokyo"))
    assert day is not None
    assert [label for _, label in day.x_ticks] == ["20:01", "20:16", "20:31", "20:46", "21:01"]
    assert day.legend == (("cross", "damaged"),)
    assert chart_of([], [], [], NOON, dt.UTC) is None
    assert chart_of(TAKEN[:1], [], [], NOON + 50 * DAY, dt.UTC) is None


def test_a_chart_is_drawn_in_its_size_with_shapes_that_differ() -> None:
    """Each mark has its colour at its place; umlauts, which Pillow's own font lacks, are drawn."""
    pytest.importorskip("PIL")
    from PIL import Image

    from cogs.backup_cog.status import drawing

    speak("de")
    drawn = drawing.draw(_as_json(chart()))
    speak("")
    shown = Image.open(io.BytesIO(drawn)).convert("RGB")
    assert (shown.size, len(drawn) < 200_000) == ((800, 300), True)
    found = {pixel for _, pixel in shown.getcolors(1 << 20) or () if isinstance(pixel, tuple)}
    for colour in drawing._COLOURS.values():
        assert any(max(abs(a - b) for a, b in zip(colour, pixel, strict=True)) < 12 for pixel in found), colour
    assert drawing._without_dots("Größe ä…") == ("Grosse a...", [2, 7])


def _as_json(made: Chart) -> dict[str, object]:
    import msgspec

    return dict(msgspec.json.decode(msgspec.json.encode(made)))


@pytest.mark.process
async def test_it_is_drawn_beside_the_bot_and_once_for_the_same_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bot's process never loads Pillow, and its loop need have no subprocesses, as on Windows."""
    pytest.importorskip("PIL", exc_type=ImportError)
    monkeypatch.setattr(asyncio, "create_subprocess_exec", None)
    loaded = {name for name in sys.modules if name.partition(".")[0] == "PIL"}
    pictures = Pictures()
    first = await pictures.draw(chart())
    assert first is not None
    assert first.startswith(b"\x89PNG")
    assert await pictures.draw(chart()) is first
    assert {name for name in sys.modules if name.partition(".")[0] == "PIL"} == loaded


@pytest.mark.process
@pytest.mark.parametrize(
    "program",
    ["raise SystemExit(3)", "print('no picture')", "import time; time.sleep(60)"],
    ids=["fails", "none", "slow"],
)
async def test_without_a_picture_there_is_none_and_nothing_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever becomes of the program that draws."""
    (tmp_path / "drawing.py").write_text(program)
    monkeypatch.setattr(picture, "_PROGRAM", tmp_path / "drawing.py")
    monkeypatch.setattr(picture, "_SECONDS", 0.5 if "sleep" in program else 60.0)
    monkeypatch.setattr(picture, "_has_pillow", lambda: True)
    assert await Pictures().draw(chart()) is None
    assert "picture" in caplog.text
    monkeypatch.setattr(picture, "_has_pillow", lambda: False)
    assert await Pictures().draw(chart()) is None
    assert await Pictures().draw(None) is None

"""The messages in docs/discord.md are those that the bot sends; ``python -m documentation discord`` records them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from cogs.backup_cog.restoring.bar import stage_shown
from cogs.backup_cog.status.chart import chart_of
from core.snapshots import Kind, RestoreStep, Stage
from tests.backup_cog.test_embeds import plan
from tests.backup_cog.world import NOON
from tests.end_to_end.discord_server.people import snapshot_ids
from tests.end_to_end.discord_server.recorder import Recorder, keep
from tests.end_to_end.discord_server.state import Message
from tests.end_to_end.discord_stories.deeds import agree, ask
from tests.end_to_end.discord_stories.town import Town
from tests.worlds.snapshots import make_snapshot
from tests.worlds.waiting import wait_until


@pytest.mark.process
@pytest.mark.socket
def test_the_messages_in_the_pictures_are_those_that_the_bot_sends(found: Callable[..., Town]) -> None:
    """A player sells a card for far too little, and loses coins; the owner looks, prepares a rescue, and restores."""
    town = found(everywhere=True, SCHEDULE_FIRST_AFTER="1d")
    town.open()
    recorder, owner, player = Recorder(town.bot.folder), town.owner, town.player
    first = prepare(town)
    recorder.snapshots.append(first)
    player.slash("market list", card=42, price=10).reads("is on the market")
    recorder.snapshots.append(taken(town, "marketplace_listing_42"))
    town.colleague.slash("market buy", listing=1).reads("is yours")
    recorder.snapshots.append(taken(town, "marketplace_buy_42"))
    town.bot.write(f"UPDATE users SET coins = 5 WHERE id = {player.user.id}")
    for name, message in (
        ("list", owner.slash("backup list").reads(r"marketplace\_buy\_42")),
        ("panel", at_rest(town)),
        ("rescue", owner.slash("backup rescue", member=str(player.user.id), **{"from": first}).reads("player")),
    ):
        recorder.keep(name, message.embeds, message.components)
    preview = ask(owner, first)
    recorder.keep("preview", preview.embeds, preview.components)
    restored = agree(owner, preview, first).reads("Restored", first)
    recorder.snapshots += [each for each in snapshot_ids(restored.text) if each != first]
    recorder.keep("result", restored.embeds, restored.components)
    alert = failing_log(town)
    recorder.keep("alert", alert.embeds, alert.components)


def test_the_bar_in_the_pictures_is_the_one_of_a_restore(tmp_path: Path) -> None:
    """Built by the same function, because a restore of a small game is over before anybody can see its bar."""
    recorder = Recorder(tmp_path)
    recorder.snapshots.append(plan().snapshot.id)
    stage = Stage(step=RestoreStep.SAFETY, number=4, of=7, share=0.56, left=20.0, changed=False)
    seconds = dict.fromkeys(RestoreStep, 1.0)
    recorder.keep("bar", [stage_shown(structs.replace(plan(), seconds=seconds), stage).embed.to_dict()], [])


def test_the_chart_in_the_pictures_is_the_one_of_the_status() -> None:
    """Of a week, which no test can wait for: a full each second day, the events between them, a restore, an alert."""
    kinds = (Kind.PERIODIC, Kind.CRITICAL, Kind.CRITICAL)
    snapshots = [
        make_snapshot(
            number,
            at=NOON - dt.timedelta(hours=3 * number, minutes=number * 17 % 60),
            kind=kinds[number % 3],
            size=(4 << 20) - number * 20_000 if number % 16 == 0 else 15_000 + number * 7919 % 90_000,
        )
        for number in range(56)
    ]
    alerts = [(NOON - dt.timedelta(hours=66), NOON - dt.timedelta(hours=60))]
    keep("chart", msgspec.to_builtins(chart_of(snapshots, [NOON - dt.timedelta(hours=58)], alerts, NOON, dt.UTC)))


def prepare(town: Town) -> str:
    """Let two have played, and take a snapshot, which is pinned and verified; return its id."""
    player, colleague = town.player.user.id, town.colleague.user.id
    user = "INSERT INTO users (id, name, coins, joined_at) VALUES"
    town.bot.write(
        f"{user} ({player}, 'player', 500, '2026')",
        f"{user} ({colleague}, 'colleague', 100, '2026')",
        f"INSERT INTO user_dust (user_id, balance) VALUES ({player}, 0), ({colleague}, 0)",
        f"INSERT INTO user_cards (id, user_id, card_id, obtained_at) VALUES (42, {player}, 1, '2026')",
    )
    shown = town.owner.slash("backup now", note="before the season", pin=True).reads("To go back to it")
    (snapshot,) = snapshot_ids(shown.text)
    town.owner.slash("backup verify", snapshot=snapshot, level="restored").reads("is sound")
    return snapshot


def taken(town: Town, reason: str) -> str:
    """Wait for the snapshot of an event, and return its id."""
    found: list[str] = []

    def is_found() -> bool:
        found[:] = town.owner.types("backup restore", "snapshot", reason).choices()
        return len(found) == 1

    wait_until(is_found, f"there is a snapshot of {reason}")
    return found[0]


def at_rest(town: Town) -> Message:
    """Return the status once nothing runs and nothing waits: a snapshot can be found a moment before it is done."""
    shown: list[Message] = []

    def is_at_rest() -> bool:
        shown[:] = [town.owner.slash("backup status").reads("Now:")]
        return "nothing is running" in shown[0].text and "nothing: each event" in shown[0].text

    wait_until(is_at_rest, "nothing is running")
    return shown[0]


def failing_log(town: Town) -> Message:
    """Let the audit log fail, and return what the owner is told."""
    log = town.bot.repository / "audit.jsonl"
    log.unlink()
    log.mkdir()
    town.owner.slash("backup now")
    return town.owner.finds("The audit log could not be written", channel=town.discord.direct_with(town.owner.user))

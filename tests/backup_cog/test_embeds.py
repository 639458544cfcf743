"""What people are shown stays within Discord's limits and does nothing, whatever players put into it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import discord
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import structs

from cogs.backup_cog import restore_embeds
from cogs.backup_cog.answers import checks
from cogs.backup_cog.answers.failures import failure
from cogs.backup_cog.answers.taken import created
from cogs.backup_cog.answers.working import progress
from cogs.backup_cog.formatting import Reply, clip, embed, listing, plain
from cogs.backup_cog.notices import outage_texts, texts
from cogs.backup_cog.notices.models import Outage
from cogs.backup_cog.slash.snapshots.described import described
from cogs.backup_cog.slash.snapshots.detail_embeds import shown_details
from cogs.backup_cog.slash.snapshots.labels import Reader, label
from cogs.backup_cog.slash.snapshots.page import page_of, shown_page
from cogs.backup_cog.status.message import status_text
from cogs.backup_cog.status.panel import status_reply
from cogs.backup_cog.status.state import CogState
from cogs.backup_cog.triggers import TriggerCount
from core.snapshots import (
    Actor,
    Check,
    Created,
    DatabaseState,
    Doing,
    Finding,
    IntegrityReport,
    Level,
    Loss,
    Lost,
    Method,
    PruneDecision,
    RestorePlan,
    RestoreReport,
    Severity,
    Snapshot,
    SnapshotDamaged,
    SnapshotError,
    StartupOutcome,
    StartupReport,
    Status,
    VerifyReport,
)
from tests.backup_cog.world import NOON, text_of
from tests.worlds.snapshots import make_snapshot

NASTY = "**[free](https://evil.example) @everyone <@123456789012345678> <#2> `x` ||y||\n# big\n- list ~~z~~ __u__**"
BACKUPS = Path("/srv/backups")
READER = Reader(dt.UTC, NOON)
few_texts = st.lists(st.text(max_size=60), max_size=6).map(tuple)
names = st.text(max_size=300) | st.just(NASTY)


def snapshot(reasons: tuple[str, ...] = ("marketplace_buy_42",), **changes: Any) -> Snapshot:
    """Return an entry of the catalog."""
    return make_snapshot(id="3fa9c1d2e4b5", reasons=reasons, requests=len(reasons), **changes)


def finding(message: str, severity: Severity = Severity.WARNING) -> Finding:
    """Make one finding."""
    return Finding(check=Check.JSON, severity=severity, message=message, table="creator_packs")


def checked(*found: Finding, rows: int = 1) -> IntegrityReport:
    """Make the report of an integrity check."""
    return IntegrityReport(findings=found, checked={"rows": rows}, rows={}, seconds=1.0)


def lost(reasons: tuple[str, ...], tables: tuple[str, ...]) -> Lost:
    """Make what a restore loses."""
    rows: dict[str, tuple[int | None, int | None]] = dict.fromkeys(tables, (None, 2**40))
    until = NOON + dt.timedelta(hours=1)
    return Lost(since=NOON, until=until, seconds=3600.0, rows=rows, events=reasons, event_count=10**9 * len(reasons))


def plan(reasons: tuple[str, ...] = (), tables: tuple[str, ...] = ()) -> RestorePlan:
    """Make a plan."""
    database = DatabaseState(exists=True, openable=True, size=1, tables=1, rows={})
    return RestorePlan(
        snapshot=snapshot(reasons),
        age=3600.0,
        method=Method.ONLINE,
        lost=lost(reasons, tables),
        database=database,
        token="t",
    )


def report(reasons: tuple[str, ...], tables: tuple[str, ...], text: str) -> RestoreReport:
    """Make the report of a restore."""
    integrity = IntegrityReport(findings=(finding(text),) * 50, checked={}, rows={}, seconds=1.0)
    return RestoreReport(
        restored=snapshot(reasons),
        safety=snapshot(),
        quarantine=text,
        method=Method.SWAP,
        lost=lost(reasons, tables),
        integrity=integrity,
        identical=None,
        automatic=False,
        seconds=1.0,
        ok=True,
    )


def after_restore(path: str = "daily/x.db.gz", **changes: Any) -> Reply:
    """Make the answer after a restore of three tables."""
    made = report((), (), "q")
    integrity = IntegrityReport(findings=(), checked={"tables": 3}, rows={}, seconds=1.0)
    restored = structs.replace(made.restored, path=path)
    return restore_embeds.restored(structs.replace(made, restored=restored, integrity=integrity, **changes), BACKUPS)


def busy_status() -> Reply:
    """Make the status while Ann's restore is running."""
    doing = Doing(operation="a restore", since=NOON, actor=Actor(source="discord", name="Ann", id=7))
    return status_reply(structs.replace(status_with("x", 0), doing=(doing,)), health("", ()))


def status_with(text: str, pending: int = 5) -> Status:
    """Make a status."""
    return Status(
        engine="sqlite",
        database=text,
        repository=text,
        snapshots=3,
        damaged=1,
        pinned=1,
        size=10**12,
        free=10**12,
        newest=snapshot((text,)),
        newest_restored=None,
        pending=pending,
        running=True,
        next_periodic=NOON,
        kinds={"manual": 3},
        remarks=(text, text),
    )


def health(text: str, reasons: tuple[str, ...]) -> CogState:
    """Make what the cog knows of itself."""
    triggers = tuple(TriggerCount(reason, 0, 0, 0) for reason in reasons)
    startup = StartupReport(outcome=StartupOutcome.DAMAGED, message=text)
    return CogState(problem=text, outages=(text,) * 30, startup=startup, triggers=triggers)


def everything(reasons: tuple[str, ...], tables: tuple[str, ...], text: str, count: int) -> list[Reply]:
    """Make every reply there is with these texts."""
    entry = snapshot(reasons, note=text)
    found = tuple(finding(text) for _ in range(count))
    verified = VerifyReport(id=entry.id, level=Level.RESTORED, ok=False, findings=found, at=NOON, seconds=1.0)
    integrity = IntegrityReport(
        findings=found, checked=dict.fromkeys(tables, 1), rows=dict.fromkeys(tables, 1), seconds=1.0
    )
    started = texts.started(StartupReport(outcome=StartupOutcome.RESTORED, message=text))
    outage = Outage(
        began=NOON, failures=3, message=text, told=NOON, snoozed_until=NOON + dt.timedelta(1), snoozed_by=text
    )
    assert started is not None
    sent = [
        outage_texts.failed("snapshot", outage, NOON),
        outage_texts.failed("snapshot", outage, NOON, again=True),
        outage_texts.recovered("snapshot", outage, NOON),
        texts.damaged(SnapshotDamaged(text, snapshot_id=text)),
        started,
    ]
    kept = PruneDecision(snapshot=entry, keep=True, reasons=reasons)
    return [
        created(Created(snapshot=entry, unchanged=False)),
        shown_details(described(entry, [entry], [kept], []), 1, READER),
        listed([entry] * count, "critical"),
        checks.verified(verified),
        checks.integrity(integrity),
        status_reply(status_with(text), health(text, reasons)),
        failure(SnapshotError(text)),
        progress(text, 1, 3),
        restore_embeds.preview(plan(reasons, tables)),
        restore_embeds.restored(report(reasons, tables, text), BACKUPS),
        *(Reply(one) for one in sent),
    ]


def listed(known: list[Snapshot], *chosen: str) -> Reply:
    """Return the first page of a list."""
    return shown_page(page_of(known, chosen, 0, READER), READER, group="save")


def check(reply: Reply) -> None:
    """Assert that Discord would accept it."""
    made = reply.embed
    assert len(made) <= 6000
    assert 1 <= len(made.title or "") <= 256
    assert len(made.description or "") <= 4096
    assert len(made.footer.text or "") <= 2048
    assert len(made.fields) <= 25
    for field in made.fields:
        assert 1 <= len(field.name or "") <= 256
        assert 1 <= len(field.value or "") <= 1024
    assert reply.report is None or 0 < len(reply.report.encode()) < 10 * 1024**2


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(few_texts, few_texts, names, st.integers(0, 40))
@example((NASTY,) * 6, (NASTY,) * 6, NASTY, 10_000)
@example(("x" * 5000,) * 2000, ("t" * 5000,) * 50, "y" * 100_000, 2)
def test_every_reply_keeps_discords_limits(
    reasons: tuple[str, ...], tables: tuple[str, ...], text: str, count: int
) -> None:
    """Whatever the texts are and however many there are, no embed is refused and every long list is cut."""
    for reply in everything(reasons, tables, text, count):
        check(reply)
    assert len(status_text(status_with(text), health(text, reasons), [text])) <= 2000
    assert 1 <= len(label(snapshot(reasons), READER)) <= 100


@given(names)
@example(NASTY)
def test_text_of_players_is_harmless(text: str) -> None:
    """One line, nobody mentioned, and every character that formats is escaped."""
    shown = plain(text)
    assert "\n" not in shown
    assert not re.search(r"@(everyone|here)|@[!&]?\d{17}", shown)
    assert not re.search(r"(?<!\\)(?:\\\\)*[*_~|`<]", shown)


def test_a_nasty_reason_formats_nothing_in_a_list() -> None:
    """The reply uses the harmless text, not the raw one."""
    text = text_of(listed([snapshot((NASTY,))]).embed)
    assert "@everyone" not in text
    assert "[free](" not in text.replace("\\[free](", "")


def test_long_findings_are_counted_in_full_and_attached() -> None:
    """10,000 findings: the embed says how many more there are, the file has them all, errors come first."""
    found = (*(finding(f"pack {number}") for number in range(9_999)), finding("page 7", Severity.ERROR))
    reply = checks.integrity(IntegrityReport(findings=found, checked={"rows": 5}, rows={}, seconds=2.0))
    text = reply.embed.description or ""
    shown = text.count("**warning**") + text.count("**error**")
    assert "1 error, 9,999 warnings." in text
    assert text.index("page 7") < text.index("pack 0")
    assert f"… and {10_000 - shown:,} more" in text
    assert reply.report is not None
    assert reply.report.count("\n") == 10_000
    (file,) = reply.files()
    assert file.fp.read().decode() == reply.report


@given(st.lists(st.text(st.characters(exclude_characters="\n"), max_size=80), max_size=30), st.integers(60, 400))
def test_a_listing_fits_and_counts_what_it_leaves_out(lines: list[str], limit: int) -> None:
    """Shown and left out add up to all of them."""
    text = listing(lines, limit)
    assert len(text) <= limit
    found = re.search(r"(?:^|\n)… and (\d+) more$", text)
    left = int(found[1]) if found else 0
    kept = len(lines) - left
    assert left == 0 or kept < len(lines)
    assert text.split("\n")[:kept] == [*(clip(line, limit) for line in lines[:kept])] or kept <= 1


def test_fields_that_do_not_fit_are_counted() -> None:
    """No field disappears without a word."""
    made = embed("title", "d" * 9000, fields=[(f"f{number}", "v" * 900) for number in range(30)])
    check(Reply(made))
    assert made.footer.text == f"… and {30 - len(made.fields)} more fields"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: restore_embeds.preview(plan(("marketplace_buy_42",), ("users",))), "marketplace\\_buy\\_42"),
        (lambda: restore_embeds.preview(plan((), ("users",))), f"users: no table → {2**40:,}"),
        (lambda: restore_embeds.preview(plan()), "safety snapshot"),
        (lambda: restore_embeds.preview(structs.replace(plan(), unchanged=True)), "Nothing was written since then."),
        (lambda: restore_embeds.preview(structs.replace(plan(), loss=Loss())), "). No row was written since then.\n"),
        (lambda: restore_embeds.preview(structs.replace(plan(), loss=Loss(problem="busy"))), "**Everything written in"),
        (lambda: restore_embeds.preview(structs.replace(plan(), another_database="Of b.db.")), "**Of b.db.**"),
        (lambda: after_restore(identical=True), "checked, and equal to the snapshot page by page"),
        (lambda: after_restore(identical=True, path="daily/x.sql.gz"), "every row of 3 tables was compared"),
        (lambda: after_restore(error="Not compared: killed."), "Verified: Not compared: killed."),
        (
            lambda: after_restore(left_out=("GRANT x", "EXTENSION y")),
            "Not as in the snapshot (2): GRANT x\nEXTENSION y",
        ),
        (lambda: status_reply(status_with("x", 0), health("", ())), "**Now:** nothing is running\n"),
        (
            lambda: busy_status(),
            f"**Now:** a restore for Ann (7) by discord, begun {discord.utils.format_dt(NOON, 'R')}\n",
        ),
        (lambda: restore_embeds.restored(report((), (), "q"), BACKUPS), "`3fa9c1d2e4b5` holds what was there before"),
        (lambda: created(Created(snapshot=snapshot(), unchanged=True)), "Nothing changed"),
        (lambda: restore_embeds.restored(report((), (), "q"), BACKUPS), "Quarantine: /srv/backups/quarantine/q"),
        (lambda: created(Created(snapshot=snapshot(), unchanged=False)), "\nTaken: "),
        (lambda: listed([snapshot()], "manual"), "0 snapshots\nNone is like that."),
        (lambda: listed([]), "There is none yet. `/save now` takes the first one. `/save status` says"),
        (lambda: listed([snapshot()], "critical"), "1 snapshot\n"),
        (lambda: checks.integrity(checked(finding("odd"))), "No errors. 1 warning to look at."),
        (lambda: checks.integrity(checked(finding("gone", Severity.ERROR))), "1 error, 0 warnings."),
        (lambda: status_reply(status_with("x", pending=1), health("", ())), "1 event waits"),
        (lambda: status_reply(status_with("x", pending=2), health("", ())), "2 events wait"),
        (lambda: listed([snapshot(ok=False)]), "DAMAGED"),
        (lambda: status_reply(None, health("no room", ("oops",))), "oops: **not fired since the bot started**"),
        (lambda: failure(SnapshotError("Busy now.")), "Busy now."),
        (lambda: failure(ValueError("secret")), "bot's log"),
    ],
)
def test_a_reply_says_what_matters(make: Callable[[], Reply], says: str) -> None:
    """The figure or sentence the reader came for is there."""
    assert says in text_of(make().embed)


def test_integrity_before_there_is_a_database_is_neither_sound_nor_damaged() -> None:
    """A new bot has none, and nothing was looked at."""
    nothing = IntegrityReport(findings=(finding("There is no database."),), checked={}, rows={}, seconds=1.0)
    text = text_of(checks.integrity(nothing).embed)
    assert "There is no database." in text
    assert "sound" not in text
    assert "damaged" not in text


@pytest.mark.parametrize(
    ("exists", "openable", "method", "says"),
    [
        (True, True, Method.ONLINE, "A safety snapshot of what is there now is taken first."),
        (True, False, Method.SWAP, "kept in quarantine instead of a safety snapshot"),
        (True, False, Method.EXCHANGE, "kept on the server instead of a safety snapshot"),
        (False, False, Method.SWAP, "there is nothing to keep"),
    ],
)
def test_the_preview_says_what_is_kept_of_the_database(exists: bool, openable: bool, method: Method, says: str) -> None:
    """A safety snapshot where it can be read; otherwise what is there stays, wherever the engine keeps it."""
    database = DatabaseState(exists=exists, openable=openable, size=1, tables=1, rows={})
    text = text_of(restore_embeds.preview(structs.replace(plan(), database=database, method=method)).embed)
    assert says in text


def test_rows_that_cannot_be_read_are_told_from_tables_that_are_not_there() -> None:
    """And the reader learns that only rows are counted."""
    rows = {"users": (5, None)}
    readable = structs.replace(plan(), lost=structs.replace(lost((), ()), rows=rows))
    shown = text_of(restore_embeds.preview(readable).embed)
    assert "users: 5 → no table\nRows are counted; changed rows are not seen." in shown
    damaged = structs.replace(readable, database=structs.replace(readable.database, openable=False))
    assert "users: 5 → unreadable" in text_of(restore_embeds.preview(damaged).embed)


def test_an_unforeseen_error_is_not_shown() -> None:
    """Its text can hold anything, a password too."""
    assert "secret" not in text_of(failure(ValueError("secret")).embed)


@pytest.mark.parametrize(
    ("typed", "enough"),
    [("3fa9", True), (" 3FA9C1d2e4b5 ", True), ("3fa", False), ("fa9c", False), ("", False), ("3fa9c1d2e4b5x", False)],
)
def test_a_restore_is_confirmed_by_the_beginning_of_its_id(typed: str, enough: bool) -> None:
    """Four characters at least, from the start, in any case."""
    assert restore_embeds.confirms(typed, snapshot()) is enough


@pytest.mark.parametrize("outcome", [StartupOutcome.CLEAN, StartupOutcome.NEW, StartupOutcome.SKIPPED])
def test_an_ordinary_start_is_not_news(outcome: StartupOutcome) -> None:
    """Quiet on success."""
    assert texts.started(StartupReport(outcome=outcome, message="m")) is None


def test_the_text_status_shows_no_paths() -> None:
    """It is an answer in a channel, which others read."""
    state: Any = status_with("/srv/secret")
    quiet = CogState(problem=None, outages=(), startup=None, triggers=())
    assert "/srv" not in status_text(state, quiet, [])
    assert discord.utils.format_dt(NOON, "R") in status_text(state, quiet, [])

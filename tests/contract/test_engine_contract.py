"""What every engine promises (``core/snapshots/engines/base.py``), on a real database of each kind."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from core.snapshots.engines import Engine, Probe, SnapshotResult, engine_for, probe_for, suffix_for
from core.snapshots.errors import (
    DatabaseBusy,
    DatabaseMissing,
    DeadlineExceeded,
    OperationCancelled,
    SnapshotDamaged,
    SnapshotError,
    from_wire,
)
from core.snapshots.models import Check, Finding, Form, Method, Severity
from core.snapshots.progress import Watch
from core.snapshots.settings.database_url import ENGINES
from tests.contract.engine_cases import CASES, CHECKS, EngineCase, bounded
from tests.worlds.chain_world import Chain
from tests.worlds.game_database import CRITICAL_TABLES

BUSY_TIMEOUT = 0.5


@pytest.fixture(params=sorted(ENGINES))
def case(request: pytest.FixtureRequest, tmp_path: Path) -> EngineCase:
    made = CASES[request.param](tmp_path)
    made.create()
    return made


@pytest.fixture
def engine(case: EngineCase) -> Engine:
    return engine_for(case.url, BUSY_TIMEOUT)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The folder of the repository's temporary files."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture(params=["alone", "upon another"])
def chain(request: pytest.FixtureRequest, case: EngineCase, engine: Engine, tmp_path: Path) -> Chain:
    """No snapshot yet, or one upon which the next may build, and a game action after it."""
    made = Chain(tmp_path / "taken", engine)
    if request.param == "upon another":
        made.take()
        case.play()
    return made


def take(case: EngineCase, chain: Chain, *, watch: Watch | None = None) -> SnapshotResult:
    """Take the next snapshot, which builds upon the one before it where there is one and the engine can."""
    before = chain.parts[-1] if chain.parts else None
    taken = chain.take(watch=watch or bounded(60))
    assert (taken.form is Form.INCREMENTAL) == (before is not None and case.incrementals)
    assert (taken.base is not None) == (taken.form is Form.INCREMENTAL)
    return taken


def image_of(chain: Chain, work: Path) -> Path:
    """Rebuild the newest snapshot in a folder of its own."""
    image = work / "image" / "rebuilt"
    image.parent.mkdir()
    return chain.rebuild(image)


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def only_finding(findings: tuple[Finding, ...]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


def test_every_engine_is_under_the_contract() -> None:
    """Adding an engine to the registry without a case here is an error, not an untested engine."""
    assert set(CASES) == set(ENGINES)


def test_the_registry_names_an_engine_and_its_suffix_as_the_engine_does(case: EngineCase, engine: Engine) -> None:
    """Names of full snapshots end with what the engine says, and the engine's name is its key in the registry."""
    assert engine.name == case.url.engine
    assert re.fullmatch(r"\.[a-z]+\.gz", suffix_for(engine.name))


def test_inspect_counts_the_rows_and_changes_nothing(case: EngineCase, engine: Engine) -> None:
    """A database that is there and works is openable, and its critical tables are counted."""
    before = case.contents()
    state = engine.inspect((*CRITICAL_TABLES, "guilds"), bounded(30))
    assert (state.exists, state.openable, state.problem, state.tables) == (True, True, None, 4)
    assert state.rows == {table: len(before[table]) for table in CRITICAL_TABLES}
    assert state.size > 0
    assert state.token
    assert case.contents() == before


def test_inspect_says_that_a_missing_database_is_missing(case: EngineCase, engine: Engine) -> None:
    """A database that is not there is a state, not an error."""
    case.remove()
    state = engine.inspect(CRITICAL_TABLES, bounded(30))
    assert (state.exists, state.openable, state.size, state.rows) == (False, False, 0, {})
    assert state.problem


def test_inspect_says_why_a_destroyed_database_cannot_be_opened(case: EngineCase, engine: Engine) -> None:
    """A damaged database is a state, not an error."""
    case.destroy()
    state = engine.inspect(CRITICAL_TABLES, bounded(30))
    assert (state.exists, state.openable, state.rows) == (True, False, {})
    assert state.problem


def test_a_snapshot_put_back_gives_every_row_again(
    case: EngineCase, engine: Engine, chain: Chain, work: Path, tmp_path: Path
) -> None:
    """Snapshot, play on, rebuild, check, replace in place: every row of every table is as it was."""
    before = case.contents()
    taken = take(case, chain)
    assert taken.rows == {table: len(before[table]) for table in CRITICAL_TABLES}
    assert taken.size == Path(chain.parts[-1].path).stat().st_size
    for _ in range(20):
        case.play()
    assert case.contents() != before
    image = image_of(chain, work)
    assert engine.check_image(image, CHECKS, bounded(30)).findings == ()
    quarantine = tmp_path / "quarantine"
    with case.idle():
        replaced = engine.replace(image, Method.ONLINE, quarantine, taken.details, CHECKS, bounded(30))
    assert (replaced.identical, replaced.integrity.findings) == (True, ())
    assert replaced.quarantine == case.kept(Method.ONLINE, quarantine)
    assert case.contents() == before


def test_whatever_came_later_an_earlier_snapshot_of_a_chain_is_what_it_was(
    case: EngineCase, engine: Engine, tmp_path: Path, work: Path
) -> None:
    """Each point of a chain is rebuilt from what is below it; what was taken after it changes nothing of that."""
    chain, states = Chain(tmp_path / "taken", engine), []
    for _ in range(4):
        case.play()
        states.append(case.contents())
        take(case, chain)
    parts = chain.chain()
    for length in range(len(parts), 0, -1):
        image = work / f"image-{length}"
        engine.rebuild(parts[:length], image, bounded(30))
        quarantine = tmp_path / "quarantine" / str(length)
        engine.replace(image, Method.ONLINE, quarantine, {}, CHECKS, bounded(30))
        assert case.contents() == states[len(states) - 1 - len(parts) + length]


def test_a_snapshot_that_may_not_build_on_another_stands_alone(
    case: EngineCase, engine: Engine, tmp_path: Path
) -> None:
    """``incremental`` allows, and nothing is built on what was not allowed."""
    chain = Chain(tmp_path / "taken", engine)
    take(case, chain)
    case.play()
    taken = chain.take(incremental=False, watch=bounded(60))
    assert (taken.form, taken.base, len(chain.chain())) == (Form.FULL, None, 1)
    chain.rebuild()


def test_what_the_engine_keeps_for_itself_can_be_lost(case: EngineCase, engine: Engine, tmp_path: Path) -> None:
    """Without what is kept beside the archives, or with the remains of it, the state is taken all the same."""
    chain = Chain(tmp_path / "taken", engine)
    for harm in (Path.unlink, flip, lambda path: path.write_bytes(b"")):
        chain.take(watch=bounded(60))
        case.play()
        for path in (chain.index, chain.record):
            if path.exists():
                harm(path)
        before = case.contents()
        taken = chain.take(watch=bounded(60))
        assert taken.rows == {table: len(before[table]) for table in CRITICAL_TABLES}
        engine.verify(chain.chain(), chain.scratch, bounded(60))


def test_an_unchanged_database_is_recognised_and_nothing_is_written(case: EngineCase, chain: Chain) -> None:
    """With the snapshot of the same state known, no file is written; after one commit there is one."""
    first = take(case, chain)
    again = chain.take(skip_unchanged=True)
    assert again == SnapshotResult(unchanged=True, fingerprint=first.fingerprint)
    assert chain.unfinished() == []
    chain.index.unlink(missing_ok=True)
    assert chain.take(skip_unchanged=True) == again
    case.play()
    changed = chain.take(skip_unchanged=True)
    assert not changed.unchanged
    assert changed.fingerprint != first.fingerprint


def test_an_unchanged_database_is_written_again_where_that_is_wanted(
    case: EngineCase, engine: Engine, chain: Chain
) -> None:
    """Without ``skip_unchanged`` there is an archive of the same state."""
    first = take(case, chain)
    again = chain.take()
    assert (again.unchanged, again.fingerprint) == (False, first.fingerprint)
    engine.verify(chain.chain(), chain.scratch, bounded(30))


def test_a_missing_database_gives_no_snapshot(case: EngineCase, chain: Chain) -> None:
    """There is nothing to snapshot, which is an error of its own and leaves no file."""
    case.remove()
    with pytest.raises(DatabaseMissing):
        chain.take()
    assert chain.unfinished() == []


def test_a_snapshot_past_its_deadline_leaves_no_file(chain: Chain) -> None:
    """The deadline ends the work wherever it is, with the limit in the error."""
    with pytest.raises(DeadlineExceeded) as caught:
        chain.take(watch=Watch(deadline_at=0.0, seconds=0.25))
    assert caught.value.seconds == 0.25
    assert chain.unfinished() == []


def test_a_cancelled_snapshot_leaves_no_file(case: EngineCase, chain: Chain) -> None:
    """Told to stop at whichever of its looks, the work stops there and nothing of the archive stays.

    What the engine keeps beside the archives is left fit for the next one.
    """
    looks = 0

    def go_on() -> bool:
        nonlocal looks
        looks += 1
        return False

    before = {path: path.read_bytes() for path in (chain.index, chain.record) if path.exists()}
    take(case, chain, watch=Watch(cancelled=go_on))
    assert looks > 3
    for last in range(looks):
        Path(chain.parts.pop().path).unlink()
        for path, content in before.items():
            path.write_bytes(content)
        answers = iter([False] * last + [True] * 1000)
        with pytest.raises(OperationCancelled):
            chain.take(watch=Watch(cancelled=answers.__next__))
        assert chain.unfinished() == [], last
        take(case, chain)
    assert case.contents_of(chain.rebuild()) == case.contents()


def test_a_lock_that_is_never_let_go_ends_in_busy_and_changes_nothing(
    case: EngineCase, engine: Engine, chain: Chain, work: Path, tmp_path: Path
) -> None:
    """A restore in place waits for other people's locks for the busy timeout, then gives up; nothing changed."""
    taken = take(case, chain)
    image = image_of(chain, work)
    case.play()
    before = case.contents()
    with case.locked(), pytest.raises(DatabaseBusy):
        engine.replace(image, Method.ONLINE, tmp_path / "quarantine", taken.details, CHECKS, bounded(30))
    assert case.contents() == before


def test_a_snapshot_does_not_wait_for_a_writer(case: EngineCase, chain: Chain) -> None:
    """A game action that is not committed yet neither holds a snapshot up nor gets into it."""
    committed = case.contents()
    with case.locked():
        taken = take(case, chain)
    assert taken.rows == {table: len(committed[table]) for table in CRITICAL_TABLES}
    assert chain.take(skip_unchanged=True).unchanged


@pytest.mark.parametrize("which", [0, -1])
def test_a_damaged_archive_is_not_rebuilt(
    case: EngineCase, engine: Engine, chain: Chain, work: Path, tmp_path: Path, which: int
) -> None:
    """What does not give back the fingerprint, or builds on such, is SnapshotDamaged; nothing is left of the try."""
    take(case, chain)
    culprit = Path(chain.chain()[which].path)
    flip(culprit)
    with pytest.raises(SnapshotDamaged) as caught:
        image_of(chain, work)
    assert caught.value.data["path"] == str(culprit)
    with pytest.raises(SnapshotDamaged):
        engine.verify(chain.chain(), chain.scratch, bounded(30))
    with pytest.raises(SnapshotDamaged):
        chain.export(tmp_path / "exported")
    assert not (work / "image" / "rebuilt").exists()
    assert not (tmp_path / "exported").exists()


def test_an_export_stands_alone(case: EngineCase, engine: Engine, chain: Chain, work: Path, tmp_path: Path) -> None:
    """It gives back the same fingerprint with nothing below it, and a file in its place is left alone."""
    taken = take(case, chain)
    engine.verify(chain.chain(), chain.scratch, bounded(30))
    target = chain.export(tmp_path / f"exported{suffix_for(engine.name)}")
    part = msgspec.structs.replace(chain.parts[-1], path=str(target), form=Form.FULL, base=None)
    engine.rebuild((part,), work / "image", bounded(30))
    assert engine.check_image(work / "image", CHECKS, bounded(30)).rows == taken.rows
    content = target.read_bytes()
    with pytest.raises(FileExistsError):
        chain.export(target)
    assert target.read_bytes() == content


@pytest.mark.parametrize("damage", ["destroy", "remove"])
def test_a_database_that_cannot_be_opened_is_exchanged(
    case: EngineCase, engine: Engine, chain: Chain, work: Path, tmp_path: Path, damage: str
) -> None:
    """What SQLite or a server refuses to open is moved to quarantine, and the snapshot takes its place."""
    before = case.contents()
    taken = take(case, chain)
    image = image_of(chain, work)
    getattr(case, damage)()
    quarantine = tmp_path / "quarantine" / "now"
    replaced = engine.replace(image, Method.SWAP, quarantine, taken.details, CHECKS, bounded(30))
    assert replaced.integrity.findings == ()
    assert replaced.identical is True
    assert replaced.quarantine == (case.kept(Method.SWAP, quarantine) if damage == "destroy" else None)
    assert case.contents() == before
    case.play()
    assert case.contents() != before


def test_an_exchange_can_be_undone(case: EngineCase, engine: Engine, chain: Chain, work: Path, tmp_path: Path) -> None:
    """Put back means: what was in quarantine is at its place again, and the quarantine holds nothing of it."""
    taken = take(case, chain)
    image = image_of(chain, work)
    case.play()
    before = case.contents()
    quarantine = tmp_path / "quarantine" / "now"
    engine.replace(image, Method.SWAP, quarantine, taken.details, CHECKS, bounded(30))
    assert case.contents() != before
    engine.put_back(quarantine, bounded(30))
    assert case.contents() == before
    with pytest.raises(DatabaseMissing):
        engine.put_back(quarantine, bounded(30))
    assert case.contents() == before


def test_a_sound_database_has_no_findings(case: EngineCase, engine: Engine, work: Path) -> None:
    """Everything is looked at and counted; nothing is found."""
    before = case.contents()
    report = engine.integrity(CHECKS, work, bounded(30))
    assert report.findings == ()
    assert report.ok
    assert report.rows == {table: len(before[table]) for table in CRITICAL_TABLES}
    assert report.checked["tables"] == 4
    assert report.checked["rows"] == sum(report.rows.values())
    assert report.checked["json_values"] == len(before["creator_packs"])
    assert report.checked["foreign_keys"] == 3
    assert report.seconds > 0
    assert case.contents() == before


@pytest.mark.parametrize(
    ("statement", "check", "severity", "table", "count"),
    [
        ("DROP TABLE user_cards", Check.TABLES, Severity.ERROR, "user_cards", 1),
        ("DELETE FROM user_cards", Check.ROWS, Severity.WARNING, "user_cards", 1),
        ("UPDATE creator_packs SET cards_data = '[{' WHERE id < 4", Check.JSON, Severity.ERROR, "creator_packs", 3),
        ("UPDATE creator_packs SET cards_data = '{}' WHERE id < 3", Check.JSON, Severity.WARNING, "creator_packs", 2),
        ("UPDATE user_cards SET card_id = -1 WHERE id < 6", Check.FOREIGN_KEYS, Severity.WARNING, "user_cards", 5),
    ],
)
def test_an_integrity_check_finds(
    case: EngineCase,
    engine: Engine,
    work: Path,
    statement: str,
    check: Check,
    severity: Severity,
    table: str,
    count: int,
) -> None:
    """Missing tables and unparsable critical JSON are errors; what a person should look at is a warning."""
    checks = msgspec.structs.replace(CHECKS, expected_rows={"user_cards": 1, "users": 60}, snapshots_exist=True)
    case.execute(statement)
    finding = only_finding(engine.integrity(checks, work, bounded(30)).findings)
    assert (finding.check, finding.severity, finding.table, finding.count) == (check, severity, table, count)
    assert finding.message


def test_columns_without_a_value_are_fine(case: EngineCase, engine: Engine, work: Path) -> None:
    """NULL is no JSON value: it is neither counted nor found."""
    case.execute("UPDATE creator_packs SET cards_data = NULL WHERE id < 4")
    report = engine.integrity(CHECKS, work, bounded(30))
    assert report.findings == ()
    assert report.checked["json_values"] == len(case.contents()["creator_packs"]) - 3


@pytest.mark.parametrize(("snapshots_exist", "ok"), [(True, False), (False, True)])
def test_a_missing_database_is_damage_only_where_there_was_one(
    case: EngineCase, engine: Engine, work: Path, snapshots_exist: bool, ok: bool
) -> None:
    """A database that is gone is an error when snapshots of it exist, and a new beginning when none do."""
    case.remove()
    checks = msgspec.structs.replace(CHECKS, snapshots_exist=snapshots_exist)
    report = engine.integrity(checks, work, bounded(30))
    assert only_finding(report.findings).check is Check.EMPTY
    assert report.ok is ok


def test_a_destroyed_database_is_a_finding(case: EngineCase, engine: Engine, work: Path) -> None:
    """Damage is what an integrity check reports, not what it raises."""
    case.destroy()
    finding = only_finding(engine.integrity(CHECKS, work, bounded(30)).findings)
    assert (finding.check, finding.severity) == (Check.FILE, Severity.ERROR)


def test_an_integrity_check_ends_at_its_deadline(case: EngineCase, engine: Engine, work: Path) -> None:
    """A check that takes too long is an error, never a finding."""
    with pytest.raises(DeadlineExceeded):
        engine.integrity(CHECKS, work, Watch(deadline_at=0.0))


def test_errors_survive_the_way_from_the_worker(case: EngineCase, chain: Chain) -> None:
    """Whatever an engine raises can be written as JSON and read back as the same error."""
    case.remove()
    with pytest.raises(SnapshotError) as caught:
        chain.take()
    wire = msgspec.json.decode(msgspec.json.encode(caught.value.to_wire()))
    again = from_wire(wire)
    assert type(again) is type(caught.value)
    assert (str(again), again.data) == (str(caught.value), caught.value.data)


@pytest.fixture
async def probe(case: EngineCase) -> Probe:
    return probe_for(case.url)


async def test_the_probe_sees_every_commit(case: EngineCase, probe: Probe) -> None:
    """Its token stands still while nobody commits, and differs after every commit by anybody."""
    try:
        seen = [await probe.token()]
        assert await probe.token() == seen[0]
        for _ in range(3):
            case.play()
            seen.append(await probe.token())
            assert await probe.token() == seen[-1]
        assert None not in seen
        assert len(set(seen)) == 4
    finally:
        await probe.close()


async def test_the_probe_does_not_see_what_was_not_committed(case: EngineCase, probe: Probe) -> None:
    """A transaction that is open, or was taken back, leaves the token as it is."""
    try:
        before = await probe.token()
        with case.locked():
            assert await probe.token() == before
        assert await probe.token() == before
    finally:
        await probe.close()


async def test_a_probe_that_was_closed_begins_anew(case: EngineCase, probe: Probe) -> None:
    """Tokens from before are never given again: what happened in between is unknown."""
    try:
        before = await probe.token()
        await probe.close()
        assert await probe.token() not in (before, None)
        await probe.close()
        await probe.close()
    finally:
        await probe.close()


async def test_the_probe_knows_nothing_of_a_missing_database(case: EngineCase, probe: Probe) -> None:
    """No token, no size, and no error; once the database is there, both come."""
    case.remove()
    try:
        assert await probe.token() is None
        assert await probe.size() == 0
        case.create()
        assert await probe.token() is not None
        assert await probe.size() > 0
    finally:
        await probe.close()


async def test_a_process_that_is_alone_keeps_the_schedule_and_is_the_last(case: EngineCase, probe: Probe) -> None:
    """Whether it attended before it leaves or not; one that is not willing keeps none."""
    try:
        assert await probe.leave("alone")
        await probe.close()
        assert not await probe.join("alone", eligible=False)
        assert await probe.join("alone", eligible=True)
        assert await probe.join("alone", eligible=True)
        assert await probe.leave("alone")
    finally:
        await probe.close()

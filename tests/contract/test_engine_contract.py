"""What every engine promises (``core/snapshots/engines/base.py``), on a real database of each kind."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from core.snapshots.engines import Engine, SnapshotResult, suffix_for
from core.snapshots.errors import (
    DatabaseBusy,
    DatabaseMissing,
    DeadlineExceeded,
    OperationCancelled,
    SnapshotDamaged,
    SnapshotError,
    from_wire,
)
from core.snapshots.models import Form, Method
from core.snapshots.progress import Watch
from core.snapshots.settings.database_url import ENGINES
from tests.worlds.chain_world import Chain
from tests.worlds.engine_cases import CASES, CHECKS, EngineCase, bounded
from tests.worlds.game_database import CRITICAL_TABLES


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


def test_every_engine_is_under_the_contract() -> None:
    """Adding an engine to the registry without a case here is an error, not an untested engine."""
    assert set(CASES) == set(ENGINES)


def test_the_registry_names_an_engine_and_its_suffix_as_the_engine_does(case: EngineCase, engine: Engine) -> None:
    """Names of full snapshots end with what the engine says, and the engine's name is its key in the registry."""
    assert engine.name == case.url.engine
    assert re.fullmatch(r"\.[a-z]+\.gz", suffix_for(engine.name))


@pytest.mark.process
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

    What the engine keeps beside the archives is left fit for the next one. How often PostgreSQL's engine looks while it
    waits for the server depends on how long that takes, so this goes on until a snapshot ends before it is told.
    """
    looks = stops = 0

    def told() -> bool:
        nonlocal looks
        looks += 1
        return looks > stops + 1

    before = {path: path.read_bytes() for path in (chain.index, chain.record) if path.exists()}
    take(case, chain)
    while True:
        Path(chain.parts.pop().path).unlink()
        for path, content in before.items():
            path.write_bytes(content)
        looks = 0
        try:
            chain.take(watch=Watch(cancelled=told))
        except OperationCancelled:
            assert looks == stops + 2, "it stopped without being told"
            assert chain.unfinished() == [], stops
            stops += 1
            take(case, chain)
        else:
            assert looks <= stops + 1, "it went on although it was told to stop"
            break
    assert stops > 3
    assert case.contents_of(chain.rebuild()) == case.contents()


@pytest.mark.process
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


@pytest.mark.process
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


def test_errors_survive_the_way_from_the_worker(case: EngineCase, chain: Chain) -> None:
    """Whatever an engine raises can be written as JSON and read back as the same error."""
    case.remove()
    with pytest.raises(SnapshotError) as caught:
        chain.take()
    wire = msgspec.json.decode(msgspec.json.encode(caught.value.to_wire()))
    again = from_wire(wire)
    assert type(again) is type(caught.value)
    assert (str(again), again.data) == (str(caught.value), caught.value.data)

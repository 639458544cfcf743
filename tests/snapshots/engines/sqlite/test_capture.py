"""What the engine writes down: only what changed, always the state, and a full wherever it cannot be sure."""

from __future__ import annotations

import gzip
import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.snapshots.archive import full
from core.snapshots.archive.page_index import PageIndex
from core.snapshots.archive.reuse import MemberRecord
from core.snapshots.engines.sqlite.engine import SqliteEngine
from core.snapshots.engines.sqlite.source import Source
from core.snapshots.errors import SnapshotDamaged
from core.snapshots.models import Form
from core.snapshots.progress import Watch
from tests.worlds.chain_world import GAME_BYTES, Chain
from tests.worlds.game_database import OtherProcess, connected, contents_of, make_game_database
from tests.worlds.service_world import flip_byte

pytestmark = pytest.mark.process

PLAY = "UPDATE cards SET story = story || 'x' WHERE id = 1"
UPPER = "UPDATE cards SET story = upper(story)"


@pytest.fixture(params=["wal", "delete"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return make_game_database(tmp_path / "game.db", journal_mode=request.param, page_size=1024, size=GAME_BYTES)


@pytest.fixture
def chain(tmp_path: Path, database: Path) -> Chain:
    return Chain(tmp_path / "taken", SqliteEngine(database, 1.0))


@pytest.fixture
def game(database: Path) -> Iterator[OtherProcess]:
    """A bot that has the database open, so that its log goes on."""
    with OtherProcess(database, "PRAGMA wal_autocheckpoint = 0") as process:
        yield process


def must_not(*_: Any, **__: Any) -> Any:
    raise AssertionError("the whole database was read")


def test_any_play_is_captured_by_what_changed(chain: Chain, game: OtherProcess, database: Path) -> None:
    """Small commits, growth, shrinking, VACUUM, checkpoints of each kind: each snapshot restores to its state."""
    dice, forms = random.Random(3), []
    chain.take()
    statements = [
        PLAY,
        "INSERT INTO cards (name, rarity, story) VALUES ('new', 'rare', hex(randomblob(9000)))",
        "PRAGMA wal_checkpoint(TRUNCATE)",
        PLAY,
        "DELETE FROM cards WHERE id > 250",
        "PRAGMA wal_checkpoint(PASSIVE)",
        "VACUUM",
        "UPDATE users SET dust = dust + 1 WHERE id % 20 = 3",
        "PRAGMA wal_checkpoint(RESTART)",
        "CREATE TABLE market (id INTEGER PRIMARY KEY, price INTEGER)",
        "DROP TABLE market",
    ]
    for round_ in range(2):
        for statement in statements if round_ == 0 else dice.sample(statements[:9] * 2, 12):
            game.execute(statement)
            if dice.random() < 0.6:
                game.execute(PLAY)
            forms.append(chain.take().form)
            assert chain.rows() == contents_of(database), statement
            assert gzip.decompress(chain.exported()) == chain.rebuilt()
    assert forms.count(Form.INCREMENTAL) > 10
    assert Form.FULL in forms, "after a VACUUM most pages differ"


@pytest.mark.parametrize("database", ["wal"], indirect=True)
def test_a_log_that_goes_on_names_the_pages(
    chain: Chain, game: OtherProcess, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event on a large database costs what it changed: the rest is not read, whether anything changed or not."""
    game.execute(PLAY)
    chain.take()
    monkeypatch.setattr(Source, "blocks", must_not)
    assert chain.take(skip_unchanged=True).unchanged
    game.execute(PLAY)
    taken = chain.take(skip_unchanged=True)
    assert taken.form is Form.INCREMENTAL
    assert taken.size < 5000
    game.execute("BEGIN")
    game.execute(UPPER)
    game.execute("ROLLBACK")
    monkeypatch.setattr(Source, "block", must_not)
    assert chain.take(skip_unchanged=True).unchanged
    monkeypatch.undo()
    assert chain.rows() == contents_of(database)


@pytest.mark.parametrize("database", ["wal"], indirect=True)
@pytest.mark.parametrize("statements", [["VACUUM"], ["PRAGMA wal_checkpoint(RESTART)", UPPER], [UPPER, PLAY]])
def test_a_log_that_began_again_or_changed_much_is_looked_at_whole(
    chain: Chain, game: OtherProcess, database: Path, statements: list[str]
) -> None:
    """What the log's old position says is not believed then."""
    game.execute(PLAY)
    chain.take()
    for statement in (*statements, PLAY):
        game.execute(statement)
    chain.take()
    assert chain.rows() == contents_of(database)


def test_an_unchanged_database_is_told_without_writing(chain: Chain, game: OtherProcess) -> None:
    """With the index and without it; and who does not ask for it gets a snapshot all the same."""
    game.execute(PLAY)
    chain.take()
    assert chain.take(skip_unchanged=True).unchanged
    chain.index.unlink()
    assert chain.take(skip_unchanged=True).unchanged
    assert not chain.take(incremental=False).unchanged
    assert len(chain.parts) == 2


def test_where_most_pages_changed_a_full_is_written(chain: Chain, game: OtherProcess, database: Path) -> None:
    """It weighs no more, and it stands alone."""
    chain.take()
    game.execute(UPPER)
    assert chain.take().form is Form.FULL
    game.execute(PLAY)
    assert chain.take().form is Form.INCREMENTAL
    assert chain.rows() == contents_of(database)


def lost(path: Path) -> None:
    path.unlink()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [lost, emptied, flip_byte])
@pytest.mark.parametrize("derived", ["index", "record"])
def test_what_is_derived_costs_one_full_when_it_is_lost(
    chain: Chain, game: OtherProcess, database: Path, harm: Any, derived: str
) -> None:
    """Without the index a full, without the record a full compressed afresh; then everything is as before."""
    chain.take()
    game.execute(PLAY)
    chain.take()
    harm(getattr(chain, derived))
    game.execute(PLAY)
    assert chain.take(incremental=derived == "index").form is Form.FULL
    assert chain.rows() == contents_of(database)
    game.execute(PLAY)
    assert chain.take().form is Form.INCREMENTAL
    assert chain.rows() == contents_of(database)


def test_an_index_of_another_state_is_not_used(chain: Chain, game: OtherProcess, database: Path) -> None:
    """One that was left by a snapshot that was never published, and one of an earlier snapshot."""
    chain.take()
    earlier = chain.index.read_bytes()
    game.execute(PLAY)
    chain.take()
    chain.index.write_bytes(earlier)
    game.execute(PLAY)
    assert chain.take().form is Form.FULL
    game.execute(PLAY)
    chain.take()
    Path(chain.parts.pop().path).unlink()
    game.execute(PLAY)
    assert chain.take().form is Form.FULL
    assert chain.rows() == contents_of(database)


def test_another_page_size_begins_a_new_chain(chain: Chain, database: Path) -> None:
    """VACUUM can change it in rollback mode; pages of one size say nothing about another."""
    chain.take()
    with connected(database) as connection:
        connection.execute("PRAGMA journal_mode = delete")
        connection.execute("PRAGMA page_size = 8192")
        connection.execute("VACUUM")
    assert chain.take().form is Form.FULL
    assert chain.rows() == contents_of(database)


def test_a_full_copies_what_did_not_change_and_is_an_ordinary_one(
    chain: Chain, game: OtherProcess, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but the changed blocks is compressed; gunzip and the slow proof find nothing odd."""
    chain.take()
    game.execute(PLAY)
    chain.take()
    with monkeypatch.context() as patch:
        patch.setattr(full, "write_full", must_not)
        taken = chain.take(incremental=False)
    assert taken.form is Form.FULL
    path = Path(chain.parts[-1].path)
    full.verify(path, fingerprint=taken.fingerprint, size=taken.database_size, watch=Watch())
    assert gzip.decompress(path.read_bytes()) == chain.rebuilt()
    assert chain.rows() == contents_of(database)
    record = MemberRecord.load(chain.record)
    assert record is not None
    assert record.fingerprint == taken.fingerprint


def test_rot_in_the_earlier_full_is_not_carried_along(chain: Chain, game: OtherProcess, database: Path) -> None:
    """Wherever it is: the new full is compressed afresh and sound."""
    game.execute(PLAY)
    chain.take()
    game.execute(PLAY)
    previous = chain.last_full
    assert previous is not None
    whole = previous.read_bytes()
    derived = chain.index.read_bytes(), chain.record.read_bytes()
    for place in (0, 60, *range(len(whole) // 3, len(whole), len(whole) // 5), len(whole) - 1):
        flip_byte(previous, place)
        taken = chain.take(incremental=False)
        part = chain.parts.pop()
        tail = full.verify(Path(part.path), fingerprint=taken.fingerprint, size=taken.database_size, watch=Watch())
        assert tail.fingerprint == part.fingerprint
        previous.write_bytes(whole)
        chain.index.write_bytes(derived[0])
        chain.record.write_bytes(derived[1])
    previous.unlink()
    assert chain.take(incremental=False).form is Form.FULL
    assert chain.rows() == contents_of(database)


@pytest.mark.parametrize("kind", [PageIndex, MemberRecord])
@pytest.mark.parametrize("incremental", [True, False])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_worker_killed_around_the_saving_leaves_a_sound_next_snapshot(
    chain: Chain, game: OtherProcess, database: Path, kind: type[Any], incremental: bool, when: str
) -> None:
    """SIGKILL between the file and what is derived from it: that file is nobody's, and the next one is right."""
    game.execute(PLAY)
    chain.take()
    game.execute(PLAY)
    child = os.fork()
    if child == 0:
        save = kind.save

        def killed(self: Any, path: Path) -> None:
            if when == "after":
                save(self, path)
            os.kill(os.getpid(), signal.SIGKILL)

        kind.save = killed
        try:
            chain.take(incremental=incremental)
        finally:
            os._exit(7)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL or (kind is MemberRecord and incremental)
    for left in chain.scratch.glob("*"):
        left.unlink()
    for path in chain.folder.glob("*.gz"):
        if str(path) not in {part.path for part in chain.parts}:
            path.unlink()
    game.execute(PLAY)
    for allowed in (True, False, True):
        chain.take(incremental=allowed)
        assert chain.rows() == contents_of(database)
        game.execute(PLAY)


def test_an_incremental_is_refused_where_a_full_is_expected(chain: Chain, game: OtherProcess, tmp_path: Path) -> None:
    """Its pages are no image, whatever the file is called; a look at its ends is allowed."""
    chain.take()
    game.execute(PLAY)
    assert chain.take().form is Form.INCREMENTAL
    path = Path(chain.parts[-1].path)
    looks: tuple[Callable[[], object], ...] = (
        lambda: full.verify(path, fingerprint=None, size=None, watch=Watch()),
        lambda: full.extract(path, tmp_path / "image", fingerprint=None, size=None, watch=Watch()),
    )
    for look in looks:
        with pytest.raises(SnapshotDamaged, match="changed pages where a whole image"):
            look()
    assert not (tmp_path / "image").exists()
    assert full.read_tail(path).size > 0

"""What others keep from the bot's role is left out of its snapshots, and said; it stays with them after a restore."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots import DatabaseUnavailable, Level
from core.snapshots.engines import engine_for
from core.snapshots.settings.database_url import parse
from tests.worlds.chain_world import Chain
from tests.worlds.engine_cases import bounded
from tests.worlds.postgres_world import EXPECTED, PostgresGame, PostgresWorld, ask, needs, run_sql, server

pytestmark = pytest.mark.server

PRIVATE = {
    "schema": (
        "CREATE SCHEMA private; CREATE TABLE private.notes AS SELECT 1 AS id; CREATE SEQUENCE private.counter",
        "schema private of ",
    ),
    "table": ("CREATE TABLE notes AS SELECT 1 AS id", "table public.notes of "),
    "partitions": (
        "CREATE TABLE notes (id int) PARTITION BY LIST (id); CREATE TABLE one PARTITION OF notes DEFAULT",
        "table public.one of ",
    ),
    "sequence": ("CREATE SEQUENCE counter", "sequence public.counter of "),
    "odd names": ("""CREATE TABLE "a ""b"".c*?$" AS SELECT 1 AS id""", """table public."a ""b"".c*?$" of """),
    "rows": (
        "CREATE TABLE notes AS SELECT 1 AS id; GRANT SELECT ON notes TO PUBLIC; "
        "ALTER TABLE notes ENABLE ROW LEVEL SECURITY; CREATE POLICY none ON notes USING (false)",
        "table public.notes of ",
    ),
}


@pytest.fixture
def game() -> PostgresGame:
    made = PostgresGame(server(EXPECTED[1]))
    made.create()
    return made


@pytest.mark.parametrize(("made", "said"), PRIVATE.values(), ids=PRIVATE)
def test_what_is_private_to_others_is_left_out_and_said(
    game: PostgresGame, tmp_path: Path, made: str, said: str
) -> None:
    """A schema, a table, a sequence, rows behind a policy: everything else is in the snapshot, and restorable."""
    run_sql(game.superuser, made)
    chain = Chain(tmp_path / "taken", engine_for(parse(game.url), 5.0))
    result = chain.take(watch=bounded(60))
    assert result.rows["users"] == 60
    (sentence,) = [each for each in result.details["left_out"] if "not in the snapshot" in each]
    assert f"{said}postgres" in sentence
    image = tmp_path / "image"
    assert chain.engine.rebuild(chain.parts[-1:], image, bounded(60)) is Level.RESTORED
    chain.engine.discard(image, bounded(60))


@pytest.mark.parametrize(("made", "said"), PRIVATE.values(), ids=PRIVATE)
def test_an_owner_may_want_all_or_nothing(game: PostgresGame, tmp_path: Path, made: str, said: str) -> None:
    """Switched off, the snapshot is refused, with what it is about and both ways out."""
    run_sql(game.superuser, made)
    engine = engine_for(parse(game.url), 5.0, exclude_unreadable=False)
    with pytest.raises(DatabaseUnavailable, match=r"Grant it the right.*exclude_unreadable") as caught:
        Chain(tmp_path / "taken", engine).take(watch=bounded(60))
    assert f"{said}postgres" in str(caught.value)


@pytest.mark.parametrize("major", [needs(EXPECTED[-1])])
async def test_the_setting_reaches_the_snapshot(tmp_path: Path, major: int) -> None:
    """By default the owner is told; switched off, nothing is published. The old database keeps what is theirs."""
    game = PostgresGame(server(major))
    world = PostgresWorld(tmp_path, game)
    run_sql(game.superuser, PRIVATE["schema"][0])
    async with world.opened() as service:
        snapshot = (await service.create()).snapshot
        assert any("schema private of postgres" in each for each in snapshot.left_out)
        plan = await service.restore_plan(snapshot.id)
        await service.restore(snapshot.id, agreed=plan.token)
    (kept,) = (name for name in game.leftovers() if "_before_" in name)
    run_sql(game.server, f'ALTER DATABASE "{kept}" ALLOW_CONNECTIONS true')
    assert ask(game.superuser.replace(f"/{game.name}?", f"/{kept}?"), "SELECT id FROM private.notes") == [(1,)]
    async with world.opened(database={"exclude_unreadable": False}) as service:
        assert (await service.create()).snapshot  # the new database has nothing of others
    run_sql(game.superuser, PRIVATE["table"][0])
    async with world.opened(database={"exclude_unreadable": False}) as service:
        with pytest.raises(DatabaseUnavailable, match=r"table public\.notes"):
            await service.create()


def test_what_is_the_roles_own_is_never_left_out(game: PostgresGame, tmp_path: Path) -> None:
    """A right that was taken from the owner itself is an error: the game's tables must be in its snapshots."""
    run_sql(game.url, f"REVOKE ALL ON cards FROM {game.role}")
    with pytest.raises(DatabaseUnavailable, match="cards"):
        Chain(tmp_path / "taken", engine_for(parse(game.url), 5.0)).take(watch=bounded(60))

"""A rescue in PostgreSQL puts one player's rows back, touches nobody else's, and does what was shown or nothing."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import asyncpg
import pytest

from core.snapshots.errors import PlanOutdated, QueryError, RestoreFailed
from core.snapshots.models import ConflictRule, RescueOptions, RescueScope, TableRescue
from tests.worlds.past.postgres_past import ECONOMY, PostgresPastWorld
from tests.worlds.waiting import until

pytestmark = pytest.mark.server

ANN = RescueScope(player="1")
TAKE = RescueOptions(conflicts=ConflictRule.TAKE)
EXPLOIT = (
    "DELETE FROM listings WHERE seller_id = 1",
    "DELETE FROM user_cards WHERE user_id = 1",
    "DELETE FROM titles WHERE user_id = 1",
    "DELETE FROM log WHERE user_id = 1",
    "UPDATE users SET coins = 0 WHERE id = 1",
)


def test_a_player_gets_back_what_was_gone_and_changed(tmp_path: Path) -> None:
    """Rows of every table that refers to him, equal ones too, while others go on playing; and it can be taken back."""
    world = PostgresPastWorld(tmp_path)
    then = world.snapshot(ECONOMY)
    before = world.everything()
    world.commit(*EXPLOIT, "UPDATE users SET coins = 999 WHERE id = 2", "INSERT INTO log VALUES (3, 'played')")
    damaged = world.everything()
    plan = world.rescue(then, ANN, perform=False)
    assert plan.tables == {
        "listings": TableRescue(put_back=1),
        "log": TableRescue(put_back=2),
        "titles": TableRescue(put_back=1),
        "user_cards": TableRescue(put_back=3),
        "users": TableRescue(changed=1),
    }
    assert (plan.conflicts, plan.left_out, plan.notes) == ((), (), ())
    assert world.everything() == damaged
    safety = world.snapshot()
    done = world.rescue(
        then, RescueScope(player="Ann"), agreed=world.rescue(then, RescueScope(player="Ann"), perform=False).token
    )
    after = world.everything()
    others = {"users": [("(2,Bo,999,0.1,1998)",)], "log": [("(3,played)",)]}
    for table, rows in before.items():
        kept = [row for row in rows if not row[0].startswith("(2,Bo")]
        assert set(kept) | set(others.get(table, [])) == set(after[table])
    assert sum(map(len, after.values())) == sum(map(len, before.values())) + 1
    assert world.rescue(then, ANN, perform=False).writes == 0
    world.rescue(safety, RescueScope(rows=done.rows), damaged=world.snapshot())
    assert world.everything() == damaged


def test_numbers_that_are_given_out_next_are_new(tmp_path: Path) -> None:
    """The sequences of the rows that came back are moved on, of serial and of identity columns."""
    world = PostgresPastWorld(tmp_path)
    then = world.snapshot(ECONOMY)
    world.commit("TRUNCATE user_cards, listings RESTART IDENTITY")
    world.rescue(then, ANN)
    world.commit(
        "INSERT INTO user_cards (user_id, card_id) VALUES (2, 10)",
        "INSERT INTO listings (seller_id, status) VALUES (2, 'open')",
    )
    assert world.rows("SELECT max(id) FROM user_cards") == [(5,)]
    assert world.rows("SELECT max(id) FROM listings") == [(3,)]


def test_conflicts_are_named_and_left_or_taken_or_stop_everything(tmp_path: Path) -> None:
    """A card that is another's now, a unique value that is, what changed since the damage; exact removes the rest."""
    world = PostgresPastWorld(tmp_path)
    then = world.snapshot(ECONOMY)
    damaged = world.snapshot("DELETE FROM user_cards WHERE id = 4", "UPDATE users SET coins = 0 WHERE id = 1")
    world.commit(
        "UPDATE user_cards SET user_id = 2 WHERE id = 2",
        "DELETE FROM listings WHERE id = 1",
        "INSERT INTO listings VALUES (9, 1, 2, NULL, 'open')",
        "UPDATE users SET coins = 40 WHERE id = 1",
        "INSERT INTO titles VALUES (1, 'the cheater')",
        "INSERT INTO log VALUES (1, 'cheated')",
    )
    before = world.everything()
    with pytest.raises(RestoreFailed, match="in conflict"):
        world.rescue(then, ANN, RescueOptions(conflicts=ConflictRule.FAIL), damaged=damaged)
    assert world.everything() == before
    plan = world.rescue(then, ANN, perform=False)
    assert {(each.table, each.why, each.holder) for each in plan.conflicts} == {
        ("user_cards", "it belongs to 2 now", "2"),
        ("listings", "a value that must be unique is that of 2 now", "2"),
    }
    one = world.rescue(then, ANN, RescueOptions(take=("user_cards:2",)), perform=False)
    assert [each.name for each in one.conflicts if each.taken] == ["user_cards:2"]
    assert one.token != plan.token
    plan = world.rescue(then, ANN, damaged=damaged)
    assert ("users", "it changed since the damage") in {(each.table, each.why) for each in plan.conflicts}
    assert world.rows("SELECT coins FROM users WHERE id = 1") == [(40,)]
    assert world.rows("SELECT id FROM user_cards WHERE user_id = 1 ORDER BY 1") == [(1,), (4,)]
    plan = world.rescue(then, ANN, RescueOptions(conflicts=ConflictRule.TAKE, exact=True))
    assert world.rows("SELECT id FROM user_cards WHERE user_id = 1 ORDER BY 1") == [(1,), (2,), (4,)]
    assert world.rows("SELECT title FROM titles WHERE user_id = 1") == [("the first",)]
    assert world.rows("SELECT what FROM log WHERE user_id = 1") == [("joined",), ("joined",)]


def test_what_a_row_refers_to_is_brought_along_or_the_row_is_left_out(tmp_path: Path) -> None:
    """And columns that came and went are told; generated ones are never written."""
    world = PostgresPastWorld(tmp_path)
    then = world.snapshot(ECONOMY)
    world.commit(
        *EXPLOIT,
        "DELETE FROM listings",
        "DELETE FROM user_cards",
        "DELETE FROM users WHERE id = 1",
        "DELETE FROM cards WHERE id <> 11",
        "ALTER TABLE users ADD COLUMN shiny integer DEFAULT 7",
        "ALTER TABLE user_cards DROP COLUMN foil",
        "DROP TABLE titles",
        "ALTER TABLE log ADD COLUMN at timestamptz NOT NULL DEFAULT now(); ALTER TABLE log ALTER at DROP DEFAULT",
    )
    plan = world.rescue(then, ANN)
    assert plan.tables["cards"] == TableRescue(put_back=2)
    assert "titles is no more: 1 row cannot be put back." in plan.left_out
    assert any(each.startswith("log 1, joined: at must have a value") for each in plan.left_out)
    assert world.rows("SELECT coins, twice, shiny FROM users WHERE id = 1") == [(100, 200, 7)]
    assert world.rows("SELECT id FROM user_cards ORDER BY id") == [(1,), (2,), (3,), (4,)]
    assert set(plan.notes) == {
        "user_cards has no column foil any more; what was in it is not put back.",
        "users has got shiny since; rows that are put back get the default.",
        "log has got at since; rows that are put back get the default.",
    }


def test_the_games_triggers_fire_unless_they_must_not(tmp_path: Path) -> None:
    """One that refuses takes everything back; those that are switched off are switched on again as they were."""
    world = PostgresPastWorld(tmp_path)
    then = world.snapshot(
        ECONOMY,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN IF new.id = 4 THEN RAISE EXCEPTION 'full'; END IF; RETURN new; END$$",
        "CREATE TRIGGER no_more BEFORE INSERT ON user_cards FOR EACH ROW EXECUTE FUNCTION refuse()",
        "CREATE TRIGGER off BEFORE INSERT ON user_cards FOR EACH ROW EXECUTE FUNCTION refuse()",
        "ALTER TABLE user_cards DISABLE TRIGGER off; ALTER TABLE user_cards ENABLE ALWAYS TRIGGER no_more",
        "ALTER TABLE user_cards ALTER CONSTRAINT user_cards_user_id_fkey DEFERRABLE INITIALLY DEFERRED",
    )
    world.commit(*EXPLOIT)
    before = world.everything()
    with pytest.raises(RestoreFailed, match="full"):
        world.rescue(then, ANN)
    assert world.everything() == before
    world.rescue(then, ANN, RescueOptions(triggers=False))
    assert world.rows("SELECT count(*) FROM user_cards WHERE user_id = 1") == [(3,)]
    enabled = "SELECT tgname::text, tgenabled::text FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"
    assert world.rows(enabled) == [("no_more", "A"), ("off", "D")]


def test_a_plan_that_is_not_so_any_more_is_refused(tmp_path: Path) -> None:
    """Any row that would be written otherwise outdates it, also one that changes while it is carried out."""
    world = PostgresPastWorld(tmp_path)
    then = world.snapshot(ECONOMY)
    world.commit(*EXPLOIT)
    plan = world.rescue(then, ANN, perform=False)
    world.commit("UPDATE users SET coins = 1 WHERE id = 1")
    before = world.everything()
    with pytest.raises(PlanOutdated):
        world.rescue(then, ANN, agreed=plan.token)
    assert world.everything() == before
    world.commit(
        "CREATE FUNCTION vanish() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$",
        "CREATE TRIGGER gone BEFORE INSERT ON titles FOR EACH ROW EXECUTE FUNCTION vanish()",
    )
    with pytest.raises(PlanOutdated, match="titles is not as the plan said"):
        world.rescue(then, ANN)
    assert world.everything() == before


def test_a_row_that_somebody_changes_meanwhile_stops_everything(tmp_path: Path) -> None:
    """The rescue waits for who holds the row, and then sees that it is not as the plan said."""
    world = PostgresPastWorld(tmp_path)
    then = world.snapshot(ECONOMY)
    world.commit(*EXPLOIT)
    before = world.everything()

    async def meanwhile() -> None:
        connection = await asyncpg.connect(world.game.url)
        async with connection.transaction():
            await connection.execute("UPDATE users SET coins = 5 WHERE id = 1")
            rescue = asyncio.create_task(asyncio.to_thread(world.rescue, then, ANN))
            await until(lambda: world.rows("SELECT 1 FROM pg_locks WHERE NOT granted"), "the rescue waits for the row")
        await connection.close()
        with pytest.raises(PlanOutdated, match="Somebody changed rows of this rescue"):
            await rescue

    asyncio.run(meanwhile())
    assert world.rows("SELECT coins FROM users WHERE id = 1") == [(5,)]
    after = world.everything()
    assert {name: after[name] for name in after if name != "users"} == {
        name: before[name] for name in before if name != "users"
    }


def test_only_what_is_missing_comes_back_and_what_changed_since_is_not_taken_back(tmp_path: Path) -> None:
    """What he has and changed stays as it is; a row that is played on with after the rescue is kept by its undo."""
    world = PostgresPastWorld(tmp_path)
    then = world.snapshot(ECONOMY)
    safety = world.snapshot("DELETE FROM listings", "DELETE FROM user_cards WHERE id IN (2, 4)")
    world.commit("UPDATE users SET coins = 0 WHERE id = 1", "UPDATE user_cards SET level = 9 WHERE id = 1")
    done = world.rescue(then, ANN, RescueOptions(only_missing=True))
    assert world.rows("SELECT id, level FROM user_cards WHERE user_id = 1 ORDER BY 1") == [(1, 9), (2, 1), (4, 1)]
    assert world.rows("SELECT coins FROM users WHERE id = 1") == [(0,)]
    after = world.snapshot()
    world.commit("UPDATE user_cards SET level = 5 WHERE id = 2")
    undone = world.rescue(safety, RescueScope(rows=done.rows), damaged=after)
    assert [(each.table, each.key, each.why) for each in undone.conflicts] == [
        ("user_cards", {"id": 2}, "it changed since the damage")
    ]
    assert world.rows("SELECT id FROM user_cards WHERE user_id = 1 ORDER BY 1") == [(1,), (2,)]


@pytest.mark.parametrize(
    ("scope", "options", "sentence"),
    [
        (RescueScope(player="9"), RescueOptions(), "belongs to a player '9'"),
        (RescueScope(player="Dee"), RescueOptions(), "There is no player 'Dee'"),
        (RescueScope(table="cards", key=("99",)), RescueOptions(), "No row in snapshot"),
        (RescueScope(table="decks", key=("1",)), RescueOptions(), "There is no table 'decks'"),
        (RescueScope(table="cards", key=(None,)), RescueOptions(), "NULL in id"),
        (RescueScope(table="cards"), RescueOptions(), "Say which rows"),
        (RescueScope(table="cards", where="nowhere = 1"), RescueOptions(), "nowhere"),
        (
            RescueScope(table="cards", where="true)) TO STDOUT; DROP TABLE log; COPY (SELECT 1 WHERE ((true"),
            TAKE,
            "syntax",
        ),
        (ANN, RescueOptions(exact=True, only_missing=True), "either of what is missing only, or exact"),
    ],
)
def test_what_cannot_be_rescued_is_a_sentence(
    economy: tuple[PostgresPastWorld, dict[str, object]], scope: RescueScope, options: RescueOptions, sentence: str
) -> None:
    """And nothing is changed."""
    world, before = economy
    for perform in (False, True):
        with pytest.raises(QueryError, match=sentence):
            world.rescue(world.points[0], scope, options, perform=perform)
    assert world.everything() == before


@pytest.fixture(scope="module")
def economy(tmp_path_factory: pytest.TempPathFactory) -> tuple[PostgresPastWorld, dict[str, object]]:
    """Return a game with one snapshot, and all that is in it."""
    world = PostgresPastWorld(tmp_path_factory.mktemp("economy"))
    world.snapshot(ECONOMY)
    return world, dict(world.everything())


def test_single_rows_and_sets_are_rescued(tmp_path: Path) -> None:
    """By the key and by a condition in SQL, which is asked of the rows of that day."""
    world = PostgresPastWorld(tmp_path)
    then = world.snapshot(ECONOMY)
    world.commit("TRUNCATE cards CASCADE", "UPDATE titles SET title = 'none' WHERE user_id = 2")
    world.rescue(then, RescueScope(table="cards", key=("11",)))
    assert world.rows("SELECT id FROM cards") == [(11,)]
    world.rescue(then, RescueScope(table="cards", where="rarity = 'rare' AND name LIKE 'mo%' OR id = 12 -- moon"))
    assert world.rows("SELECT id, name FROM cards ORDER BY 1") == [(10, "mo\ton\\"), (11, "sun"), (12, None)]
    world.rescue(then, RescueScope(table="titles", key=("the second", "2")))
    assert world.rows("SELECT title, won::text FROM titles WHERE user_id = 2 ORDER BY 1") == [
        ("none", "NaN"),
        ("the second", "NaN"),
    ]


def test_random_games_are_rescued_without_touching_anybody_else(tmp_path: Path) -> None:
    """Whatever was played: nobody else's rows change, the totals are the plan's, and the undo gives back every row."""
    world = PostgresPastWorld(tmp_path)
    dice = random.Random(7)
    then = world.snapshot(ECONOMY, "INSERT INTO users SELECT i, 'name ' || i, i FROM generate_series(4, 6) i")
    for _ in range(4):
        world.commit(*(_move(dice) for _ in range(14)))
        who = str(dice.randint(1, 3))
        options = RescueOptions(
            conflicts=dice.choice([ConflictRule.SKIP, ConflictRule.TAKE]), exact=dice.random() < 0.5
        )
        safety, before = world.snapshot(), world.everything()
        plan = world.rescue(then, RescueScope(player=who), options)
        after = world.everything()
        for table in before:
            counts = plan.tables.get(table, TableRescue())
            assert len(after[table]) - len(before[table]) == counts.put_back - counts.removed
            written = {each.key for each in plan.rows if each.table == table}
            touched = set(before[table]) ^ set(after[table])
            assert len(touched) <= 2 * len(written)
        if plan.writes:
            world.rescue(safety, RescueScope(rows=plan.rows), damaged=world.snapshot())
        assert world.everything() == before


def _move(dice: random.Random) -> str:
    small, tiny, card = dice.randint(1, 6), dice.randint(0, 2), dice.randint(1, 8)
    return dice.choice(
        [
            f"UPDATE users SET coins = coins + {small} WHERE id = {small}",
            f"INSERT INTO user_cards (user_id, card_id) VALUES ({small}, 1{tiny})",
            f"UPDATE user_cards SET user_id = {small} WHERE id = {card}",
            f"UPDATE user_cards SET level = level + 1 WHERE id = {card}",
            f"DELETE FROM listings WHERE user_card_id = {card} AND {tiny} = 0",
            f"DELETE FROM user_cards WHERE id = {card} AND id NOT IN (SELECT user_card_id FROM listings)",
            f"INSERT INTO listings (user_card_id, seller_id, status) SELECT id, user_id, 'open' FROM user_cards "
            f"WHERE id = {card} ON CONFLICT DO NOTHING",
            f"UPDATE listings SET status = 'sold', buyer_id = {small} WHERE id = {card}",
            f"INSERT INTO log VALUES ({small}, 'moved {tiny}')",
            f"DELETE FROM log WHERE user_id = {small}",
            f"DELETE FROM titles WHERE user_id = {small}",
            f"INSERT INTO titles VALUES ({small}, 'title {tiny}', {card}) ON CONFLICT DO NOTHING",
        ]
    )


def test_a_unique_constraint_tells_rows_where_there_is_no_primary_key(tmp_path: Path) -> None:
    """So a row that changed is changed back, and is no conflict with itself."""
    world = PostgresPastWorld(tmp_path)
    then = world.snapshot(
        ECONOMY,
        "CREATE TABLE purse (gold int, note text DEFAULT 'NOT NULL' UNIQUE, user_id bigint NOT NULL UNIQUE)",
        "INSERT INTO purse VALUES (50, 'a', 1), (60, 'b', 2)",
    )
    world.commit("UPDATE purse SET gold = 0, note = 'c' WHERE user_id = 1")
    assert world.look(then, "purse", "1") == [{"gold": 50, "note": "a", "user_id": 1}]
    assert world.rescue(then, ANN).tables == {"purse": TableRescue(changed=1)}
    assert world.rows("SELECT * FROM purse ORDER BY user_id") == [(50, "a", 1), (60, "b", 2)]

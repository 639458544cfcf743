"""A small card game's database for the core's tests, and other processes that use it as a running game does.

Import it as ``from tests.worlds.game_database import make_game_database``. Run as a program it is the other process
(``python game_database.py write|serve …``), so it needs nothing but the standard library.

Two things hold after every commit, whoever commits, and hold for no mixture of two states (see ``assert_consistent``):
the dust of all users together never changes, and every user's ``cards_owned`` is the number of their ``user_cards``.
The pages of ``users`` lie all over the file, so that a torn copy breaks one of them.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CRITICAL_TABLES = ("users", "cards", "creator_packs", "user_cards")
JSON_COLUMNS = ("creator_packs.cards_data",)

RARITIES = ("common", "rare", "epic", "legendary", "mythic")
_SCHEMA = """
CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    dust INTEGER NOT NULL CHECK (dust >= 0),
    cards_owned INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE cards (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    rarity TEXT NOT NULL,
    story TEXT NOT NULL
);
CREATE TABLE creator_packs (
    id INTEGER PRIMARY KEY,
    creator_id INTEGER NOT NULL REFERENCES users (id),
    title TEXT NOT NULL,
    cards_data TEXT
);
CREATE TABLE user_cards (
    id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id),
    card_id INTEGER NOT NULL REFERENCES cards (id)
);
CREATE INDEX user_cards_by_user ON user_cards (user_id);
"""
_START_DUST = 1000
_ROUNDS = 16
_STORY_BYTES = 900
_COMMITS_PER_SECOND = 3000


def make_game_database(
    path: Path, *, journal_mode: str = "wal", page_size: int = 4096, players: int = 200, size: int = 0, seed: int = 7
) -> Path:
    """Make a game of so many players at ``path``, of at least about ``size`` bytes, and return the path.

    ``journal_mode`` is "wal" or "delete". The same arguments give the same rows.
    """
    dice = random.Random(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {page_size}")
        connection.execute(f"PRAGMA journal_mode = {journal_mode}")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
        cards = max(2 * _ROUNDS, size // (_STORY_BYTES + 40))
        for part in range(_ROUNDS):
            _fill(connection, dice, _share(players, part), _share(cards, part))
        connection.execute("COMMIT")
    return path


def _share(total: int, part: int) -> range:
    return range(total * part // _ROUNDS + 1, total * (part + 1) // _ROUNDS + 1)


def _fill(connection: sqlite3.Connection, dice: random.Random, users: range, cards: range) -> None:
    connection.executemany(
        "INSERT INTO users (id, name, dust) VALUES (?, ?, ?)",
        [(user, f"Spieler Ö{user} {'·' * dice.randrange(30)}", _START_DUST) for user in users],
    )
    connection.executemany(
        "INSERT INTO cards VALUES (?, ?, ?, ?)",
        [(card, f"Card {card}", dice.choice(RARITIES), dice.randbytes(_STORY_BYTES // 2).hex()) for card in cards],
    )
    for user in users:
        data = json.dumps([{"card": card, "rarity": dice.choice(RARITIES)} for card in cards[:3]])
        connection.execute(
            "INSERT INTO creator_packs (creator_id, title, cards_data) VALUES (?, ?, ?)",
            (user, f"Pack of {user}", data),
        )
        for card in cards[: 1 + user % 3]:
            _give_card(connection, user, card)


def _give_card(connection: sqlite3.Connection, user: int, card: int) -> None:
    connection.execute("INSERT INTO user_cards (user_id, card_id) VALUES (?, ?)", (user, card))
    connection.execute("UPDATE users SET cards_owned = cards_owned + 1 WHERE id = ?", (user,))


def play(connection: sqlite3.Connection, dice: random.Random, players: int) -> None:
    """Make one transaction of the game: dust goes from one user to another, and somebody gets a card."""
    giver, taker = dice.sample(range(1, players + 1), 2)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(
        "UPDATE users SET dust = dust + min(5, (SELECT dust FROM users WHERE id = ?)) WHERE id = ?", (giver, taker)
    )
    connection.execute("UPDATE users SET dust = max(0, dust - 5) WHERE id = ?", (giver,))
    _give_card(connection, taker, 1 + dice.randrange(_ROUNDS))
    connection.execute("COMMIT")


def url_of(path: Path) -> str:
    """Return the database URL of a file."""
    return f"sqlite:///{path}"


@contextlib.contextmanager
def connected(path: Path, **options: Any) -> Iterator[sqlite3.Connection]:
    """Yield a connection in autocommit mode that is closed at the end."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, **options)) as connection:
        yield connection


def contents_of(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table, and the schema, for comparing two databases."""
    with connected(path) as connection:
        connection.execute("BEGIN")
        names = [str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        quoted = {name: '"' + name.replace('"', '""') + '"' for name in names}
        found = {name: sorted(connection.execute(f"SELECT * FROM {quoted[name]}"), key=repr) for name in names}
        found["sqlite_master"] = sorted(connection.execute("SELECT type, name, sql FROM sqlite_master"), key=repr)
        return found


def assert_consistent(path: Path) -> None:
    """Make sure that a database is sound and holds one state that was committed, not a mixture of two."""
    with connected(path) as connection:
        connection.execute("BEGIN")
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        players, dust, owned = connection.execute("SELECT count(*), sum(dust), sum(cards_owned) FROM users").fetchone()
        assert dust == players * _START_DUST
        assert owned == connection.execute("SELECT count(*) FROM user_cards").fetchone()[0]


class OtherProcess:
    """Another process with one connection to the database, which does what it is told and otherwise holds still.

    Leaving the block ends it in good order; ``kill`` ends it as a crash does. Each statement is committed at once
    unless it is in a transaction that was begun.
    """

    def __init__(self, path: Path, *statements: str) -> None:
        self.process = _start("serve", path)
        for statement in statements:
            self.execute(statement)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self.process.pid

    def execute(self, statement: str) -> list[list[Any]]:
        """Run one statement there and return its rows; raise sqlite3.OperationalError if it failed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(statement) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if isinstance(answer, str):
            raise sqlite3.OperationalError(answer)
        rows: list[list[Any]] = answer
        return rows

    def kill(self) -> None:
        """End it with SIGKILL, in the middle of whatever it does."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> OtherProcess:
        return self

    def __exit__(self, *_: object) -> None:
        _finish(self.process)


class Writer:
    """Another process that plays one game transaction after another, up to 3,000 a second.

    It began when the block does, and ends at the latest after ``seconds``. ``stop`` returns how often it committed.
    """

    def __init__(self, path: Path, *, seconds: float = 30.0, seed: int = 1) -> None:
        self.path = path
        self.process = _start("write", path, str(seconds), str(seed))
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "began\n", "the writer did not begin"

    def stop(self) -> int:
        """End it after its present transaction, and return the number of its commits."""
        _finish(self.process, drain=False)
        assert self.process.stdout is not None
        commits = int(self.process.stdout.read())
        self.process.stdout.close()
        return commits

    def kill(self) -> None:
        """End it with SIGKILL, in the middle of whatever it does."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()
        _finish(self.process)


def _start(command: str, path: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, command, str(path), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _finish(process: subprocess.Popen[str], *, drain: bool = True) -> None:
    """Close its standard input, which tells it to end, and wait until it did."""
    with contextlib.suppress(BrokenPipeError):
        if process.stdin is not None:
            process.stdin.close()
    process.wait(timeout=60)
    if drain and process.stdout is not None:
        process.stdout.close()


def _write(path: str, seconds: float, seed: int) -> None:
    began = time.monotonic()
    told = threading.Event()

    def hear() -> None:
        sys.stdin.read()
        told.set()

    threading.Thread(target=hear, daemon=True).start()
    dice = random.Random(seed)
    with connected(Path(path), timeout=seconds) as connection:
        # No waiting for the disk: these tests kill processes, not machines.
        connection.execute("PRAGMA synchronous = OFF")
        players = int(connection.execute("SELECT count(*) FROM users").fetchone()[0])
        for commits in itertools.count(1):
            play(connection, dice, players)
            if commits == 1:
                print("began", flush=True)
            if told.is_set() or time.monotonic() > began + seconds:
                print(commits, flush=True)
                return
            # Not faster than that, or the log of a WAL database fills the disk while a reader is slow.
            time.sleep(max(0.0, began + commits / _COMMITS_PER_SECOND - time.monotonic()))


def _serve(path: str) -> None:
    with connected(Path(path), timeout=10.0) as connection:
        for line in sys.stdin:
            try:
                answer: object = connection.execute(json.loads(line)).fetchall()
            except sqlite3.Error as error:
                answer = str(error)
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "write":
        _write(sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))
    else:
        _serve(sys.argv[2])

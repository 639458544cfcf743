"""What can be asked about the past: one struct for each question, as a job carries it."""

from __future__ import annotations

import datetime as dt

import msgspec

from ..engines import ChainFile
from ..models import Key, Point, RescueOptions, RescueScope

__all__ = [
    "AskDiff",
    "AskFindChange",
    "AskHistory",
    "AskInside",
    "AskLook",
    "AskLoss",
    "AskNames",
    "AskPlayer",
    "AskPlayerHistory",
    "AskQuery",
    "AskRescue",
    "AskSums",
    "PastFiles",
    "PlayerSettings",
    "Question",
]


class PastFiles(msgspec.Struct, frozen=True, kw_only=True):
    """What a job needs to read the past: the chains, and the points in them, oldest first.

    ``cache`` is the folder of derived files and ``index`` the page index; either can be None or lost. ``newest`` is the
    snapshot that the index should describe, the last of its chain, if the present is asked about. ``now`` is when the
    question was asked.
    """

    chains: tuple[tuple[ChainFile, ...], ...]
    points: tuple[Point, ...]
    cache: str | None
    index: str | None
    newest: Point | None = None
    now: dt.datetime


class PlayerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the settings say: ``player`` as "table.column" ("" to guess), ``also`` the same for columns that refer to
    it, ``never`` tables ("bans") or columns ("bans.user_id") that do not.
    """

    player: str = ""
    also: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


class _Question(msgspec.Struct, frozen=True, kw_only=True, tag_field="question"):
    """The points that it is about are those of the job; ``now`` says that the present is one of them, the last."""

    now: bool = False


class AskLook(_Question, frozen=True, kw_only=True, tag="look"):
    """The row of a table with a key, at the one point."""

    table: str
    key: Key


class AskPlayer(_Question, frozen=True, kw_only=True, tag="player"):
    """All rows of a player, at the one point."""

    player: str
    settings: PlayerSettings = PlayerSettings()


class AskHistory(_Question, frozen=True, kw_only=True, tag="history"):
    """Each change of a row, or of one of its columns, over all points."""

    table: str
    key: Key
    column: str | None = None


class AskPlayerHistory(_Question, frozen=True, kw_only=True, tag="player-history"):
    """Each change of a player's rows in one table ("": his own) over all points."""

    player: str
    table: str = ""
    settings: PlayerSettings = PlayerSettings()


class AskDiff(_Question, frozen=True, kw_only=True, tag="diff"):
    """What differs between the first point and the last; so many rows of each kind and table are shown."""

    shown: int = 0


class AskFindChange(_Question, frozen=True, kw_only=True, tag="find-change"):
    """The first point at which a condition holds."""

    condition: str


class AskQuery(_Question, frozen=True, kw_only=True, tag="query"):
    """The rows of a query at the one point, at most so many."""

    sql: str
    most: int = 1000


class AskInside(_Question, frozen=True, kw_only=True, tag="inside"):
    """How many rows each table has at the one point, or one table with its first rows."""

    table: str | None = None
    shown: int = 10


class AskNames(_Question, frozen=True, kw_only=True, tag="names"):
    """What each of the columns ("users.name") says at the one point of the rows with these keys.

    The key is the column that the settings name as the player's, in that table, else the table's own.
    """

    columns: tuple[str, ...]
    keys: tuple[str, ...]
    settings: PlayerSettings = PlayerSettings()


class AskLoss(_Question, frozen=True, kw_only=True, tag="loss"):
    """What a restore of the first point would lose of what was written up to the last point, or now."""

    settings: PlayerSettings = PlayerSettings()


class AskSums(_Question, frozen=True, kw_only=True, tag="sums"):
    """The number that each question gives at the one point: "sum(gold) FROM users"."""

    questions: tuple[str, ...]


class AskRescue(_Question, frozen=True, kw_only=True, tag="rescue"):
    """What putting rows back would do, or with ``perform`` to do it, if the plan is still the one ``agreed`` to.

    The first point is the state to take them from; a second one is that after the damage.
    """

    scope: RescueScope
    options: RescueOptions = RescueOptions()
    settings: PlayerSettings = PlayerSettings()
    perform: bool = False
    agreed: str | None = None


Question = (
    AskDiff
    | AskFindChange
    | AskHistory
    | AskInside
    | AskLook
    | AskLoss
    | AskNames
    | AskPlayer
    | AskPlayerHistory
    | AskQuery
    | AskRescue
    | AskSums
)

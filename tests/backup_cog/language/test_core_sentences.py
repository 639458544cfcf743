"""Sentences of the core are in the language of who reads them."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cogs.backup_cog.language import catalog, core_text, set_host_language, speak
from cogs.backup_cog.language.catalog import LANGUAGES, core_table
from cogs.backup_cog.notices import outage_texts, texts
from cogs.backup_cog.notices.models import Outage
from cogs.backup_cog.players.rescue_texts import rescue_preview
from core import snapshots
from core.snapshots import RescueConflict, RescueOptions, RescuePlan, SnapshotNotFound, TableRescue, errors
from core.snapshots.models import Check, Finding, Health, Severity, Verdict
from core.snapshots.policies.timeline import resolve
from core.snapshots.worker.deadlines import overdue
from core.snapshots.worker.protocol import SnapshotJob
from tests.worlds.snapshots import NOON
from tests.worlds.sources import syntax_tree

CORE = Path(snapshots.__file__).parent
TABLES = [language for language in LANGUAGES if language != "en"]

OF_THE_SHELL = ("cli", "doctor")
"""The parts of the core whose sentences only a shell shows; those of all others are translated."""
TELLING = ("Finding", "Recovery")
NOT_SHOWN: set[str] = set()
"""Sentences that stay English."""


def parts_of(text: str) -> list[str]:
    """Return the sentences of a text, with places without names, and without those at the ends."""
    parts = re.split(r"(?<=[.!?}]) (?=[A-Z])", re.sub(r"(\{\w*\})+", "{}", text))
    return [re.sub(r"^[{} .]+|[{} .]+$", "", part) for part in parts]


def sentences_of_the_core() -> Iterator[str]:
    """Yield the sentences and phrases of the core, each value as a pair of braces."""
    for path in CORE.rglob("*.py"):
        for node in ast.walk(syntax_tree(path)):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            texts = [part.value if isinstance(part, ast.Constant) else "{}" for part in parts]
            if all(isinstance(each, str) for each in texts):
                yield from parts_of("".join(map(str, texts)))


@pytest.mark.parametrize("code", TABLES)
def test_each_known_sentence_is_one_of_the_core(code: str) -> None:
    """One that was changed there would be English again, and nobody would know."""
    there = set(sentences_of_the_core())
    # A noun is counted with its plural, which the core makes of it.
    known = there | {f"{each}s" for each in there if each.replace(" ", "").isalpha()}
    missing = [english for english in core_table(code) if not known.issuperset(parts_of(english))]
    assert missing == []


@pytest.mark.parametrize("code", TABLES)
def test_no_two_files_have_the_same_sentence(code: str) -> None:
    """The later one would win, by its name."""
    files = sorted((Path(catalog.__file__).parent / code / "core").glob("*.toml"))
    assert sum(len(tomllib.loads(path.read_text("utf-8"))) for path in files) == len(core_table(code))


@pytest.mark.parametrize("code", TABLES)
def test_a_translated_sentence_has_its_places_and_text_of_its_own(code: str) -> None:
    """A template of places alone would translate its own value for ever."""
    for english, translated in core_table(code).items():
        assert sorted(re.findall(r"\{\w+\}", english)) == sorted(re.findall(r"\{\w+\}", translated)), english
        assert re.sub(r"\{\w+\}|\s", "", english) != ""


def said_by(tree: ast.AST) -> Iterator[str]:
    """Yield the texts that errors and findings are made with, given there or under a name in the same file."""
    named: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            named.setdefault(node.targets[0].id, []).append(node.value)
    for call in ast.walk(tree):
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Name)
            and call.func.id in (*errors.__all__, *TELLING)
        ):
            for given in (*call.args[:1], *(each.value for each in call.keywords if each.arg in ("message", "remedy"))):
                for value in named.get(given.id, []) if isinstance(given, ast.Name) else [given]:
                    # The format of a value is such a node too.
                    formats = [each.format_spec for each in ast.walk(value) if isinstance(each, ast.FormattedValue)]
                    for node in ast.walk(value):
                        if isinstance(node, ast.JoinedStr) and node not in formats:
                            parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
                            yield "".join(map(str, parts))
                        elif isinstance(node, ast.Constant) and node is value and isinstance(node.value, str):
                            yield node.value


@pytest.mark.parametrize("code", TABLES)
def test_what_errors_and_findings_say_is_known(code: str) -> None:
    """A new sentence of theirs is translated, or is named among those that nobody is shown."""
    known = {part for english in core_table(code) for part in parts_of(english)}
    unknown = {
        part
        for path in sorted(CORE.rglob("*.py"))
        if path.relative_to(CORE).parts[0] not in OF_THE_SHELL
        for text in said_by(syntax_tree(path))
        for part in parts_of(text)
        if " " in part and part not in known
    }
    assert unknown == NOT_SHOWN


def not_found() -> str:
    with pytest.raises(SnapshotNotFound) as caught:
        resolve("abcd", ())
    return str(caught.value)


def test_what_the_core_says_is_translated_sentence_by_sentence() -> None:
    said = {
        str(overdue(SnapshotJob, 1.0)): "Zu lange gedauert hat: der Snapshot. Nach 1s wurde abgebrochen. "
        "Nichts davon ist geblieben; die früheren sind noch da. "
        "Ist der Datenträger nur langsam, hilft mehr Zeit: [schedule] snapshot_deadline.",
        not_found(): "Kein Snapshot hat die ID 'abcd'. Die Liste der Snapshots zeigt sie.",
        "The table cards is empty; it had 3 rows in snapshot 3fa9c1d2e4b5.": "Die Tabelle cards ist leer; laut "
        "Snapshot 3fa9c1d2e4b5 hatte sie 3 Zeilen.",
        "1 row of cards refers to rows of users that are not there.": "1 Zeile von cards verweist auf Zeilen von "
        "users, die es nicht gibt.",
        "A restore of 3fa9c1d2e4b5 that Ann (7) by discord began at 12:00:00 UTC was interrupted: the database is as "
        "it was.": "Unterbrochen wurde: Wiederherstellung von 3fa9c1d2e4b5, begonnen von Ann (7) by discord um "
        "12:00:00 UTC. Die Datenbank ist, wie sie war.",
        "Many rows are gone since snapshot 3fa9c1d2e4b5 of 12:00 UTC: cards from 1,240 to 2, u from 3 to 1.": "Seit "
        "Snapshot 3fa9c1d2e4b5 von 12:00 UTC sind viele Zeilen verschwunden: cards von 1,240 auf 2, u von 3 auf 1.",
        "It moved from here to there.": "It moved from here to there.",
        "The restored database failed its check (it differs from the snapshot); the files that were there before are "
        "back.": "Die wiederhergestellte Datenbank hat ihre Prüfung nicht bestanden (sie weicht vom Snapshot ab); die "
        "Dateien von vorher sind zurück.",
        "2 tables refer to it by foreign keys": "2 Tabellen verweisen darauf mit Fremdschlüsseln",
        "1 more object cannot be restored as they were.": "Nicht wiederherzustellen, wie es war: 1 weiteres Objekt.",
        "config/backup.toml: history.watch_jump is -1, but must be a whole number from 0.": "config/backup.toml: "
        "history.watch_jump ist -1, muss aber sein: eine ganze Zahl ab 0.",
        "3 rows in conflict, first of cards: it changed since the damage. Nothing was changed.": "Im Konflikt: 3 "
        "Zeilen, zuerst aus cards: sie hat sich seit dem Schaden geändert. Nichts wurde geändert.",
        "role bob (no application name), pid 7, in a transaction since 12:00:00 UTC, idle": "Rolle bob (ohne "
        "Anwendungsnamen), pid 7, in einer Transaktion seit 12:00:00 UTC, idle",
        "view v: it is not written in LATIN1.": "view v: es ist nicht in LATIN1 geschrieben.",
        "Busy: a restore is running already for Ann, since 12:00 UTC.": "Belegt: Es läuft schon eine Wiederherstellung "
        "für Ann, seit 12:00 UTC.",
        "There is no database at a.b/{x}. Something else.": "Bei a.b/{x} gibt es keine Datenbank. Something else.",
        "damaged: stays until a newer one is the newest safety snapshot": "beschädigt: bleibt, bis es einen neueren "
        "gibt (neuester Sicherheits-Snapshot)",
    }
    assert [core_text(each) for each in said] == list(said)
    speak("de")
    assert [core_text(each) for each in said] == list(said.values())
    assert core_text("What nobody knows.") == "What nobody knows."
    assert core_text("") == ""
    speak("")


def test_notices_have_it_in_the_language_of_the_host() -> None:
    """The remedy of a finding, the message about another database, and the line of an outage in the status, too."""
    remedy, message = "REINDEX builds the index anew from its table.", "There is no database at a.db."
    finding = Finding(check=Check.INDEXES, severity=Severity.ERROR, message=message, remedy=remedy)
    found = Health(verdict=Verdict.INCONSISTENT, checked_at=NOON, findings=(finding,))
    outage = Outage(began=NOON, failures=1, message=message, told=NOON)
    set_host_language("de")
    try:
        health = texts.health(found, None, "backup").description or ""
        another = texts.another_database(message).description or ""
        line = outage_texts.open_alert("snapshot", outage, NOON)
        assert [core_text(message) in each for each in (health, another, line)] == [True, True, True]
        assert core_text(remedy) in health
    finally:
        set_host_language("en")


def test_a_rescue_has_it_in_the_language_of_who_asked() -> None:
    """Why a row is in conflict, what is not put back, and what there is to know."""
    conflict = RescueConflict(table="cards", key={"id": 7}, why="it changed since the damage")
    plan = RescuePlan(
        token="",
        then="abc",
        at=NOON,
        damaged_at=None,
        options=RescueOptions(),
        tables={"cards": TableRescue(conflicts=1)},
        conflicts=(conflict,),
        left_out=("cards id 8: rows of bids refer to it.",),
        notes=("bids is no more.",),
    )
    speak("de")
    shown = [field.value or "" for field in rescue_preview("ann", plan).embed.fields]
    speak("")
    for said in ("hat sich seit dem Schaden geändert", "Zeilen von bids verweisen auf sie", "bids gibt es nicht mehr"):
        assert any(said in each for each in shown), said


@pytest.mark.parametrize(
    "quoted", ["Snapshot " * 20_000, "There is no database at " * 16, "x (" * 130, "a (" * 90 + ")" * 90]
)
def test_what_others_wrote_is_left_as_it_is(quoted: str) -> None:
    """A message can quote anything, of any length, which must cost no time either."""
    speak("de")
    assert core_text(quoted) == quoted
    speak("")

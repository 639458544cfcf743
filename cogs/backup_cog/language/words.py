"""What the core calls things, in one word or a few: kinds, checks, verdicts, phases of work, operations."""

from __future__ import annotations

from .speaking import phrase, text

__all__ = ["WORDS", "word"]

WORDS = frozenset(
    (
        # Kinds and forms of a snapshot, and how it was verified.
        phrase("periodic"),
        phrase("manual"),
        phrase("critical"),
        phrase("shutdown"),
        phrase("safety"),
        phrase("full"),
        phrase("incremental"),
        phrase("checksum"),
        phrase("restored"),
        # Verdicts on a state, and what a finding is about.
        phrase("sound"),
        phrase("missing"),
        phrase("unknown"),
        phrase("suspicious"),
        phrase("inconsistent"),
        phrase("unreadable"),
        phrase("error"),
        phrase("warning"),
        phrase("file"),
        phrase("pages"),
        phrase("structure"),
        phrase("indexes"),
        phrase("space"),
        phrase("constraints"),
        phrase("unique"),
        phrase("empty"),
        phrase("tables"),
        phrase("rows"),
        phrase("json"),
        phrase("foreign keys"),
        phrase("schema"),
        phrase("format"),
        phrase("rot"),
        phrase("encrypted"),
        phrase("extension"),
        phrase("access"),
        phrase("mount"),
        phrase("settings"),
        phrase("json values"),
        # How a restore replaces the state, and how a start ended.
        phrase("online"),
        phrase("swap"),
        phrase("exchange"),
        phrase("clean"),
        phrase("new"),
        phrase("damaged"),
        phrase("refused"),
        phrase("unchecked"),
        phrase("skipped"),
        # How two states are compared; what is done with the rows of a conflict.
        phrase("comparison"),
        phrase("skip"),
        phrase("take"),
        phrase("fail"),
        # The phases of long work.
        phrase("assemble"),
        phrase("check"),
        phrase("compare"),
        phrase("compress"),
        phrase("copy"),
        phrase("export"),
        phrase("extract"),
        phrase("read"),
        phrase("scan"),
        phrase("write"),
        # The steps of a restore that are no phases.
        phrase("rebuild"),
        phrase("pause"),
        phrase("replace"),
        phrase("record"),
        # What the audit log has: what was done, with what outcome, and by whom.
        phrase("claim"),
        phrase("import"),
        phrase("pin"),
        phrase("pinned snapshot"),
        phrase("prune"),
        phrase("rebuild of the catalog"),
        phrase("rescue"),
        phrase("restore"),
        phrase("snapshot"),
        phrase("start-up restore"),
        phrase("unpin"),
        phrase("verify by checksum"),
        phrase("verify by restored"),
        phrase("denied"),
        phrase("done"),
        phrase("done, not compared"),
        phrase("done, then stopped"),
        phrase("failed"),
        phrase("interrupted"),
        phrase("passed"),
        phrase("discord"),
        phrase("event"),
        phrase("schedule"),
        phrase("service"),
        phrase("shell"),
        phrase("startup"),
        # Operations that run.
        phrase("a change of a pin"),
        phrase("a claim"),
        phrase("a rebuild of the catalog"),
        phrase("a rescue"),
        phrase("a restore"),
        phrase("a snapshot"),
        phrase("a start"),
        phrase("a start-up check"),
        phrase("a verification"),
        phrase("an import"),
        phrase("an integrity check"),
        phrase("pruning"),
        phrase("recording a verification"),
    )
)
"""The words that have a translation."""


def word(said: str) -> str:
    """Return a word of the core's in the language that is spoken, and one that nobody knows as it is.

    A word can be followed by "of" and the id of a snapshot.
    """
    plain = said.replace("_", " ")
    if plain in WORDS:
        return text(plain)
    what, of, which = plain.partition(" of ")
    return text("{what} of {which}", what=text(what), which=which) if of and what in WORDS else plain

"""Keeps messages of the bot as the documents draw them: what varies from run to run is replaced, the rest compared.

With ``RECORD_PICTURES`` in the environment, as ``python -m documentation discord`` sets it, the messages are written
instead.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["RECORDED", "Recorder", "keep"]

RECORDED = Path(__file__).resolve().parents[3] / "documentation" / "recorded"
_NOW = 1795888800
"""The moment of the pictures: 2026-11-28 18:00 UTC."""
_DRAWN = (
    *("title", "description", "fields", "name", "value", "inline", "footer", "text", "color", "embeds", "components"),
    *("type", "label", "style", "disabled", "placeholder", "content", "accent_color", "accessory", "divider"),
)
_IDS = ("4f1c09be72a3", "b86d2e41907c", "07ea93d5c14f", "e2590b7fd638", "91c3fa60e8d4", "6ad7b4025e9f")
_MINUTES = (52, 31, 12, 9, 1, 0)
"""How long before the moment of the pictures each snapshot was taken."""
_FOLDER = "/srv/bot"
_DURATION = r"\b\d[\d,.]*(?:ms|s|m|h|d)(?: \d+[smh])?\b(?! left)"


class Recorder:
    """The messages of one town; ``snapshots`` are the ids that they may name, oldest first."""

    def __init__(self, folder: Path) -> None:
        # Underscores and the like are escaped where Discord would take them for marks.
        self._folder = re.compile("".join(rf"\\?{re.escape(letter)}" for letter in str(folder)))
        self.snapshots: list[str] = []

    def keep(self, name: str, embeds: Sequence[Mapping[str, Any]], components: Sequence[Mapping[str, Any]]) -> None:
        """Compare a message with the recorded one of this name, or record it."""
        keep(name, self._same_each_time({"embeds": [*embeds], "components": [*components]}))

    def _same_each_time(self, value: Any) -> Any:
        if isinstance(value, str):
            return "\n".join(self._line(line) for line in value.split("\n"))
        if isinstance(value, list):
            return [self._same_each_time(each) for each in value if not _is_picture(each)]
        if isinstance(value, dict):
            return {key: self._same_each_time(value[key]) for key in sorted(value) if key in _DRAWN}
        return value

    def _line(self, line: str) -> str:
        line = self._folder.sub(_FOLDER, line)
        for number, snapshot in enumerate(self.snapshots):
            line = line.replace(snapshot, _IDS[number]).replace(f"`{snapshot[:4]}`", f"`{_IDS[number][:4]}`")
        line = re.sub(r"<t:(\d+):(\w)>", lambda mark: _moment(line[: mark.start()], mark), line)
        line = re.sub(r"\d{17,20}", "204255221017214977", line)
        line = re.sub(r"\d[\d,.]* (?:B|KiB|MiB|GiB) free.*", "61.4 GiB free", line)
        line = re.sub(r"\d[\d,.]* (?:B|KiB|MiB)\b", "1.8 MiB", line)
        line = re.sub(rf"(written in (?:the )?){_DURATION}", r"\g<1>52m", line)
        return re.sub(rf"(?<!written in )(?<!written in the ){_DURATION}", "1.4s", line)


def keep(name: str, shown: object) -> None:
    """Compare what is the same each time with what is recorded under this name, or record it."""
    document = json.dumps(shown, indent=1, ensure_ascii=False) + "\n"
    path = RECORDED / f"{name}.json"
    if os.environ.get("RECORD_PICTURES"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(document, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == document, "run: python -m documentation discord"


def _is_picture(each: Any) -> bool:
    """Return True for the gallery of a picture, which is there only where the bot can draw."""
    return isinstance(each, dict) and each.get("type") == 12


def _moment(before: str, mark: re.Match[str]) -> str:
    """Return a timestamp as it is in the pictures: that of the snapshot named before it, else a minute ago."""
    named = [number for number, snapshot in enumerate(_IDS) if snapshot in before]
    minutes = _MINUTES[named[-1]] if named else 1
    if not named and before.endswith("**Next due:** "):
        minutes = -11
    return f"<t:{_NOW - 60 * minutes}:{mark[2]}>"

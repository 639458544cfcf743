"""The generated parts of the documents, between two comments: the settings' table, and what was tried."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from core.snapshots import defaults

__all__ = ["PROJECT", "block", "settings_table", "tried", "write"]

PROJECT = Path(__file__).resolve().parents[1]
SETTINGS = PROJECT / "config" / "backup.toml"
RELIABILITY = PROJECT / "docs" / "reliability.md"

_TOTAL = re.compile(r"Run on (\S+) \(.*?\) for .*?: ([\d,]+) tried, ([\d,]+) failed\.", re.DOTALL)
_ROW = re.compile(r"\| (.+?) \| ([\d,]+)(?: of [\d,]+)? \| [\d,]+ \| ([\d,]+) \|")


def settings_table() -> str:
    """Return the table of all settings, in the order of the schema. Raises KeyError if the settings file lacks one."""
    lines = {name: (value, comment) for name, value, comment in settings_lines()}
    rows = ["| setting | default | what |", "| --- | --- | --- |"]
    standard = defaults()
    for section in standard.__struct_fields__:
        for key in getattr(getattr(standard, section), "__struct_fields__", ()):
            value, comment = lines[f"{section}.{key}"]
            rows.append(f"| `{section}.{key}` | `{value}` | {comment} |")
    return "\n".join(rows)


def settings_lines() -> Iterator[tuple[str, str, str]]:
    """Yield (section.key, value as written, comment) of the settings file, without the triggers."""
    section = ""
    for line in SETTINGS.read_text(encoding="utf-8").splitlines():
        if line.startswith("[["):
            return
        if heading := re.fullmatch(r"\[(\w+)]", line):
            section = heading[1]
        elif entry := re.fullmatch(r"(\w+) = (.+?)  # (.+)", line):
            yield f"{section}.{entry[1]}", entry[2], entry[3]


def tried() -> str:
    """Return in five lines what the last campaign tried, and how often. Raises ValueError if there was none."""
    text = RELIABILITY.read_text(encoding="utf-8")
    total = _TOTAL.search(text)
    if total is None:
        raise ValueError(f"{RELIABILITY} has no line that sums up a campaign")
    rows = [(name, _number(count), _number(failed)) for name, count, failed in _ROW.findall(text)]
    killed_files = _sum(rows, "killed, exchange")
    killed_bot = _sum(rows, "killed, bot")
    refused = sum(count for name, count, _ in rows if re.match(r"E[A-Z]+ ", name))
    rotten = _sum(rows, "a bit flips")
    return "\n".join(
        (
            f"- {killed_files:,} times killed at one of its file calls while it exchanged a database's files;",
            f"- {killed_bot:,} times killed, the bot or its worker, in snapshots, restores, healing and pruning;",
            f"- {refused:,} times a file call failed: no space, no permission, input/output error, too many files;",
            f"- {rotten:,} stored files with a flipped bit or a missing end, each found or restored to the same rows;",
            f"- {total[2]} runs on {total[1]}, {_failures(total[3])}: the old database or the new one, and nothing "
            "left over. [How](docs/reliability.md); `make campaign` does it again.",
        )
    )


def _failures(count: str) -> str:
    return "none went wrong" if count == "0" else f"**{count} went wrong**"


def _sum(rows: list[tuple[str, int, int]], beginning: str) -> int:
    return sum(count for name, count, _ in rows if name.startswith(beginning))


def _number(text: str) -> int:
    return int(text.replace(",", ""))


BLOCKS = {
    "settings": (PROJECT / "docs" / "settings.md", settings_table),
    "tried": (PROJECT / "README.md", tried),
}
"""The generated parts: their page, and what makes them."""


def block(name: str) -> tuple[str, str]:
    """Return a generated part as it stands in its page and as it should be. Raises ValueError if it has no place."""
    path, make = BLOCKS[name]
    return _parts(path, name)[1], f"\n{make()}\n"


def write() -> None:
    """Write all generated parts into their pages."""
    for name, (path, make) in BLOCKS.items():
        before, _, after = _parts(path, name)
        path.write_text(f"{before}\n{make()}\n{after}", encoding="utf-8")


def _parts(path: Path, name: str) -> tuple[str, str, str]:
    text = path.read_text(encoding="utf-8")
    found = re.fullmatch(rf"(.*<!-- {name} -->)(.*)(<!-- end of {name} -->.*)", text, re.DOTALL)
    if found is None:
        raise ValueError(f"{path} has no place for {name}")
    return found[1], found[2], found[3]

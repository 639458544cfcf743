"""Moments in a person's own words, English or German: "gestern 18 Uhr", "vor 20 Minuten", "before marketplace_buy_42".

Pure. What is read here is what the core reads afterwards, which knows "yesterday 18:00", "20m ago" and "before:REASON".
"""

from __future__ import annotations

import datetime as dt
import re

__all__ = ["as_moment", "before"]

_LATEST = {"latest", "newest", "last", "neueste", "neuester", "neuestes", "letzte", "letzter", "letztes"}
_NOW = {"now", "jetzt"}
_DAYS = {"today": 0, "heute": 0, "yesterday": 1, "gestern": 1, "vorgestern": 2}
_WEEKDAYS = {
    **dict.fromkeys(("monday", "montag"), 0),
    **dict.fromkeys(("tuesday", "dienstag"), 1),
    **dict.fromkeys(("wednesday", "mittwoch"), 2),
    **dict.fromkeys(("thursday", "donnerstag"), 3),
    **dict.fromkeys(("friday", "freitag"), 4),
    **dict.fromkeys(("saturday", "samstag", "sonnabend"), 5),
    **dict.fromkeys(("sunday", "sonntag"), 6),
}
_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds", "sek", "sekunde", "sekunden"), "s"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes", "minuten"), "m"),
    **dict.fromkeys(("h", "hour", "hours", "std", "stunde", "stunden"), "h"),
    **dict.fromkeys(("d", "day", "days", "tag", "tage", "tagen"), "d"),
    **dict.fromkeys(("w", "week", "weeks", "woche", "wochen"), "w"),
}
_HOURS = {"noon": "12:00", "mittag": "12:00", "midnight": "00:00", "mitternacht": "00:00"}
_PART = re.compile(
    r"(\d{1,9}(?:\.\d{1,3})?\s*|(?:an?|eine[rnm]?)\s)([a-z]+)(?![a-z])(?:[\s,.]+(?:and\s|und\s)?|(?=\d)|$)"
)
_AGO = re.compile(r"(?P<english>.+\s)ago|vor\s(?P<german>.+)")
_BEFORE = re.compile(r"(?:before|bevor|vor)(?:\s*:\s*|\s+)(.+)", re.IGNORECASE | re.DOTALL)
_DAY = rf"(?P<{{}}>{'|'.join((*_DAYS, *_WEEKDAYS))}|\d{{{{4}}}}-\d\d-\d\d|\d\d?\.\d\d?\.(?:\d{{{{4}}}})?)"
_CLOCK = re.compile(
    rf"(?:(?:(?:on|am|last|letzten)\s+)?{_DAY.format('first')}[\s,t]*)?"
    r"(?:(?:at|um)\s+)?(?P<clock>(?P<hour>\d\d?)(?:[:.](?P<minute>\d\d)(?P<second>:\d\d(?:\.\d+)?)?)?)?"
    r"\s*(?P<word>uhr|am|pm)?\s*(?P<zone>z|utc|[+-]\d\d:?\d\d)?"
    rf"(?:[\s,]*{_DAY.format('last')})?"
)


def as_moment(typed: str, here: dt.datetime) -> str | None:
    """Return the moment that a text means, as the core writes it, None if it is none; ``here`` is the person's now."""
    words = " ".join(_HOURS.get(word, word) for word in typed.lower().split())
    if words in _LATEST:
        return "latest"
    if words in _NOW:
        return "now"
    return _ago(words) or _clock(words, here)


def before(typed: str) -> str | None:
    """Return what a text like "before marketplace_buy_42" names, None if it is no such text."""
    found = _BEFORE.fullmatch(typed.strip())
    return None if found is None else found[1].strip()


def _ago(words: str) -> str | None:
    found = _AGO.fullmatch(words)
    if found is None:
        return None
    length, parts, at = found["english"] or found["german"], [], 0
    while at < len(length):
        part = _PART.match(length, at)
        if part is None or part[2] not in _UNITS:
            return None
        parts.append(f"{part[1].strip() if part[1][0].isdigit() else 1}{_UNITS[part[2]]}")
        at = part.end()
    return f"{' '.join(parts)} ago"


def _clock(words: str, here: dt.datetime) -> str | None:
    found = _CLOCK.fullmatch(words)
    if found is None or (found["first"] and found["last"]):
        return None
    day = found["first"] or found["last"]
    hour, minute, word = found["hour"], found["minute"], found["word"]
    if hour is None:
        return None if day is None or word else _date(day, here, None)
    separated = "." not in found["clock"].partition(":")[0]
    if not (word or (minute and separated) or (day and separated)):
        return None  # a number alone, or one like 1.50, is no time of the day
    number = _hour(int(hour), word)
    if number is None or (word in ("am", "pm") and found["second"]):
        return None
    written = f"{number:02}:{minute or '00'}{found['second'] or ''}{(found['zone'] or '').upper()}"
    return written if day is None else f"{_date(day, here, (number, int(minute or 0)))} {written}"


def _hour(number: int, word: str | None) -> int | None:
    """Return the hour of 24; "12 am" is midnight. One that no clock has is left to the core, which says so."""
    if word not in ("am", "pm"):
        return number
    return number % 12 + (12 if word == "pm" else 0) if 1 <= number <= 12 else None


def _date(written: str, here: dt.datetime, clock: tuple[int, int] | None) -> str:
    """Return a day as the core reads it: a day of the week is the last one, today only if the clock has shown that.

    A date that no calendar has is left to the core, which says so.
    """
    today = here.date()
    if written in _WEEKDAYS:
        is_over = clock is not None and clock <= (here.hour, here.minute)
        back = (today.weekday() - _WEEKDAYS[written]) % 7 or (0 if is_over else 7)
        return (today - dt.timedelta(days=back)).isoformat()
    if written in _DAYS:
        return (today - dt.timedelta(days=_DAYS[written])).isoformat()
    if "-" in written:
        return written
    day, month, year = written.split(".")
    if not year:
        year = str(today.year - ((int(month), int(day)) > (today.month, today.day)))
    return f"{year}-{int(month):02}-{int(day):02}"

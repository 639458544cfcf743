"""Which of Python's codecs reads a dump in one of PostgreSQL's encodings."""

from __future__ import annotations

import codecs
import re

__all__ = ["codec_of"]

_NAMES = {
    "SQL_ASCII": "utf-8",
    "MULE_INTERNAL": "utf-8",
    "EUC_JIS_2004": "euc_jis_2004",
    "SHIFT_JIS_2004": "shift_jis_2004",
    "SJIS": "shift_jis",
    "EUC_CN": "gb2312",
    "UHC": "cp949",
    "KOI8R": "koi8_r",
    "KOI8U": "koi8_u",
    "WIN866": "cp866",
    "WIN874": "cp874",
    "LATIN5": "iso8859_9",
    "LATIN6": "iso8859_10",
    "LATIN7": "iso8859_13",
    "LATIN8": "iso8859_14",
    "LATIN9": "iso8859_15",
    "LATIN10": "iso8859_16",
}


def codec_of(encoding: str) -> str:
    """Return the codec for an encoding (https://www.postgresql.org/docs/current/multibyte.html); UTF-8 if unknown.

    Texts of SQL_ASCII have no encoding that anybody knows; most are UTF-8.
    """
    name = encoding.upper()
    windows = re.fullmatch(r"WIN(\d+)", name)
    codec = _NAMES.get(name) or (f"cp{windows[1]}" if windows else name)
    try:
        return codecs.lookup(codec).name
    except LookupError:
        return "utf-8"

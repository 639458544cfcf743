"""Turn the bytes of one of PostgreSQL's encodings into text, and back.

``SQL_ASCII`` is no encoding: whatever bytes a client sent are in the database, mostly UTF-8. Bytes that are not stand
as characters of a private area in our texts (U+EF80 to U+EFFF for 0x80 to 0xFF, as in MirBSD's OPTU-8), and so do the
bytes of these characters themselves. So every sequence of bytes is a text, and comes back from it.
"""

from __future__ import annotations

import codecs
import re
from functools import cache

__all__ = ["ANY_BYTES", "bytes_of", "codec_of", "text_of"]

ANY_BYTES = "SQL_ASCII"

_NAMES = {
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


_PRIVATE = range(0xEF80, 0xF000)
_SHOWN: dict[int, str | int] = {0xDC00 + code % 256: code for code in _PRIVATE}
_SHOWN |= {code: "".join(chr(0xEF00 + byte) for byte in chr(code).encode()) for code in _PRIVATE}
_RAW = {code: 0xDC00 + code % 256 for code in _PRIVATE}
"""To and from what Python's ``surrogateescape`` makes of single bytes."""


def text_of(data: bytes, encoding: str, *, errors: str = "strict") -> str:
    """Return the text of bytes in an encoding; raises UnicodeDecodeError, but never for SQL_ASCII."""
    if encoding.upper() != ANY_BYTES:
        return data.decode(codec_of(encoding), errors)
    return data.decode("utf-8", "surrogateescape").translate(_SHOWN)


def bytes_of(text: str, encoding: str) -> bytes:
    """Return the bytes of a text in an encoding; raises UnicodeEncodeError."""
    if encoding.upper() != ANY_BYTES:
        return text.encode(codec_of(encoding))
    return text.translate(_RAW).encode("utf-8", "surrogateescape")


@cache
def codec_of(encoding: str) -> str:
    """Return Python's codec (https://www.postgresql.org/docs/current/multibyte.html); UTF-8 if there is none."""
    name = encoding.upper()
    windows = re.fullmatch(r"WIN(\d+)", name)
    codec = _NAMES.get(name) or (f"cp{windows[1]}" if windows else name)
    try:
        return codecs.lookup(codec).name
    except LookupError:
        return "utf-8"

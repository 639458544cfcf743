"""The file formats of snapshots: the one place that knows what their bytes mean.

``full`` writes and reads whole files, ``members`` the stream in them, ``framing`` the bytes of one gzip member,
``deflate`` and ``pipeline`` do the work, ``fingerprint`` says which image it is. Everything here blocks and belongs in
the worker.
"""

from .fingerprint import BLOCK, Fingerprint, of_file
from .full import check, extract, read_head, read_tail, write_full
from .members import FORMAT, Expectation, Head, Tail, read, write

__all__ = [
    "BLOCK",
    "FORMAT",
    "Expectation",
    "Fingerprint",
    "Head",
    "Tail",
    "check",
    "extract",
    "of_file",
    "read",
    "read_head",
    "read_tail",
    "write",
    "write_full",
]

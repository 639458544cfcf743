"""From a chain of archives back to an image: the full first, then the pages of each incremental on it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from ...archive import fingerprint, full, incremental
from ...archive.members import Delta, Head
from ...archive.reuse import MemberRecord
from ...errors import SnapshotDamaged
from ...files import sync_file
from ...models import Form
from ...progress import Watch
from ...repository.names import parse_name
from ..base import Part
from .assembly import assemble

__all__ = ["export", "prove", "rebuild"]


def rebuild(chain: Sequence[Part], image: Path, watch: Watch) -> None:
    """Rebuild the last snapshot of a chain as ``image`` and prove its fingerprint; on any error no file is left."""
    first = chain[0]
    full.extract(Path(first.path), image, fingerprint=first.fingerprint, size=first.size, watch=watch)
    if len(chain) == 1:
        return
    try:
        for below, part in pairwise(chain):
            path = Path(part.path)
            incremental.apply_pages(path, image, delta=_expected(path, below, part), watch=watch)
        found = fingerprint.of_file(image, watch)
        if found != chain[-1].fingerprint:
            name = Path(chain[-1].path).name
            raise SnapshotDamaged(
                f"The snapshot file {name} and those it builds on give the image {found}, not {chain[-1].fingerprint}.",
                path=chain[-1].path,
            )
        sync_file(image)
    except BaseException:
        image.unlink(missing_ok=True)
        raise


def _expected(path: Path, below: Part, part: Part) -> Delta:
    """Give the delta of an incremental, which must be the one that the catalog knows and fit what is below it."""
    _, delta = incremental.read_delta(path)
    known = (part.base, below.fingerprint, part.fingerprint, part.size)
    if (
        delta.base,
        delta.base_fingerprint,
        delta.fingerprint,
        delta.size,
    ) != known or part.form is not Form.INCREMENTAL:
        raise SnapshotDamaged(
            f"The snapshot file {path.name} holds the changes of another snapshot than the catalog says.",
            path=str(path),
        )
    return delta


def prove(chain: Sequence[Part], scratch: Path, watch: Watch) -> None:
    """Prove that a chain gives back its last snapshot."""
    if len(chain) == 1:
        full.check(Path(chain[0].path), fingerprint=chain[0].fingerprint, size=chain[0].size, watch=watch)
        return
    image = scratch / "proven.db"
    rebuild(chain, image, watch)
    image.unlink()


def export(chain: Sequence[Part], target: Path, scratch: Path, head: Head, record: Path, watch: Watch) -> None:
    """Write the last snapshot of a chain to a new file that stands alone, proven; on any error no file is left.

    Where the chain's full is the one that ``record`` describes, its unchanged members are copied.
    """
    if len(chain) == 1:
        prove(chain, scratch, watch)
        full.copy(Path(chain[0].path), target, watch)
        return
    recorded = _record_of(chain[0], record)
    if recorded is not None:
        # Where this fails the whole way is taken: it does not need the record, and says which file is damaged.
        with contextlib.suppress(SnapshotDamaged):
            assemble(chain, recorded, target, scratch, head, _rows(chain), watch)
            return
    image = scratch / "exported.db"
    rebuild(chain, image, watch)
    watch.phase("compress", chain[-1].size)
    with image.open("rb") as content:
        full.write_full(target, content, head, _rows(chain), watch)
    image.unlink()
    try:
        full.check(target, fingerprint=chain[-1].fingerprint, size=chain[-1].size, watch=watch)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _record_of(first: Part, path: Path) -> MemberRecord | None:
    """Give the record of a chain's full; another full with the same image has its members elsewhere."""
    record, named = MemberRecord.load(path), parse_name(Path(first.path).name)
    if record is None or named is None or record.snapshot != named.id:
        return None
    return record if record.fingerprint == first.fingerprint else None


def _rows(chain: Sequence[Part]) -> dict[str, int]:
    """Give the rows that the last file of a chain records."""
    return full.read_tail(Path(chain[-1].path)).rows

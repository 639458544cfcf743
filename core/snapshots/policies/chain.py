"""Which form the next snapshot takes, and what builds on what: pure.

A chain is a full and the incrementals that build on it, each on the one before. To restore a snapshot is to replay its
chain up to it, so that damage anywhere below costs everything above: chains are kept short and light.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

import msgspec

from ..errors import SnapshotDamaged
from ..models import Form, Kind, Snapshot
from ..units import size_text

__all__ = ["LONGEST", "WEIGHT", "Choice", "chain_of", "choose_form", "dependants_of"]

LONGEST = 128
"""How many snapshots a chain has at most, its full included."""

WEIGHT = 0.5
"""How much a chain's incrementals may weigh together, in parts of its full, and one more still be added."""

_ALONE = (Kind.MANUAL, Kind.SHUTDOWN, Kind.SAFETY)


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the next snapshot is full, or an incremental on the snapshot ``base``; ``reason`` says why, in words."""

    form: Form
    base: str | None
    reason: str


def choose_form(
    kind: Kind,
    now: dt.datetime,
    chain: Sequence[Snapshot],
    *,
    index_known: bool,
    pinned: bool = False,
    last_periodic: dt.datetime | None = None,
    longest: int = LONGEST,
    weight: float = WEIGHT,
) -> Choice:
    """Choose between a full and an incremental on the chain's last snapshot.

    ``chain`` is the sound chain that ends in the newest snapshot, its full first; empty where there is none.
    ``index_known`` is whether the page index of that newest snapshot is at hand. ``pinned`` is whether the next one is
    kept for ever. ``last_periodic`` is when the newest sound periodic snapshot was taken, which need not be in this
    chain. Days are those of UTC.
    """
    full = (
        ("a pinned snapshot stands alone" if pinned else None)
        or _why_full(kind, now, chain, index_known, last_periodic)
        or _why_new_chain(chain, longest, weight)
    )
    if full:
        return Choice(form=Form.FULL, base=None, reason=full)
    place = f"{len(chain) + 1} of at most {longest} in the chain of {chain[0].id}"
    return Choice(form=Form.INCREMENTAL, base=chain[-1].id, reason=f"builds on {chain[-1].id}, {place}")


def _why_full(
    kind: Kind, now: dt.datetime, chain: Sequence[Snapshot], index_known: bool, last_periodic: dt.datetime | None
) -> str | None:
    if kind in _ALONE:
        return f"a {kind.value} snapshot stands alone"
    if not chain or any(snapshot.damaged for snapshot in chain):
        return "there is no sound snapshot to build on"
    if not index_known:
        return f"the page index of {chain[-1].id} is lost or does not fit"
    if kind is Kind.PERIODIC:
        taken = [snapshot.created_at for snapshot in chain if snapshot.kind is Kind.PERIODIC]
        days = {at.astimezone(dt.UTC).date() for at in (*taken, *([last_periodic] if last_periodic else []))}
        today = now.astimezone(dt.UTC).date()
        if today not in days:
            return f"the first periodic snapshot of {today.isoformat()}"
    return None


def _why_new_chain(chain: Sequence[Snapshot], longest: int, weight: float) -> str | None:
    if len(chain) >= longest:
        return f"the chain of {chain[0].id} has {len(chain)} snapshots, at most {longest} are allowed"
    size = sum(snapshot.size for snapshot in chain[1:])
    if size > weight * chain[0].size:
        whole = size_text(chain[0].size)
        return f"the incrementals of {chain[0].id} weigh {size_text(size)}, more than {weight:.0%} of its {whole}"
    return None


def chain_of(snapshot: Snapshot, snapshots: Iterable[Snapshot]) -> tuple[Snapshot, ...]:
    """Give what restores a snapshot: its full first, then each incremental, the snapshot itself last.

    Raises SnapshotDamaged where a base is missing or damaged, where the bases go round in a circle, and where an
    incremental names none. That the snapshot itself is marked as damaged is no error: it can be verified again.
    """
    known = {other.id: other for other in snapshots}
    chain, seen = [snapshot], {snapshot.id}
    while chain[-1].form is not Form.FULL:
        above = chain[-1]
        base = known.get(above.base) if above.base is not None else None
        if base is None:
            raise _broken(snapshot, above.base, f"the snapshot {above.base or 'under it'} is missing")
        if base.id in seen:
            raise _broken(snapshot, base.id, "its bases go round in a circle")
        if base.damaged:
            raise _broken(snapshot, base.id, f"the snapshot {base.id} is damaged")
        chain.append(base)
        seen.add(base.id)
    return tuple(reversed(chain))


def dependants_of(snapshot: Snapshot, snapshots: Iterable[Snapshot]) -> tuple[Snapshot, ...]:
    """Give everything that builds on a snapshot, directly or not, in the order in which it was taken."""
    builders: dict[str, list[Snapshot]] = {}
    for other in snapshots:
        if other.form is not Form.FULL and other.base is not None:
            builders.setdefault(other.base, []).append(other)
    found: dict[str, Snapshot] = {}
    below = [snapshot.id]
    while below:
        for other in builders.get(below.pop(), ()):
            if other.id != snapshot.id and other.id not in found:
                found[other.id] = other
                below.append(other.id)
    return tuple(sorted(found.values(), key=lambda other: (other.sequence, other.id)))


def _broken(snapshot: Snapshot, base: str | None, why: str) -> SnapshotDamaged:
    return SnapshotDamaged(
        f"Snapshot {snapshot.id} cannot be restored, because it builds on others and {why}. Choose another one.",
        snapshot_id=snapshot.id,
        base=base,
    )

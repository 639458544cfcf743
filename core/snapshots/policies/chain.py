"""Chains: whether the next snapshot is full or incremental, and which snapshots depend on which. Pure.

A chain is a full and the incrementals that build on it, each on the one before. A restore replays the chain up to the
snapshot. Damage to one file therefore makes all later snapshots of the chain useless, so chains are kept short and
small.
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
"""The greatest number of snapshots in a chain, including its full."""

WEIGHT = 0.5
"""How large all incrementals of a chain may be, as a fraction of the full, for another one to be added."""

_ALONE = (Kind.MANUAL, Kind.SHUTDOWN, Kind.SAFETY)


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The form of the next snapshot, its parent's id in ``base`` if it is an incremental, and the reason in words."""

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
    by_hour: bool = False,
    longest: int = LONGEST,
    weight: float = WEIGHT,
) -> Choice:
    """Choose between a full and an incremental on the chain's last snapshot.

    ``chain`` is the sound chain that ends with the newest snapshot, the full first; it is empty if there is none.
    ``index_known`` is True if the page index of the newest snapshot is available. ``pinned`` is for the next snapshot.
    ``last_periodic`` is when the newest sound periodic snapshot was taken, in this chain or another. Days are in UTC.
    ``by_hour`` is True if retention keeps one full of each hour: then the first periodic snapshot of an hour is one.
    """
    full = (
        ("a pinned snapshot stands alone" if pinned else None)
        or _why_full(kind, now, chain, index_known, last_periodic, by_hour)
        or _why_new_chain(chain, longest, weight)
    )
    if full:
        return Choice(form=Form.FULL, base=None, reason=full)
    position = f"{len(chain) + 1} of at most {longest} in the chain of {chain[0].id}"
    return Choice(form=Form.INCREMENTAL, base=chain[-1].id, reason=f"builds on {chain[-1].id}, {position}")


def _why_full(
    kind: Kind,
    now: dt.datetime,
    chain: Sequence[Snapshot],
    index_known: bool,
    last_periodic: dt.datetime | None,
    by_hour: bool,
) -> str | None:
    if kind in _ALONE:
        return f"a {kind.value} snapshot stands alone"
    if not chain or any(snapshot.damaged for snapshot in chain):
        return "there is no sound snapshot to build on"
    if not index_known:
        return f"the page index of {chain[-1].id} is lost or does not fit"
    if kind is Kind.PERIODIC:
        taken = [snapshot.created_at for snapshot in chain if snapshot.kind is Kind.PERIODIC]
        shape = "%Y-%m-%d %H:00" if by_hour else "%Y-%m-%d"
        periods = {f"{at.astimezone(dt.UTC):{shape}}" for at in (*taken, *([last_periodic] if last_periodic else []))}
        present = f"{now.astimezone(dt.UTC):{shape}}"
        if present not in periods:
            return f"the first periodic snapshot of {present}"
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
    """Return the snapshots that restore a snapshot: the full first, then each incremental, the snapshot itself last.

    Raises SnapshotDamaged if a parent is missing, damaged or not named, or if the parents form a circle. A damage mark
    on the snapshot itself is no error, because it can be verified again.
    """
    known = {other.id: other for other in snapshots}
    chain, seen = [snapshot], {snapshot.id}
    while chain[-1].form is not Form.FULL:
        child = chain[-1]
        parent = known.get(child.base) if child.base is not None else None
        if parent is None:
            raise _broken(snapshot, child.base, f"the snapshot {child.base or 'under it'} is missing")
        if parent.id in seen:
            raise _broken(snapshot, parent.id, "its bases go round in a circle")
        if parent.damaged:
            raise _broken(snapshot, parent.id, f"the snapshot {parent.id} is damaged")
        chain.append(parent)
        seen.add(parent.id)
    return tuple(reversed(chain))


def dependants_of(snapshot: Snapshot, snapshots: Iterable[Snapshot]) -> tuple[Snapshot, ...]:
    """Return all snapshots that build on a snapshot, directly or indirectly, in the order in which they were taken."""
    children: dict[str, list[Snapshot]] = {}
    for other in snapshots:
        if other.form is not Form.FULL and other.base is not None:
            children.setdefault(other.base, []).append(other)
    found: dict[str, Snapshot] = {}
    to_visit = [snapshot.id]
    while to_visit:
        for other in children.get(to_visit.pop(), ()):
            if other.id != snapshot.id and other.id not in found:
                found[other.id] = other
                to_visit.append(other.id)
    return tuple(sorted(found.values(), key=lambda other: (other.sequence, other.id)))


def _broken(snapshot: Snapshot, base: str | None, why: str) -> SnapshotDamaged:
    return SnapshotDamaged(
        f"Snapshot {snapshot.id} cannot be restored, because it builds on others and {why}. Choose another one.",
        snapshot_id=snapshot.id,
        base=base,
    )

"""The one tree of errors: drawn as it is, carrying data, and the same on both sides of the worker."""

from __future__ import annotations

import json
import re

import pytest

from core.snapshots import errors
from core.snapshots.errors import SnapshotError, WorkerFailed, from_wire


def tree_of(root: type[SnapshotError]) -> dict[str, str | None]:
    """Return each class's name with its parent's. An engine's own errors are not part of the core's tree."""
    found: dict[str, str | None] = {}
    for child in (each for each in root.__subclasses__() if each.__module__ == errors.__name__):
        found[child.__name__] = root.__name__
        found |= tree_of(child)
    return found


def drawn_tree(text: str) -> dict[str, str | None]:
    """Read the tree in the module's docstring: each name with the one that it is drawn under."""
    found: dict[str, str | None] = {}
    above: list[tuple[int, str]] = []
    for line in text.splitlines():
        branch = re.match(r"\s*(?:│\s+)*[├└]── (\w+)", line)
        if branch is None:
            root = re.fullmatch(r"\s*(SnapshotError)", line)
            above = [(0, root[1])] if root else above
            continue
        depth = branch.start(1)
        above = [parent for parent in above if parent[0] < depth]
        found[branch[1]] = above[-1][1]
        above.append((depth, branch[1]))
    return found


ALL = [getattr(errors, name) for name in errors.__all__]


def test_the_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    """Nothing is drawn that is not there, and nothing is there undrawn."""
    assert errors.__doc__ is not None
    drawn = drawn_tree(errors.__doc__)
    assert drawn == tree_of(SnapshotError)
    assert drawn["AmbiguousSnapshot"] == "SnapshotNotFound"
    assert set(errors.__all__) == {"SnapshotError", *drawn}


@pytest.mark.parametrize("kind", ALL)
def test_every_error_says_in_a_docstring_what_it_means(kind: type[SnapshotError]) -> None:
    """Whoever catches one can read what it stands for."""
    assert kind.__doc__
    assert "``" in kind.__doc__ or len(kind.__doc__) > 20


@pytest.mark.parametrize("kind", ALL)
def test_every_error_survives_the_way_from_the_worker_to_the_bot(kind: type[SnapshotError]) -> None:
    """Class, sentence and data are the same after JSON."""
    error = kind("Es brennt: 100 % of Ö.", free=12, path="/somewhere", findings=["one", "two"], safety=None)
    again = from_wire(json.loads(json.dumps(error.to_wire())))
    assert type(again) is kind
    assert str(again) == "Es brennt: 100 % of Ö."
    assert again.data == {"free": 12, "path": "/somewhere", "findings": ["one", "two"], "safety": None}
    assert (again.free, again.safety) == (12, None)


@pytest.mark.parametrize("kind", ALL)
def test_every_error_has_an_exit_code_for_the_shell(kind: type[SnapshotError]) -> None:
    """1 failed, 2 wrong usage, 3 busy, 4 damaged; never 0."""
    assert kind.exit_code in (1, 2, 3, 4)


def test_the_exit_codes_are_those_that_are_documented() -> None:
    """A script that watches the shell's status can rely on them."""
    codes = {kind.__name__: kind.exit_code for kind in ALL if kind.exit_code != 1}
    assert codes == {
        "SettingsError": 2,
        "SnapshotNotFound": 2,
        "AmbiguousSnapshot": 2,
        "AnotherDatabase": 2,
        "QueryError": 2,
        "Busy": 3,
        "DatabaseBusy": 3,
        "SnapshotDamaged": 4,
        "CatalogError": 4,
        "DatabaseDamaged": 4,
    }


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.SnapshotNotFound, LookupError),
        (errors.RepositoryError, OSError),
        (errors.DatabaseBusy, TimeoutError),
        (errors.DatabaseMissing, FileNotFoundError),
        (errors.DatabaseUnavailable, OSError),
        (errors.DeadlineExceeded, TimeoutError),
    ],
)
def test_an_error_is_also_the_built_in_one_that_it_specialises(
    kind: type[SnapshotError], builtin: type[Exception]
) -> None:
    """Code that knows nothing of the tree catches what it knows."""
    error = kind("A sentence.", path="/x")
    assert isinstance(error, builtin)
    assert str(error) == "A sentence."


@pytest.mark.parametrize("document", [{}, {"code": "Nonsense", "message": "?"}, {"code": "ValueError"}])
def test_an_error_of_an_unknown_kind_is_the_workers_failure(document: dict[str, str]) -> None:
    """A worker of another version must not be able to raise anything else."""
    error = from_wire(document)
    assert type(error) is WorkerFailed
    assert str(error)


def test_a_fact_that_an_error_does_not_carry_is_an_attribute_error() -> None:
    """A misspelt attribute is noticed, not None."""
    with pytest.raises(AttributeError, match="Busy has no 'needed'"):
        _ = errors.Busy("Busy.", pid=1).needed

"""What others may use of the core: all of it there, all of it documented, nothing by accident."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

import core.snapshots as public

MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(public.__path__, "core.snapshots.")
    if not name.endswith(("__main__", "bootstrap"))
]


@pytest.mark.parametrize("name", public.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    """A name in ``__all__`` can be imported, and its docstring is its own and not that of a base class."""
    thing = getattr(public, name)
    own = thing.__dict__.get("__doc__") if inspect.isclass(thing) else thing.__doc__
    assert own, f"{name} has no docstring"
    assert own.strip()[0].isupper(), f"the docstring of {name} is not a sentence"


def test_the_public_names_are_sorted_and_said_once() -> None:
    """A list that grows by many hands stays readable."""
    assert public.__all__ == sorted(set(public.__all__), key=str)


def test_every_public_method_of_the_service_is_documented() -> None:
    """The one door says what each of its methods gives and raises."""
    methods = {
        name: thing
        for name, thing in vars(public.SnapshotService).items()
        if not name.startswith("_") and (callable(thing) or isinstance(thing, property))
    }
    assert {"open", "close", "request", "create", "create_last", "restore_plan", "restore", "start_up"} <= set(methods)
    assert not [name for name, thing in methods.items() if not (thing.__doc__ or "").strip()]


@pytest.mark.parametrize("name", MODULES)
def test_what_a_module_says_it_gives_is_there(name: str) -> None:
    """``__all__`` of each module is true, so that private and public can be told apart everywhere."""
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} has no docstring"
    missing = [public_name for public_name in getattr(module, "__all__", []) if not hasattr(module, public_name)]
    assert not missing


@pytest.mark.process
def test_importing_the_core_has_no_effect_and_needs_no_discord() -> None:
    """Importing reads no setting, touches no file, starts nothing and works without discord.py."""
    program = (
        "import sys, os, threading\n"
        "opened = []\n"
        "sys.addaudithook(lambda event, args: opened.append(args) if event == 'open' and args[1] and "
        "set('wax+') & set(str(args[1])) else None)\n"
        "import core.snapshots\n"
        "opened = [args for args in opened if not str(args[0]).endswith('.pyc') and '.pyc.' not in str(args[0])]\n"
        "assert not opened, opened\n"
        "assert not [name for name in sys.modules if name.partition('.')[0] in ('discord', 'cogs', 'config')]\n"
        "assert threading.active_count() == 1\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

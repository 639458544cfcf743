"""A method of one of the host's objects that does something of ours too, on that one object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["WrappedMethod"]


class WrappedMethod:
    """The method ``name`` of ``owner``, in whose place ``ours`` is while it is installed."""

    def __init__(self, owner: object, name: str, ours: Callable[..., Any]) -> None:
        self._owner = owner
        self._name = name
        self._ours = ours
        self._original: Callable[..., Any] | None = None
        self._was_on_instance = False

    def install(self) -> None:
        """Put ours in the place of the method."""
        self._was_on_instance = self._name in vars(self._owner)
        self._original = getattr(self._owner, self._name)
        setattr(self._owner, self._name, self._ours)

    def remove(self) -> None:
        """Put the original back, unless somebody has wrapped ours since: then ours stays and passes calls on."""
        if self._original is None or vars(self._owner).get(self._name) != self._ours:
            return
        if self._was_on_instance:
            setattr(self._owner, self._name, self._original)
        else:
            delattr(self._owner, self._name)

    def original(self, *arguments: Any, **options: Any) -> Any:
        """Call the method as it was before."""
        assert self._original is not None
        return self._original(*arguments, **options)

"""The catalog for commands that only read it, without a service and its event loop: people wait for ``list``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from ..errors import CatalogError, CatalogTooNew
from ..repository.catalog import Catalog, Contents
from ..repository.names import WORK
from ..settings.schema import load
from ..settings.sources import chosen_file
from .invocation import Invocation

__all__ = ["Read", "read_catalog"]


class Read(NamedTuple):
    """A catalog, the folder it is in, and the settings file that named it; None if there is none."""

    contents: Contents
    repository: Path
    settings_file: Path | None


def read_catalog(invocation: Invocation) -> Read:
    """Return the catalog of the repository in the settings; nothing is created.

    One that cannot be read is rebuilt by a service, where that is possible. Raises SettingsError, CatalogTooNew,
    CatalogError and RepositoryError.
    """
    settings_file = chosen_file(os.environ) if invocation.config is None else invocation.config
    repository = Path(load(settings_file).repository.path).absolute()
    catalog = Catalog(repository, repository / WORK)
    if catalog.exists:
        try:
            return Read(catalog.refresh(), repository, settings_file)
        except CatalogTooNew:
            raise
        except CatalogError:
            pass
    elif not repository.exists():
        return Read(Contents(), repository, settings_file)
    # The event loop and all that the service brings are loaded only where they are needed.
    from .session import opened

    with opened(invocation, reading=True) as session:
        session.run(session.service.list())
        return Read(session.service.catalog, repository, settings_file)

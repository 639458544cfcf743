"""The wheel: the folders ``cogs/backup_cog`` and ``core/snapshots`` under the one name ``savepoint``.

Everything that can be declared stands in pyproject.toml; here is what cannot: packages that lie elsewhere than their
names say, and the one import line between the two folders, which is relative in the wheel.
"""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FOLDERS = {
    "savepoint": "distribution/savepoint",
    "savepoint.backup_cog": "cogs/backup_cog",
    "savepoint.snapshots": "core/snapshots",
}
ABSOLUTE, RELATIVE = "from core.snapshots import (", "from ..snapshots import ("


def packages() -> dict[str, str]:
    """Return every package of the wheel with its folder."""
    found = {}
    for name, root in FOLDERS.items():
        for path in sorted(Path(root).rglob("__init__.py")):
            below = path.parent.relative_to(root).parts
            found[".".join((name, *below))] = path.parent.as_posix()
    return found


class BuildWithOneName(build_py):
    """Copies the modules, and makes the cog's one absolute import relative."""

    def build_module(self, module: str, module_file: str, package: str | list[str] | tuple[str, ...]) -> object:
        """Build one module. Raises ValueError if the import line is not where it is expected."""
        built = super().build_module(module, module_file, package)
        if Path(module_file).as_posix().endswith("cogs/backup_cog/core_api.py"):
            path = Path(built[0])
            text = path.read_text(encoding="utf-8")
            if text.count(ABSOLUTE) != 1:
                raise ValueError(f"{module_file} must have one line {ABSOLUTE!r}")
            path.write_text(
                text.replace(ABSOLUTE, RELATIVE).replace("\n_extend_core_module()\n", "\n"), encoding="utf-8"
            )
        return built


setup(
    packages=list(packages()),
    package_dir=packages(),
    package_data={
        "savepoint.backup_cog": ["py.typed", "language/*/*.toml", "language/*/*/*.toml"],
        "savepoint.snapshots": ["py.typed"],
    },
    cmdclass={"build_py": BuildWithOneName},
)

"""The version after this one: a step that widens the schema, and one that takes away what only this version needed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.store import migrate

_FORM = '''"""{says}"""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
phase = "{phase}"


def upgrade() -> None:
    {does}
'''
_WIDER = 'op.add_column("job", sa.Column("priority", sa.Integer()))'
_NARROWER = 'op.drop_table("queue_sample")'


@contextmanager
def later_version(folder: Path) -> Iterator[tuple[str, str]]:
    """Run a later version within; yield the numbers of its two steps. `folder` is for its steps, and empty."""
    shutil.copytree(migrate._FOLDER, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    head, wider, narrower = (f"{int(migrate.steps()[-1].revision) + n:04}" for n in range(3))
    for revision, base, phase, does in (
        (wider, head, "expand", _WIDER),
        (narrower, wider, "contract", _NARROWER),
    ):
        text = _FORM.format(
            says=f"An invented step: {phase}.", revision=revision, before=base, phase=phase, does=does
        )
        (folder / "versions" / f"r{revision}_invented.py").write_text(text)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(migrate, "_FOLDER", folder)
        migrate.steps.cache_clear()
        try:
            yield wider, narrower
        finally:
            migrate.steps.cache_clear()

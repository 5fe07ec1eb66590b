"""A town with a hot folder."""

from pathlib import Path

import pytest

from tests.support.folder import Desk
from tests.support.node import Town


@pytest.fixture
def desk(town: Town, tmp_path: Path) -> Desk:
    return Desk(town=town, root=tmp_path / "folder")

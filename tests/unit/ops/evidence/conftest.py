"""The scene that packs are made of, played once."""

import pytest

from tests.support import evidence


@pytest.fixture(scope="session")
def scene() -> evidence.Scene:
    return evidence.played_scene()

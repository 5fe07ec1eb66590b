"""The scene that packs are made of, played once; and one node per test, stepped by hand."""

import pytest

from tests.support import evidence
from tests.support.node import town as town


@pytest.fixture(scope="session")
def scene() -> evidence.Made:
    return evidence.made()

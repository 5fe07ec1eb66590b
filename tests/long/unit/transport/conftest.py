"""The same pool of threads as beside the short tests."""

from tests.unit.transport.conftest import pool as pool

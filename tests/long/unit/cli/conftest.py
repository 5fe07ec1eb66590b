"""The same terminal as beside the short tests."""

from tests.unit.cli.conftest import terminal as terminal

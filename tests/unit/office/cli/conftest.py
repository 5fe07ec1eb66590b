"""The command line, as the tests of the exchange type at it."""

from tests.unit.cli.conftest import terminal as terminal

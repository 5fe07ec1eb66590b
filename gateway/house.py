"""The program as installed: the exchange, with the office added to its applications. The only module that knows both. In:
the typed words. Out: an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from gateway.bootstrap import storeys
from gateway.cli import main as program
from gateway.office.bootstrap import OFFICE

storeys.hang(OFFICE)


def run(args: Sequence[str]) -> int:
    """Run a command line and return its exit code."""
    return program.run(args)


def main() -> NoReturn:
    """Run the installed program."""
    program.main()

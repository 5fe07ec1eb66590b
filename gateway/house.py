"""The program as it is installed: the exchange, and the office hung into its doors. The one module that knows both
storeys. In: the words typed. Out: an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from gateway.bootstrap import storeys
from gateway.cli import main as program
from gateway.office.bootstrap import OFFICE

storeys.hang(OFFICE)


def run(args: Sequence[str]) -> int:
    """Does what the words say; the exit code."""
    return program.run(args)


def main() -> NoReturn:
    """The entry point of the installed program."""
    program.main()

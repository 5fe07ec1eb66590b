"""The program as it is installed: the exchange, and the office hung into its doors. The one module that knows both storeys.
In: the words typed. Out: an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from gateway.bootstrap import storeys
from gateway.bootstrap.storeys import Noun, Storey
from gateway.cli import main as program
from gateway.office import hung

DEMO = Storey(
    nouns={
        "demo": Noun(
            sentence="Start three trial agencies and an axis in one folder, tell their story, and stay at work "
            "for you to try.",
            after="serve",
            module="gateway.demo.command",
        )
    }
)

storeys.hang(hung.OFFICE)
storeys.hang(DEMO)


def run(args: Sequence[str]) -> int:
    """Does what the words say; the exit code."""
    return program.run(args)


def main() -> NoReturn:
    """The entry point of the installed program."""
    program.main()

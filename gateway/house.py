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
            sentence="Start trial agencies and their axes in one folder, tell their story, and stay at work "
            "for you to try.",
            after="serve",
            module="gateway.demo.command",
        )
    }
)

SANDBOX = Storey(
    nouns={
        "sandbox": Noun(
            sentence="Start a node to try programs against: robot agencies, a clock one can move, test keys.",
            after="serve",
            module="gateway.sandbox.command",
        ),
        "conformance": Noun(
            sentence="Take a gateway through 32 numbered steps, and print a score sheet.",
            after="serve",
            module="gateway.conformance.command",
        ),
    }
)

storeys.hang(hung.OFFICE)
storeys.hang(SANDBOX)
storeys.hang(DEMO)


def run(args: Sequence[str]) -> int:
    """Does what the words say; the exit code."""
    return program.run(args)


def main() -> NoReturn:
    """The entry point of the installed program."""
    program.main()

"""The installed program. In: command-line words. Out: an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import gateway.shared_methods  # noqa: F401 - before the classes that share them
from gateway.cli import main as program


def run(args: Sequence[str]) -> int:
    """Run a command line and return its exit code."""
    return program.run(args)


def main() -> NoReturn:
    """Run the installed program."""
    program.main()

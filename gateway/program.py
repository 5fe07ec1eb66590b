"""The installed program. In: command-line words. Out: an exit code. A running node is asked first, before anything that it
has loaded already is loaded here."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from gateway.cli import asking


def run(args: Sequence[str]) -> int:
    """Run a command line in this process and return its exit code."""
    import gateway.shared_methods  # noqa: F401 - before the classes that share them
    from gateway.cli import main as program

    return program.run(args)


def main() -> NoReturn:
    """Run the installed program."""
    code = asking.ask(sys.argv[1:], os.environ)
    if code is None:
        import gateway.shared_methods  # noqa: F401 - before the classes that share them
        from gateway.cli import main as program

        program.main()
    sys.exit(code)

"""Lists the commands of the program, for tests that go through all of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from gateway.cli.main import build


@cache
def commands() -> dict[str, Any]:
    """Return every command by its words, as the parser knows it."""

    def leaves(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
        for name, child in getattr(command, "commands", {}).items():
            yield from leaves(child, (*words, name))
        # Some words do something without a verb behind them too.
        if not hasattr(command, "commands") or (words and command.invoke_without_command):
            yield " ".join(("gateway", *words)), command

    return dict(leaves(build()))

"""`-` in place of a file is standard input. In: the options of a command as they were typed. Out: the same, with what came
in by the pipe as a file of its own while the command runs; it belongs to the caller alone and is gone afterwards."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

DASH = Path("-")


@contextmanager
def spooled(given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A usage error where two options ask for the one input, or where nobody could be typing a file into a terminal."""
    asking = [name for name, value in given.items() if isinstance(value, Path) and value == DASH]
    if not asking:
        yield dict(given)
        return
    if len(asking) > 1:
        raise typer.BadParameter("there is one standard input; give - once")
    if sys.stdin.isatty():
        raise typer.BadParameter("- reads standard input, and nothing is piped into it: write COMMAND < FILE")
    with tempfile.TemporaryDirectory(prefix="gateway-stdin-") as folder:
        file = Path(folder) / "stdin"
        with file.open("xb") as written:
            shutil.copyfileobj(sys.stdin.buffer, written)
        yield {**given, asking[0]: file}

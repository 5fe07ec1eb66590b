"""Sits at a terminal of the program for a test: it waits for a question and types the answer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

Answer = Callable[[str, "str | None"], str]
PROGRAM = (sys.executable, "-m", "gateway")


@contextmanager
def dialogue(
    *words: str, folder: Path | None = None, program: Sequence[str | Path] = PROGRAM
) -> Iterator[Answer]:
    """Start the program at a terminal of its own. The yielded function waits for a question and types the answer; it
    returns all that stands on the screen."""
    screen = bytearray()
    clean = {k: v for k, v in os.environ.items() if not k.startswith("GATEWAY_")}
    own, terminal = os.openpty()
    process = subprocess.Popen(
        [*program, *words],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        cwd=folder,
        env=clean
        | ({"PYTHONPATH": str(Path(__file__).parents[2])} if program is PROGRAM else {})
        | {"TERM": "dumb"},
        start_new_session=True,
    )
    os.close(terminal)

    def answer(question: str, text: str | None) -> str:
        # The blank comes when the program reads: what is typed earlier is dropped before a hidden answer.
        while question not in screen.decode(errors="replace") or not (text is None or screen.endswith(b": ")):
            try:
                piece = os.read(own, 4096)
            except OSError:  # the program has ended
                piece = b""
            if not piece:
                raise AssertionError(screen.decode(errors="replace"))
            screen.extend(piece)
        text_so_far = screen.decode(errors="replace")
        if text is not None:
            screen.clear()
            os.write(own, f"{text}\n".encode())
        return text_so_far

    try:
        yield answer
        if process.wait(timeout=60) != 0:
            raise AssertionError(screen.decode(errors="replace"))
    finally:
        process.kill()
        process.wait()
        os.close(own)

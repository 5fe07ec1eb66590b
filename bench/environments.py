"""Virtual environments for programs that no process of ours may load: made below the cache folder when one is first asked
for. In: the libraries. Out: the interpreter that has them, or `Broken` with the reason why they cannot be had."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from pathlib import Path

from bench.pair import Broken

_CACHE = Path.home() / ".cache" / "gateway-bench"
# Written when everything was installed, with what that was.
_WHOLE = "whole"


def folder(libraries: Sequence[str]) -> Path:
    """Where the environment with these libraries is or would be; it goes by the first of them."""
    return _CACHE / libraries[0]


def is_made(libraries: Sequence[str]) -> bool:
    whole = folder(libraries) / _WHOLE
    return whole.exists() and whole.read_text().split() == [*libraries]


async def interpreter(libraries: Sequence[str], given: str = "") -> Path:
    """Of the environment in the given folder, or of ours, made the first time."""
    if given:
        python = Path(given) / "bin" / "python"
        if not python.exists():
            raise Broken(f"there is no environment in {given}")
        return python
    home = folder(libraries)
    python = home / "bin" / "python"
    if not is_made(libraries):
        await _run(libraries, sys.executable, "-m", "venv", "--clear", str(home))
        pip = (str(python), "-m", "pip", "install", "--quiet", "--only-binary", ":all:")
        await _run(libraries, *pip, *libraries)
        (home / _WHOLE).write_text("\n".join(libraries))
    return python


async def _run(libraries: Sequence[str], *words: str) -> None:
    process = await asyncio.create_subprocess_exec(*words, stdout=PIPE, stderr=PIPE)
    _, told = await process.communicate()
    if process.returncode:
        why = told.decode(errors="replace").strip()[-300:]
        raise Broken(f"{libraries[0]} cannot be had here: {why}")

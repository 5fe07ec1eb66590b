"""Virtual environments for programs that no process of ours may load: made below the cache folder on first use. In: the
libraries. Out: the interpreter that has them, or `Broken` with the reason why they cannot be had."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from pathlib import Path

from bench.pair import Broken

_CACHE = Path.home() / ".cache" / "gateway-bench"
# Written when everything was installed, with the libraries.
_MARKER = "whole"


def folder(libraries: Sequence[str]) -> Path:
    """Return the folder of the environment with these libraries, named by the first of them."""
    return _CACHE / libraries[0]


def is_made(libraries: Sequence[str]) -> bool:
    marker = folder(libraries) / _MARKER
    return marker.exists() and marker.read_text().split() == [*libraries]


async def interpreter(libraries: Sequence[str], own_folder: str = "") -> Path:
    """Return the interpreter of the environment in the given folder, or of ours, made the first time."""
    if own_folder:
        python = Path(own_folder) / "bin" / "python"
        if not python.exists():
            raise Broken(f"there is no environment in {own_folder}")
        return python
    home = folder(libraries)
    python = home / "bin" / "python"
    if not is_made(libraries):
        await _run(libraries, sys.executable, "-m", "venv", "--clear", str(home))
        pip = (str(python), "-m", "pip", "install", "--quiet", "--only-binary", ":all:")
        await _run(libraries, *pip, *libraries)
        (home / _MARKER).write_text("\n".join(libraries))
    return python


async def _run(libraries: Sequence[str], *words: str) -> None:
    process = await asyncio.create_subprocess_exec(*words, stdout=PIPE, stderr=PIPE)
    _, error_output = await process.communicate()
    if process.returncode:
        why = error_output.decode(errors="replace").strip()[-300:]
        raise Broken(f"{libraries[0]} cannot be had here: {why}")

"""Another version of the product under this harness. In: a git revision, or the folder of a checkout. Out: a folder from
which `python -m bench.…` runs with that `gateway` and this `bench`. It can be as old as the names that are called here."""

from __future__ import annotations

import asyncio
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_THEIRS = ("gateway", "schemas", "config")
# Parts that earlier versions had inside of these.
_NEWER = ("office", "foreign")
_OURS = ("bench", "tests")


class NoSuchVersion(Exception):
    """Neither a revision nor a folder."""


async def root(revision: str, into: Path) -> Path:
    """Fill `into` with that version, and return it."""
    into.mkdir(parents=True)
    other = Path(revision)
    if (other / "gateway").is_dir():
        for name in (*_THEIRS, *(name for name in _NEWER if (other / name).is_dir())):
            (into / name).symlink_to((other / name).resolve())
    else:
        await asyncio.to_thread(_unpack, revision, into)
    for name in _OURS:
        (into / name).symlink_to(_ROOT / name)
    return into


def _unpack(revision: str, into: Path) -> None:
    git = ["git", "-C", str(_ROOT)]
    has = [
        n
        for n in _NEWER
        if not subprocess.run([*git, "cat-file", "-e", f"{revision}:{n}"], capture_output=True).returncode
    ]
    words = [*git, "archive", "--format=tar", revision, *_THEIRS, *has]
    archive = subprocess.run(words, capture_output=True, check=False)
    if archive.returncode:
        raise NoSuchVersion(f"{revision}: {archive.stderr.decode(errors='replace').strip()}")
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as packed:
        packed.extractall(into, filter="data")

"""Copy a folder of backups to another place with rclone, which knows SFTP, S3 and many others. In: the folder, and the
place as rclone names it. Out: the place has every piece and every backup of the folder, a backup only after its pieces.
What was deleted in the folder is deleted there by its name; nothing else is, so that a folder that was emptied empties no
copy."""

from __future__ import annotations

import asyncio
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

from gateway.errors import Misconfigured, StoreFailure
from gateway.ops.backup_store import DELETED, alone
from gateway.store.data_folder import DESTROYED_LIST, SNAPSHOT_SUFFIX

_PROGRAM = "rclone"
# A piece never changes, so a file that is there in its size is not read again.
_COPY = ("copy", "--immutable", "--size-only", "--filter", "- .*")


async def copy(folder: Path, place: str) -> None:
    """Copy what the place does not have, and delete there what was deleted here. StoreFailure, with the program's own
    words, when it did not succeed; another try continues."""
    _check_place(place)
    with alone(folder):
        await _run(
            *_COPY, "--filter", f"- *{SNAPSHOT_SUFFIX}", "--filter", f"- {DESTROYED_LIST}", str(folder), place
        )
        await _run(*_COPY, "--filter", f"+ *{SNAPSHOT_SUFFIX}", "--filter", "- *", str(folder), place)
        await _run(
            "copy", "--filter", f"+ {DESTROYED_LIST}", "--filter", "- *", str(folder), place
        )  # it grows
        deleted = folder / DELETED
        if not deleted.exists():
            return
        # A piece that a later backup wrote again is needed again.
        names = [name for name in deleted.read_text("ascii").splitlines() if not (folder / name).exists()]
        deleted.write_text("".join(f"{name}\n" for name in names), "ascii")
        if names:
            await _run("delete", "--files-from", str(deleted), place)
        deleted.unlink()


async def send_file(file: Path, place: str) -> None:
    """Copy one file to the place, where its name appears when it is whole."""
    _check_place(place)
    # Older releases write the file under its own name from the first byte on.
    part = f"{place.rstrip('/')}/.{file.name}.part"
    await _run("copyto", str(file), part)
    await _run("moveto", part, f"{place.rstrip('/')}/{file.name}")


def _check_place(place: str) -> None:
    if place.startswith("-") or shutil.which(_PROGRAM) is None:
        raise Misconfigured(
            f"the copy to {place} needs the program {_PROGRAM} and the name of a place, such as backup:gateway",
            hint=f"apt install {_PROGRAM}, then {_PROGRAM} config",
        )


async def _run(*words: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(_PROGRAM, *words, "--log-level", "NOTICE"), stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
    )
    _, errors = await process.communicate()
    if process.returncode:
        last_line = errors.decode(errors="replace").strip().rpartition("\n")[2]
        raise StoreFailure(
            f"{_PROGRAM} {words[0]} to the place of the copy failed: {last_line or process.returncode}",
            hint="what was copied is complete here; the next copy continues where this one broke off",
        )

"""Cures that are safe: they change rights, leftovers and statistics of the node's own folders and database, and nothing
else. No document, key, row of the registry or certificate is touched. In: the findings of the doctor. Out: for each that
has a row in CURES what would be done, and the act; the check then shows the outcome."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from pathlib import Path

from gateway.domain.diagnosis import Diagnosis
from gateway.ops import checks_of_watch as watching
from gateway.ops.subject import Subject
from gateway.settings.reading import sqlite_file
from gateway.store import reporting

Cure = Callable[[Subject, Diagnosis], Coroutine[object, object, None]]
_OF_STRANGERS = stat.S_IRWXG | stat.S_IRWXO


async def _close_folder(subject: Subject, finding: Diagnosis) -> None:
    await subject.pool.run(partial(_take_rights, [Path(str(finding.params["path"]))]))


async def _close_secrets(subject: Subject, finding: Diagnosis) -> None:
    files = partial(watching.open_secrets, subject.settings.keys.folder)
    await subject.pool.run(lambda: _take_rights(files()))


async def _close_database(subject: Subject, finding: Diagnosis) -> None:
    if (file := sqlite_file(subject.settings)) is not None:
        names = [file.with_name(f"{file.name}{end}") for end in ("", "-wal", "-shm")]
        await subject.pool.run(partial(_take_rights, [path for path in names if path.exists()]))


async def _open_to_node(subject: Subject, finding: Diagnosis) -> None:
    folder = Path(str(finding.params["path"]))
    await subject.pool.run(lambda: folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_IRWXU))


async def _delete_leftovers(subject: Subject, finding: Diagnosis) -> None:
    """Delete what the check finds now: what was used again meanwhile is no leftover any more."""
    kind = finding.cause.rpartition(".")[2]
    paths = (await subject.pool.run(partial(watching.find_leftovers, subject.settings, subject.clock.now())))[
        kind
    ]
    await subject.pool.run(partial(_delete, paths))


async def _analyse(subject: Subject, finding: Diagnosis) -> None:
    address = subject.settings.database.address
    await reporting.analyse(address, await reporting.unanalysed(subject.store))


# By the cause of a finding. The text of each is `cure.CAUSE`.
CURES: Mapping[str, Cure] = {
    "folder.open": _close_folder,
    "folder.read_only": _open_to_node,
    "secrets.open": _close_secrets,
    "database.open": _close_database,
    "leftovers.signs": _delete_leftovers,
    "leftovers.parts": _delete_leftovers,
    "leftovers.drills": _delete_leftovers,
    "statistics.none": _analyse,
}


def _take_rights(paths: Iterable[Path]) -> None:
    for path in paths:
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OF_STRANGERS)


def _delete(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

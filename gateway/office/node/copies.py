"""Sealed copies on this machine, and their trial restore, for the pages of operations. In: an open node. Out: what
`office.web.ports_operations.Copies` promises. A passphrase lives in memory as long as its trial runs, and nowhere else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.errors import Clash, GatewayError, NotFound
from gateway.office.bootstrap.office import Office
from gateway.office.domain.post import NODE
from gateway.office.web.ports_operations import Copy, Drill
from gateway.ops import backup, restore, status

_LOG = logging.getLogger(__name__)

SUFFIX = ".backup"
RUNNING, EQUAL, FAILED = "running", "equal", "failed"


@dataclass(slots=True)
class BackupCopies:
    """Keeps the promise of `office.web.ports_operations.Copies`; one trial at a time."""

    node: Office
    _drill: Drill | None = None
    _task: asyncio.Task[None] | None = None
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def all(self) -> Sequence[Copy]:
        known = status.last_backup(self.node.settings.node.data_dir)
        files = await self.node.pool.run(partial(_files, self._places()))
        return [
            Copy(
                name=path.name,
                size=size,
                at=at,
                tested_at=known.verified_at if known and Path(known.path).name == path.name else None,
            )
            for path, size, at in files
        ]

    def drill(self) -> Drill | None:
        return self._drill

    async def begin_drill(self, by: str, name: str, passphrase: str) -> None:
        async with self._one_at_a_time:
            if self._drill is not None and self._drill.word == RUNNING:
                raise Clash("another trial restore is under way; wait for its end")
            files = await self.node.pool.run(partial(_files, self._places()))
            path = next((path for path, _, _ in files if path.name == name), None)
            if path is None:
                raise NotFound(f"there is no backup {name[:200]} on this machine")
            self._drill = Drill(name=name, word=RUNNING, began_at=self.node.clock.now())
            self._task = asyncio.create_task(self._run(by, path, passphrase.encode()), name="drill")

    def _places(self) -> Sequence[Path]:
        """The folder of this node's copies, and where the last one went."""
        data_dir = self.node.settings.node.data_dir
        known = status.last_backup(data_dir)
        places = [data_dir / "backups", *([Path(known.path).parent] if known else [])]
        return list(dict.fromkeys(places))

    async def _run(self, by: str, path: Path, passphrase: bytes) -> None:
        began = self._drill or Drill(name=path.name, word=RUNNING, began_at=self.node.clock.now())
        try:
            done = await self._restored(path, passphrase)
            ended = replace(began, word=EQUAL, rows=done.manifest.rows, files=done.files)
        except GatewayError as error:
            ended = replace(began, word=FAILED, code=error.code, fault=str(error))
        except Exception:
            # Nobody waits for this task: what is unforeseen must reach the page and the log.
            _LOG.exception("a trial restore failed in a way nobody foresaw")
            ended = replace(began, word=FAILED)
        self._drill = replace(ended, ended_at=self.node.clock.now())
        await self._tell(by, self._drill)

    async def _restored(self, path: Path, passphrase: bytes) -> restore.Restored:
        node = self.node
        data_dir = node.settings.node.data_dir
        done = await restore.drill(
            path, passphrase, data_dir, None, node.clock, node.pool, lambda what, count: None
        )
        await node.pool.run(partial(backup.note, data_dir, path, done.about.at, node.clock.now()))
        return done

    async def _tell(self, by: str, drill: Drill) -> None:
        told = {
            "file": drill.name,
            "outcome": drill.word,
            "rows": drill.rows,
            "files": drill.files,
            "detail": drill.fault[:500],
        }
        async with self.node.store.begin(AgencyScope(agency_id=NODE, principal_id=by)) as work:
            await work.events.append(EventKind.BACKUP_TESTED, "backup", self.node.clock.now(), told)
            await work.commit()


def _files(places: Sequence[Path]) -> list[tuple[Path, int, datetime]]:
    """Newest first."""
    found = []
    for place in places:
        for path in place.glob(f"*{SUFFIX}") if place.is_dir() else ():
            known = path.stat()
            found.append((path, known.st_size, datetime.fromtimestamp(known.st_mtime, UTC)))
    return sorted(found, key=lambda each: each[2], reverse=True)

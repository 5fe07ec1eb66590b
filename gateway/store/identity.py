"""Identity of the database: one that was put back or copied by its own tools shall not be taken for the one that this node
worked on. In: the database, and a file of the node's folder. Out: the mark of a restore; the node does not work
before two people have confirmed it (`store.restored`).

A server says itself which database it is, and on which timeline, which a fail-over and a restore to a moment change. An
SQLite file is the same after any copy: so its id changes every ten minutes, here and in the node's folder, and an older
copy has an id that the folder has not any more. The folder has two ids, because a crash may come before the commit; so a
copy of the last twenty minutes passes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Select, literal_column, select

from gateway import log, random_source
from gateway.atomic_files import write_private
from gateway.ports.services import Clock
from gateway.store import restored
from gateway.store.row import equal
from gateway.store.store import SqlStore
from gateway.store.tables_node import FolderMarkRow
from gateway.store.transaction import Transaction

_log = logging.getLogger(__name__)
PLACE = "database"
FILE = ".database"
RENEW_EVERY = timedelta(minutes=10)
_MARK = select(FolderMarkRow).where(equal(FolderMarkRow, place=PLACE))
_ON_SERVER: Select[str] = select(
    literal_column(
        "(SELECT concat_ws(':', system_identifier, (SELECT oid FROM pg_database WHERE datname = current_database()), "
        "left(pg_walfile_name(pg_current_wal_lsn()), 8)) FROM pg_control_system())"
    )
)


class DatabaseIdentity:
    """Identity of the database of one node, one object per process. Only a process with loops writes it."""

    def __init__(self, store: SqlStore, clock: Clock, node: str, folder: Path) -> None:
        self._store, self._clock, self._node, self._file = store, clock, node, folder / FILE
        self._renewed_at: datetime | None = None
        self.is_other = False

    async def check(self) -> None:
        """Mark the database as restored if it is not the one of before."""
        async with self._store.viewing_few() as tx:
            mark = await tx.first(FolderMarkRow, _MARK)
            self.is_other = mark is not None and mark.mark not in await self._right_ids(tx)
        if mark is None or not self.is_other:
            return
        log.action(_log, "node.other_database", "this database is not the one that this node worked on")
        if await restored.waiting(self._store) is None:
            await restored.mark_database(self._store, self._clock, self._node)
        # Only now: after a crash before the mark of the restore, the database is still another one.
        await self._write()

    async def renew(self) -> bool:
        """Check the identity, and renew it where it is due. Tell whether the database is another one."""
        await self.check()
        now = self._clock.now()
        if not self.is_other and (self._renewed_at is None or now - self._renewed_at >= RENEW_EVERY):
            await self._write()
            self._renewed_at = now
        return self.is_other

    async def _write(self) -> None:
        async with self._store.changing_rows() as tx:
            mark = await tx.first(FolderMarkRow, _MARK)
            if tx.asks_server:
                (new,) = await self._right_ids(tx)
            else:
                new = random_source.token_hex(16)
                # Before the commit, so that the folder never lacks the id of the database.
                write_private(self._file, f"{mark.mark if mark else ''}\n{new}\n".encode())
            if mark is None or mark.mark != new:
                await tx.upsert(FolderMarkRow(place=PLACE, mark=new, written_at=self._clock.now()))

    async def _right_ids(self, tx: Transaction) -> Sequence[str]:
        if tx.asks_server:
            return [str(await tx.scalar(_ON_SERVER))]
        return self._file.read_text("ascii").split() if self._file.exists() else ()

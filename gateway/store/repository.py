"""What the repositories of one agency have in common. In: an open transaction, an agency, statements that ask for it as
`agency`. Out: rows of that agency alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import Select

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.ports.services import Clock
from gateway.store.changes import NOBODY, Follower
from gateway.store.row import Row
from gateway.store.transaction import Transaction

R = TypeVar("R", bound=Row)


class AgencyRows:
    def __init__(self, tx: Transaction, scope: AgencyScope) -> None:
        self._tx = tx
        self._agency_id = scope.agency_id

    def _check_own(self, agency_id: str, what: str) -> None:
        if agency_id != self._agency_id:
            raise errors.NotFound(f"{what} belongs to another agency than this unit of work")

    async def _rows(self, kind: type[R], query: Select[Any], **asked: object) -> Sequence[R]:
        return await self._tx.rows(kind, query, agency=self._agency_id, **asked)

    async def _first(self, kind: type[R], query: Select[Any], **asked: object) -> R | None:
        return await self._tx.first(kind, query, agency=self._agency_id, **asked)

    async def _one(self, kind: type[R], query: Select[Any], missing: str, **asked: object) -> R:
        """NotFound with those words."""
        row = await self._first(kind, query, **asked)
        if row is None:
            raise errors.NotFound(missing)
        return row


class WatchedRows(AgencyRows):
    """Those that tell the time, or who follows the agency's documents."""

    def __init__(
        self, tx: Transaction, scope: AgencyScope, clock: Clock, follower: Follower = NOBODY
    ) -> None:
        super().__init__(tx, scope)
        self._clock = clock
        self._follower = follower

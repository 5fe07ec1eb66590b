"""The promise behind notices: rows of the node, each change with the events that tell of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from gateway.domain.event import EventKind
from gateway.office.domain.notice import Notice


class NoticeRows(Protocol):
    """Each call is durable on return."""

    async def open(self) -> Sequence[Notice]:
        """Those that nobody closed, newest first."""

    async def all(self, limit: int) -> Sequence[Notice]:
        """Newest first."""

    async def get(self, id: str) -> Notice: ...

    async def save(
        self,
        notice: Notice,
        kind: EventKind,
        agencies: Sequence[str],
        data: Mapping[str, object],
        by: str,
        at: datetime,
    ) -> None:
        """The row, in place of an older state of it that is still open, and the event in each agency's stream; the empty
        id is the node's own. Clash when it was closed before."""

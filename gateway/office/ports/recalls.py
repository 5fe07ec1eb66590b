"""The promise behind recalls that wait for the head of an agency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.office.domain.recall_ask import RecallAsk


class RecallAsks(Protocol):
    """Those of one agency."""

    async def add(self, ask: RecallAsk) -> None: ...

    async def get(self, id: str) -> RecallAsk:
        """NotFound for another agency's. In a writing unit of work it stays as it is until that ends."""

    async def of(self, document_id: str) -> Sequence[RecallAsk]:
        """All of one document, newest first."""

    async def open(self, limit: int) -> Sequence[RecallAsk]:
        """Those that wait, oldest first."""

    async def close(self, ask: RecallAsk) -> None:
        """Clash when it was closed before."""

"""From when on a key of ours signs nothing, and of which certificates' ends was told. In: an open transaction. Out: the
`KeyEnds` promise, shared by every process of this database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlmodel import col

from gateway.domain.key_use import KeyEnd
from gateway.store.people_tables import KeyEndRow, KeyNoticeRow
from gateway.store.transaction import Transaction

_R = KeyEndRow


class SqlKeyEnds:
    """Keeps the promise of `ports.KeyEnds`."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def put(self, end: KeyEnd) -> None:
        await self._tx.hold("key_end", end.agency_code)
        for known in await self.of(end.agency_code):
            if known.fingerprint == end.fingerprint:
                end = _earlier(known, end)
        row = KeyEndRow(
            agency_code=end.agency_code,
            fingerprint=end.fingerprint,
            key_id=end.key_id,
            at=end.at,
            stolen_since=end.stolen_since,
            by_principal=end.by,
        )
        await self._tx.put_over(row, "key_id", "at", "stolen_since", "by_principal")

    async def of(self, agency_code: str) -> Sequence[KeyEnd]:
        query = select(_R).where(col(_R.agency_code) == agency_code).order_by(col(_R.fingerprint))
        return [
            KeyEnd(
                agency_code=row.agency_code,
                key_id=row.key_id,
                fingerprint=row.fingerprint,
                at=row.at,
                by=row.by_principal,
                stolen_since=row.stolen_since,
            )
            for row in await self._tx.rows(_R, query)
        ]


async def first_notice(tx: Transaction, fingerprint: str, days: int, at: datetime) -> bool:
    """Whether nobody told of it before; from now on somebody did."""
    return await tx.put_new(KeyNoticeRow(fingerprint=fingerprint, days=days, at=at))


def _earlier(known: KeyEnd, end: KeyEnd) -> KeyEnd:
    since = [each for each in (known.stolen_since, end.stolen_since) if each is not None]
    return KeyEnd(
        agency_code=end.agency_code,
        key_id=end.key_id or known.key_id,
        fingerprint=end.fingerprint,
        at=min(known.at, end.at),
        by=end.by,
        stolen_since=min(since, default=None),
    )

"""Marks documents whose files are to be read for their words, and removes the words of documents that may not be read any
more. In: an open transaction; rows of lists as they were and as they are. Out: rows written with that
transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete
from sqlmodel import col

from gateway.store.row import among
from gateway.store.tables_office import ContentDueRow, ContentReadRow, ContentTextRow, ListRow
from gateway.store.transaction import Transaction
from gateway_office.domain.content import SEARCHED
from gateway_office.domain.listing import SIDES, Side

QUIET_TIME = timedelta(seconds=10)
"""Files are read when a new document has come to rest, so that reading does not compete with its delivery."""
_T, _READ = ContentTextRow, ContentReadRow
_FORGET_TEXTS = delete(_T).where(col(_T.agency_id) == bindparam("agency"), among(col(_T.document_id), "ids"))
_FORGET_READINGS = delete(_READ).where(
    col(_READ.agency_id) == bindparam("agency"), among(col(_READ.document_id), "ids")
)


def forget_words(tx: Transaction, agency_id: str, ids: Sequence[str]) -> None:
    """Remove all words of these documents' files with the transaction."""
    for statement in (_FORGET_TEXTS, _FORGET_READINGS):
        tx.change_later(statement, agency=agency_id, ids=list(ids))


def hide_words(
    tx: Transaction, agency_id: str, hidden: Mapping[str, tuple[Side, int]], now: datetime
) -> None:
    """Remove the words of documents that may not be read, by id with side and place. They are looked at once more: a
    document that is shown again before its list row was written gets no other mark."""
    if not hidden:
        return
    forget_words(tx, agency_id, sorted(hidden))
    tx.insert_missing(*(_mark(agency_id, id, side, at, now) for id, (side, at) in sorted(hidden.items())))


def due_marks(
    rows: Sequence[ListRow], stored: Mapping[tuple[str, str], ListRow], now: datetime
) -> Iterator[ContentDueRow]:
    """Make marks for documents whose files become readable: new ones, and those that were hidden or not sent before."""
    for row in rows:
        side, earlier = SIDES[row.side], stored.get((row.agency_id, row.id))
        states = SEARCHED[side]
        if row.own_state in states and (earlier is None or earlier.own_state not in states):
            yield _mark(row.agency_id, row.id, side, row.place, now)


def _mark(agency_id: str, id: str, side: Side, place: int, now: datetime) -> ContentDueRow:
    return ContentDueRow(
        agency_id=agency_id,
        document_id=id,
        side=side.value,
        place=place,
        not_before=now + QUIET_TIME,
        tries=0,
    )

"""Posts, delegations and mailboxes, on SQL. In: an open transaction. Out: the promises `Posts`, `Delegations` and
`Mailboxes`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, select, update
from sqlmodel import col

from gateway import errors
from gateway.office.domain.post import Delegation, Mailbox, Post, PostRole
from gateway.store.columns import from_json, to_json
from gateway.store.tables_office import DelegationRow, MailboxRow, PostRow
from gateway.store.transaction import Transaction

_P, _D, _M = PostRow, DelegationRow, MailboxRow


class SqlPosts:
    """Keeps the promise of `office.ports.accounts.Posts`."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def give(self, post: Post) -> None:
        row = PostRow(
            person_id=post.person_id,
            agency_id=post.agency_id,
            role=post.role.value,
            unit=post.unit,
            given_by=post.given_by,
            given_at=post.given_at,
            until=post.until,
        )
        await self._tx.put_over(row, "unit", "given_by", "given_at", "until")

    async def take(self, person_id: str, agency_id: str, role: PostRole) -> bool:
        this = (col(_P.person_id) == person_id, col(_P.agency_id) == agency_id, col(_P.role) == role.value)
        return await self._tx.change(delete(_P).where(*this)) == 1

    async def of(self, person_ids: Collection[str]) -> Sequence[Post]:
        return await self._found(select(_P).where(col(_P.person_id).in_(sorted(person_ids))))

    async def in_agency(self, agency_id: str) -> Sequence[Post]:
        return await self._found(select(_P).where(col(_P.agency_id) == agency_id))

    async def all(self) -> Sequence[Post]:
        return await self._found(select(_P))

    async def _found(self, query: Select[Any]) -> list[Post]:
        ordered = query.order_by(col(_P.person_id), col(_P.agency_id), col(_P.role))
        return [_post(row) for row in await self._tx.rows(_P, self._tx.kept(ordered))]


class SqlDelegations:
    """Keeps the promise of `office.ports.accounts.Delegations`."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, delegation: Delegation) -> None:
        row = DelegationRow(
            agency_id=delegation.agency_id,
            id=delegation.id,
            from_id=delegation.from_id,
            to_id=delegation.to_id,
            made_at=delegation.made_at,
            ends_at=delegation.ends_at,
            body=to_json(Delegation, delegation),
        )
        await self._tx.put(row)

    async def get(self, agency_id: str, id: str) -> Delegation:
        this = select(_D).where(col(_D.agency_id) == agency_id, col(_D.id) == id)
        row = await self._tx.first(_D, self._tx.kept(this))
        if row is None:
            raise errors.NotFound(f"this agency has no delegation {id}")
        return from_json(Delegation, row.body)

    async def save(self, delegation: Delegation) -> None:
        this = (col(_D.agency_id) == delegation.agency_id, col(_D.id) == delegation.id)
        body = to_json(Delegation, delegation)
        await self._tx.change(update(_D).where(*this).values(body=body, ends_at=delegation.ends_at))

    async def to(self, person_id: str, at: datetime) -> Sequence[Delegation]:
        mine = select(_D).where(col(_D.to_id) == person_id, col(_D.ends_at) > at)
        rows = await self._tx.rows(_D, mine.order_by(col(_D.made_at), col(_D.id)))
        found = (from_json(Delegation, row.body) for row in rows)
        return [each for each in found if each.ended_at is None]

    async def listed(self, agency_id: str, limit: int) -> Sequence[Delegation]:
        newest = select(_D).where(col(_D.agency_id) == agency_id)
        newest = newest.order_by(col(_D.made_at).desc(), col(_D.id).desc()).limit(limit)
        return [from_json(Delegation, row.body) for row in await self._tx.rows(_D, newest)]


class SqlMailboxes:
    """Keeps the promise of `office.ports.accounts.Mailboxes`."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, mailbox: Mailbox) -> None:
        row = MailboxRow(
            agency_id=mailbox.agency_id,
            name=mailbox.name,
            role=mailbox.role.value,
            made_by=mailbox.made_by,
            made_at=mailbox.made_at,
            closed_at=mailbox.closed_at,
        )
        if not await self._tx.put_new(row):
            raise errors.Clash(f"there is a mailbox named {mailbox.name} already")

    async def find(self, name: str) -> Mailbox | None:
        row = await self._tx.first(_M, select(_M).where(col(_M.name) == name))
        return None if row is None else _mailbox(row)

    async def listed(self, agency_id: str) -> Sequence[Mailbox]:
        mine = select(_M).where(col(_M.agency_id) == agency_id).order_by(col(_M.name))
        return [_mailbox(row) for row in await self._tx.rows(_M, mine)]

    async def close(self, agency_id: str, name: str, at: datetime) -> None:
        this = (col(_M.agency_id) == agency_id, col(_M.name) == name)
        if await self._tx.change(update(_M).where(*this).values(closed_at=at)) != 1:
            raise errors.NotFound(f"this agency has no mailbox {name}")


def _post(row: PostRow) -> Post:
    return Post(
        person_id=row.person_id,
        agency_id=row.agency_id,
        role=PostRole(row.role),
        unit=row.unit,
        given_by=row.given_by,
        given_at=row.given_at,
        until=row.until,
    )


def _mailbox(row: MailboxRow) -> Mailbox:
    return Mailbox(
        agency_id=row.agency_id,
        name=row.name,
        role=PostRole(row.role),
        made_by=row.made_by,
        made_at=row.made_at,
        closed_at=row.closed_at,
    )

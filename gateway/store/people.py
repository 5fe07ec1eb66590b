"""Persons who decide and what they sign in with, what they propose, and when our keys end, on SQL. In: an open
transaction. Out: the same, as last saved.

A person is a principal too, so that events and documents can name who acted. A proposal's row is never edited: it
is made, and closed once. From its end on a key of ours signs nothing, in every process of this database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.account import PrincipalKind
from gateway.domain.certificates import KeyEnd
from gateway.domain.person import (
    AccountStanding,
    Credentials,
    Person,
    Proposal,
    ProposalState,
    Role,
)
from gateway.domain.text import fold
from gateway.store.repository import NodeRows
from gateway.store.row import to_json, value_of
from gateway.store.tables_node import KeyEndRow, KeyNoticeRow, PersonRow, PrincipalRow, ProposalRow
from gateway.store.transaction import Transaction

_PERSON = PersonRow


class SqlPeople(NodeRows):
    """Persons and what they sign in with."""

    async def add(self, person: Person, credentials: Credentials) -> None:
        """Clash when somebody has that name, or one that reads the same."""
        called = person.name if person.login is None else f"{person.name} ({person.login})"
        principal = PrincipalRow(id=person.id, kind=PrincipalKind.PERSON.value, name=called, owner="")
        taken = errors.Clash(
            f"there is a person named {person.name} already, or one whose name reads the same"
        )
        if not await self._tx.put_new(principal):
            raise taken
        values = _columns(person) | _secrets(credentials)
        folded = fold(person.login or person.name)
        if not await self._tx.put_new(PersonRow(id=person.id, folded=folded, **values)):
            raise taken

    async def get(self, id: str) -> Person:
        """NotFound when nobody has that id. In a writing unit of work the person stays as answered until it ends."""
        return to_person(await self._kept(id))

    async def named(self, name: str) -> Person:
        """By name, accents and case ignored, or by the name to sign in with; NotFound when there is none."""
        query = select(_PERSON).where(
            (col(_PERSON.folded) == fold(name)) | (col(_PERSON.login) == fold(name))
        )
        missing, hint = f"there is no person {name!r}", "see who there is with: gateway people list"
        return to_person(await self._tx.one(_PERSON, self._tx.kept(query), missing, hint))

    async def names(self, ids: Collection[str]) -> Mapping[str, str]:
        """The name of each that there is."""
        wanted = select(col(_PERSON.id), col(_PERSON.name)).where(
            col(_PERSON.id).in_(bindparam("ids", expanding=True))
        )
        return dict(await self._tx.tuples(wanted, ids=sorted(set(ids)))) if ids else {}

    async def everybody(self) -> Sequence[Person]:
        """By name, blocked ones too."""
        query = select(_PERSON).order_by(col(_PERSON.folded), col(_PERSON.id))
        return [to_person(row) for row in await self._tx.rows(_PERSON, query)]

    async def save(self, person: Person) -> None:
        await self._change(person.id, _columns(person))

    async def credentials(self, id: str) -> Credentials:
        row = await self._kept(id)
        return Credentials(**{name: getattr(row, name) for name in _secrets(Credentials())})

    async def save_credentials(self, id: str, credentials: Credentials) -> None:
        await self._change(id, _secrets(credentials))

    async def use_step(self, id: str, step: int) -> bool:
        """False when this second factor, or a later one, was used before: it is good for one time."""
        earlier = update(_PERSON).where(col(_PERSON.id) == id, col(_PERSON.last_step) < step)
        return await self._tx.change(earlier.values(last_step=step)) == 1

    async def _kept(self, id: str) -> PersonRow:
        query = self._tx.kept(select(_PERSON).where(col(_PERSON.id) == id))
        return await self._tx.one(_PERSON, query, f"there is no person {id}")

    async def _change(self, id: str, values: dict[str, Any]) -> None:
        if await self._tx.change(update(_PERSON).where(col(_PERSON.id) == id).values(**values)) != 1:
            raise errors.NotFound(f"there is no person {id}")


def to_person(row: PersonRow) -> Person:
    """Columns that came later are empty in rows of before."""
    later = {
        "title": row.title or "",
        "standing": AccountStanding(row.standing or AccountStanding.ACTIVE),
        "standing_why": row.standing_why or "",
        "must_change": bool(row.must_change),
    }
    return value_of(Person, row, **later)


def _columns(person: Person) -> dict[str, Any]:
    values = {name: getattr(person, name) for name in Person.__dataclass_fields__ if name != "id"}
    roles = to_json(tuple[Role, ...], tuple(sorted(person.roles)))
    return values | {"roles": roles, "standing": person.standing.value}


def _secrets(credentials: Credentials) -> dict[str, Any]:
    return {name: getattr(credentials, name) for name in Credentials.__dataclass_fields__}


_PROPOSAL = ProposalRow


class SqlProposals(NodeRows):
    """What persons propose, and what became of it."""

    async def add(self, proposal: Proposal) -> None:
        self._tx.put(ProposalRow.of(proposal))

    async def get(self, id: str) -> Proposal:
        """NotFound when there is none. In a writing unit of work it stays as answered until that ends."""
        query = self._tx.kept(select(_PROPOSAL).where(col(_PROPOSAL.id) == id))
        missing, hint = f"there is no proposal {id}", "list them with: gateway proposals list"
        return value_of(Proposal, await self._tx.one(_PROPOSAL, query, missing, hint))

    async def listed(self, states: Sequence[ProposalState], limit: int) -> Sequence[Proposal]:
        """Newest first; without states all of them."""
        query = (
            select(_PROPOSAL)
            .order_by(col(_PROPOSAL.proposed_at).desc(), col(_PROPOSAL.id).desc())
            .limit(limit)
        )
        if states:
            query = query.where(col(_PROPOSAL.state).in_([each.value for each in states]))
        return [value_of(Proposal, row) for row in await self._tx.rows(_PROPOSAL, query)]

    async def close(self, id: str, state: ProposalState, by: str, at: datetime) -> None:
        """Clash when it is not open any more."""
        this = (col(_PROPOSAL.id) == id, col(_PROPOSAL.state) == ProposalState.OPEN.value)
        closed = update(_PROPOSAL).where(*this).values(state=state.value, decided_by=by, decided_at=at)
        if await self._tx.change(closed) != 1:
            raise errors.Clash(f"the proposal {id} is not open any more; look at it again")


_KEY_END = KeyEndRow


class SqlKeyEnds(NodeRows):
    """From when on the agency's keys sign nothing."""

    async def put(self, end: KeyEnd) -> None:
        """The earlier of both moments holds where the key has an end already."""
        await self._tx.hold("key_end", end.agency_code)
        for known in await self.of(end.agency_code):
            if known.fingerprint == end.fingerprint:
                end = _earlier(known, end)
        row = KeyEndRow.of(end, by_principal=end.by)
        await self._tx.put_over(row, "key_id", "at", "stolen_since", "by_principal")

    async def of(self, agency_code: str) -> Sequence[KeyEnd]:
        query = (
            select(_KEY_END)
            .where(col(_KEY_END.agency_code) == agency_code)
            .order_by(col(_KEY_END.fingerprint))
        )
        return [value_of(KeyEnd, row, by=row.by_principal) for row in await self._tx.rows(_KEY_END, query)]


async def first_notice(tx: Transaction, fingerprint: str, days: int, at: datetime) -> bool:
    """Whether nobody told of it before; from now on somebody did."""
    return await tx.put_new(KeyNoticeRow(fingerprint=fingerprint, days=days, at=at))


def _earlier(known: KeyEnd, end: KeyEnd) -> KeyEnd:
    since = [each for each in (known.stolen_since, end.stolen_since) if each is not None]
    return replace(
        end,
        key_id=end.key_id or known.key_id,
        at=min(known.at, end.at),
        stolen_since=min(since, default=None),
    )

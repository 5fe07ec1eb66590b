"""Persons with their credentials, their proposals, and the ends of own keys. In: an open transaction; these values. Out:
the values as last saved.

A person is also a principal, so that events and documents can name the actor. A proposal's row is inserted, closed once,
and never edited otherwise. After the end of an own key no process on this database signs with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
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
from gateway.store.row import among, to_json, value_of
from gateway.store.tables_node import KeyEndRow, KeyNoticeRow, PersonRow, PrincipalRow, ProposalRow
from gateway.store.transaction import Transaction

_BY_IDS = (
    select(PersonRow)
    .where(among(col(PersonRow.id), "ids"))
    .order_by(col(PersonRow.folded), col(PersonRow.id))
)
_NAMES = select(col(PersonRow.id), col(PersonRow.name)).where(among(col(PersonRow.id), "ids"))


class SqlPeople(NodeRows):
    """Repository of persons and their credentials."""

    async def add(self, person: Person, credentials: Credentials) -> None:
        """Add a person and its principal. Clash when the name is used already, or one that reads the same."""
        display_name = person.name if person.login is None else f"{person.name} ({person.login})"
        principal = PrincipalRow(id=person.id, kind=PrincipalKind.PERSON.value, name=display_name, owner="")
        name_clash = errors.Clash(
            f"there is a person named {person.name} already, or one whose name reads the same"
        )
        if not await self._tx.insert_new(principal):
            raise name_clash
        columns = _columns(person) | _secrets(credentials)
        folded = fold(person.login or person.name)
        if not await self._tx.insert_new(PersonRow(id=person.id, folded=folded, **columns)):
            raise name_clash

    async def get(self, id: str) -> Person:
        """Return a person. NotFound when the id is unknown; a writing unit of work locks the row until it ends."""
        return await self._load(to_person, PersonRow, f"there is no person {id}", id=id)

    async def find_by_name(self, name: str) -> Person:
        """Find a person by name, accents and case ignored, or by sign-in name. NotFound when there is none."""
        is_named = (col(PersonRow.folded) == fold(name)) | (col(PersonRow.login) == fold(name))
        query = self._tx.lock_rows(select(PersonRow).where(is_named))
        missing, hint = f"there is no person {name!r}", "see who there is with: gateway people list"
        return to_person(await self._tx.get(PersonRow, query, missing, hint))

    async def names(self, ids: Collection[str]) -> Mapping[str, str]:
        """Return the names of these persons by id; unknown ids are left out."""
        return dict(await self._tx.tuples(_NAMES, ids=sorted(set(ids)))) if ids else {}

    async def of_many(self, ids: Collection[str]) -> Sequence[Person]:
        """Return these persons, sorted by name."""
        return await self._tx.values(to_person, _BY_IDS, ids=sorted(set(ids))) if ids else []

    async def all(self) -> Sequence[Person]:
        """Return all persons, also blocked ones, sorted by name."""
        return await self._list(to_person, PersonRow, "folded", "id")

    async def save(self, person: Person) -> None:
        await self._save(person.id, _columns(person))

    async def credentials(self, id: str) -> Credentials:
        return await self._load(Credentials, PersonRow, f"there is no person {id}", id=id)

    async def save_credentials(self, id: str, credentials: Credentials) -> None:
        await self._save(id, _secrets(credentials))

    async def erase(self, id: str, name: str) -> None:
        """Leave nothing of the person but the id, which events name; `name` is shown in place of theirs. The account cannot
        be used any more."""
        nameless = {
            "folded": id,
            "name": name,
            "login": None,
            "title": None,
            "email": None,
            "standing_why": None,
        }
        await self._save(id, nameless | _secrets(Credentials()))
        of_person = update(PrincipalRow).where(col(PrincipalRow.id) == id)
        await self._tx.change(of_person.values(name=name))

    async def use_step(self, id: str, step: int) -> bool:
        """Record the use of a one-time password's time step. Return False when it, or a later one, was used before, because
        each may be used once."""
        earlier = update(PersonRow).where(col(PersonRow.id) == id, col(PersonRow.last_step) < step)
        return await self._tx.change(earlier.values(last_step=step)) == 1

    async def _save(self, id: str, columns: dict[str, Any]) -> None:
        if await self._tx.change(update(PersonRow).where(col(PersonRow.id) == id).values(**columns)) != 1:
            raise errors.NotFound(f"there is no person {id}")


def to_person(row: PersonRow) -> Person:
    """Convert a row to a person; columns of later versions, which are NULL in old rows, get defaults."""
    later_columns = {
        "title": row.title or "",
        "standing": AccountStanding(row.standing or AccountStanding.ACTIVE),
        "standing_why": row.standing_why or "",
        "must_change": bool(row.must_change),
    }
    return value_of(Person, row, **later_columns)


def _columns(person: Person) -> dict[str, Any]:
    columns = {name: getattr(person, name) for name in Person.__dataclass_fields__ if name != "id"}
    roles = to_json(tuple[Role, ...], tuple(sorted(person.roles)))
    return columns | {"roles": roles, "standing": person.standing.value}


def _secrets(credentials: Credentials) -> dict[str, Any]:
    return {name: getattr(credentials, name) for name in Credentials.__dataclass_fields__}


class SqlProposals(NodeRows):
    """Repository of the persons' proposals and their decisions."""

    async def add(self, proposal: Proposal) -> None:
        self._tx.insert(ProposalRow.from_value(proposal, agency_id=proposal.content.agency_id))

    async def get(self, id: str) -> Proposal:
        """Return a proposal. NotFound when there is none; a writing unit of work locks the row until it ends."""
        missing, hint = f"there is no proposal {id}", "list them with: gateway proposals list"
        return await self._load(Proposal, ProposalRow, missing, hint, id=id)

    async def list_in_states(self, states: Sequence[ProposalState], limit: int) -> Sequence[Proposal]:
        """Return up to `limit` proposals of trust in these states, or in any when none is given, the newest first."""
        query = (
            select(ProposalRow)
            .where(col(ProposalRow.agency_id).is_(None))
            .order_by(col(ProposalRow.proposed_at).desc(), col(ProposalRow.id).desc())
            .limit(limit)
        )
        if states:
            query = query.where(col(ProposalRow.state).in_([state.value for state in states]))
        return await self._tx.values(Proposal, query)

    async def of_rights(self, now: datetime, agency_id: str | None = None) -> Sequence[Proposal]:
        """Return the changes of rights that wait for a second person in an agency, or in all of them, the oldest first."""
        query = select(ProposalRow).where(
            col(ProposalRow.agency_id).is_not(None), col(ProposalRow.state) == ProposalState.OPEN.value
        )
        if agency_id is not None:
            query = query.where(col(ProposalRow.agency_id) == agency_id)
        ordered = query.order_by(col(ProposalRow.proposed_at), col(ProposalRow.id))
        proposals = await self._tx.values(Proposal, ordered)
        return [proposal for proposal in proposals if now < proposal.expires_at]

    async def close(self, id: str, state: ProposalState, by: str, at: datetime) -> None:
        """Close an open proposal with that state. Clash when it is not open any more."""
        is_open = self._where(ProposalRow, id=id, state=ProposalState.OPEN.value)
        query = update(ProposalRow).where(is_open).values(state=state.value, decided_by=by, decided_at=at)
        if await self._tx.change(query) != 1:
            raise errors.Clash(f"the proposal {id} is not open any more; look at it again")


class SqlKeyEnds(NodeRows):
    """Repository of key ends: the moments after which the agencies' keys may not sign."""

    async def save(self, end: KeyEnd) -> None:
        """Insert the end of a key; if there is one already, the earlier moments of both are stored."""
        await self._tx.hold("key_end", end.agency_code)
        for stored_end in await self.of_agency(end.agency_code):
            if stored_end.fingerprint == end.fingerprint:
                end = _earlier_end(stored_end, end)
        await self._tx.upsert(KeyEndRow.from_value(end, by_principal=end.by))

    async def of_agency(self, agency_code: str) -> Sequence[KeyEnd]:
        return await self._list(_to_end, KeyEndRow, "fingerprint", agency_code=agency_code)


async def claim_notice(tx: Transaction, fingerprint: str, days: int, at: datetime) -> bool:
    """Record that the notice about a certificate that ends soon is given now. Return False when it was given before."""
    return await tx.insert_new(KeyNoticeRow(fingerprint=fingerprint, days=days, at=at))


def _to_end(row: KeyEndRow) -> KeyEnd:
    return value_of(KeyEnd, row, by=row.by_principal)


def _earlier_end(stored_end: KeyEnd, end: KeyEnd) -> KeyEnd:
    moments = [moment for moment in (stored_end.stolen_since, end.stolen_since) if moment is not None]
    return replace(
        end,
        key_id=end.key_id or stored_end.key_id,
        at=min(stored_end.at, end.at),
        stolen_since=min(moments, default=None),
    )

"""Persons who decide and what they sign in with, on SQL. In: an open transaction. Out: the `People` promise. A person is a
principal too, so that events and documents can name who acted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.account import PrincipalKind
from gateway.domain.person import Credentials, Person, Role, Standing
from gateway.domain.text import fold
from gateway.store.account_tables import PrincipalRow
from gateway.store.columns import from_json, to_json
from gateway.store.people_tables import PersonRow
from gateway.store.transaction import Transaction

_R = PersonRow


class SqlPeople:
    """Keeps the promise of `ports.People`."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, person: Person, credentials: Credentials) -> None:
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
        row = await self._tx.first(_R, self._tx.kept(select(_R).where(col(_R.id) == id)))
        if row is None:
            raise errors.NotFound(f"there is no person {id}")
        return to_person(row)

    async def named(self, name: str) -> Person:
        query = select(_R).where((col(_R.folded) == fold(name)) | (col(_R.login) == fold(name)))
        row = await self._tx.first(_R, self._tx.kept(query))
        if row is None:
            raise errors.NotFound(
                f"there is no person {name!r}", hint="see who there is with: gateway people list"
            )
        return to_person(row)

    async def names(self, ids: Collection[str]) -> Mapping[str, str]:
        wanted = select(col(_R.id), col(_R.name)).where(col(_R.id).in_(bindparam("ids", expanding=True)))
        return dict(await self._tx.tuples(wanted, ids=sorted(set(ids)))) if ids else {}

    async def everybody(self) -> Sequence[Person]:
        query = select(_R).order_by(col(_R.folded), col(_R.id))
        return [to_person(row) for row in await self._tx.rows(_R, query)]

    async def save(self, person: Person) -> None:
        await self._change(person.id, _columns(person))

    async def credentials(self, id: str) -> Credentials:
        row = await self._tx.first(_R, self._tx.kept(select(_R).where(col(_R.id) == id)))
        if row is None:
            raise errors.NotFound(f"there is no person {id}")
        return Credentials(**{name: getattr(row, name) for name in _secrets(Credentials())})

    async def save_credentials(self, id: str, credentials: Credentials) -> None:
        await self._change(id, _secrets(credentials))

    async def use_step(self, id: str, step: int) -> bool:
        earlier = update(_R).where(col(_R.id) == id, col(_R.last_step) < step)
        return await self._tx.change(earlier.values(last_step=step)) == 1

    async def _change(self, id: str, values: dict[str, Any]) -> None:
        if await self._tx.change(update(_R).where(col(_R.id) == id).values(**values)) != 1:
            raise errors.NotFound(f"there is no person {id}")


def to_person(row: PersonRow) -> Person:
    return Person(
        id=row.id,
        name=row.name,
        roles=from_json(frozenset[Role], row.roles),
        added_by=row.added_by,
        added_at=row.added_at,
        roles_by=row.roles_by,
        roles_at=row.roles_at,
        enrolled_at=row.enrolled_at,
        blocked_at=row.blocked_at,
        login=row.login,
        title=row.title or "",
        email=row.email,
        standing=Standing(row.standing or Standing.ACTIVE),
        standing_why=row.standing_why or "",
        standing_by=row.standing_by,
        standing_at=row.standing_at,
        password_at=row.password_at,
        last_login_at=row.last_login_at,
        warned_at=row.warned_at,
        must_change=bool(row.must_change),
    )


def _columns(person: Person) -> dict[str, Any]:
    return {
        "name": person.name,
        "roles": to_json(tuple[Role, ...], tuple(sorted(person.roles))),
        "added_by": person.added_by,
        "added_at": person.added_at,
        "roles_by": person.roles_by,
        "roles_at": person.roles_at,
        "enrolled_at": person.enrolled_at,
        "blocked_at": person.blocked_at,
        "login": person.login,
        "title": person.title,
        "email": person.email,
        "standing": person.standing.value,
        "standing_why": person.standing_why,
        "standing_by": person.standing_by,
        "standing_at": person.standing_at,
        "password_at": person.password_at,
        "last_login_at": person.last_login_at,
        "warned_at": person.warned_at,
        "must_change": person.must_change,
    }


def _secrets(credentials: Credentials) -> dict[str, Any]:
    return {name: getattr(credentials, name) for name in Credentials.__dataclass_fields__}

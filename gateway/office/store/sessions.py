"""Sessions, failed tries, passwords of before and recovery codes, on SQL. In: an open transaction. Out: the promises
`Sessions`, `Tries` and `PastSecrets`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, func, or_, select, update
from sqlmodel import col

from gateway import errors
from gateway.office.domain.session import Ended, Factor, Session
from gateway.store.tables_office import PasswordPastRow, RecoveryCodeRow, SessionRow, SignInTryRow
from gateway.store.transaction import Transaction

_S, _T, _P, _C = SessionRow, SignInTryRow, PasswordPastRow, RecoveryCodeRow


class SqlSessions:
    """Keeps the promise of `office.ports.accounts.Sessions`."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, session: Session) -> None:
        await self._tx.put(from_domain(session))

    async def find(self, digest: str) -> Session | None:
        row = await self._tx.first(_S, self._tx.kept(select(_S).where(col(_S.digest) == digest)))
        return None if row is None else to_domain(row)

    async def get(self, id: str) -> Session:
        row = await self._tx.first(_S, self._tx.kept(select(_S).where(col(_S.id) == id)))
        if row is None:
            raise errors.NotFound(f"there is no session {id}")
        return to_domain(row)

    async def touch(self, digest: str, at: datetime) -> None:
        this = (col(_S.digest) == digest, col(_S.seen_at) < at)
        await self._tx.change(update(_S).where(*this).values(seen_at=at))

    async def renew(self, digest: str, renewed: Session) -> bool:
        this = (col(_S.digest) == digest, col(_S.ended_at).is_(None))
        return await self._tx.change(update(_S).where(*this).values(**from_domain(renewed).values())) == 1

    async def end(self, digest: str, at: datetime, why: Ended) -> bool:
        this = (col(_S.digest) == digest, col(_S.ended_at).is_(None))
        return await self._tx.change(update(_S).where(*this).values(ended_at=at, ended_why=why.value)) == 1

    async def end_all(
        self, person_id: str, at: datetime, why: Ended, but: str | None = None
    ) -> Sequence[str]:
        found = [each for each in await self.open_of(person_id) if each.digest != but]
        for each in found:
            await self.end(each.digest, at, why)
        return [each.id for each in found]

    async def open_of(self, person_id: str) -> Sequence[Session]:
        mine = (col(_S.person_id) == person_id, col(_S.ended_at).is_(None))
        query = self._tx.kept(select(_S).where(*mine).order_by(col(_S.began_at).desc(), col(_S.id).desc()))
        return [to_domain(row) for row in await self._tx.rows(_S, query)]

    async def sweep(self, before: datetime) -> int:
        gone = or_(col(_S.ends_at) < before, col(_S.ended_at) < before)
        return await self._tx.change(delete(_S).where(gone))


class SqlTries:
    """Keeps the promise of `office.ports.accounts.Tries`."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def of(self, key: str) -> tuple[int, datetime | None]:
        await self._tx.hold("sign_in_try", key)
        row = await self._tx.first(_T, select(_T).where(col(_T.key) == key))
        return (0, None) if row is None else (row.failures, row.last_at)

    async def save(self, key: str, failures: int, at: datetime | None) -> None:
        if failures and at is not None:
            await self._tx.put_over(
                SignInTryRow(key=key, failures=failures, last_at=at), "failures", "last_at"
            )
        else:
            await self._tx.change(delete(_T).where(col(_T.key) == key))

    async def sweep(self, before: datetime) -> int:
        return await self._tx.change(delete(_T).where(col(_T.last_at) < before))


class SqlPastSecrets:
    """Keeps the promise of `office.ports.accounts.PastSecrets`."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def passwords(self, person_id: str, limit: int) -> Sequence[str]:
        mine = select(_P).where(col(_P.person_id) == person_id).order_by(col(_P.at).desc())
        return [row.hashed for row in await self._tx.rows(_P, mine.limit(limit))]

    async def remember(self, person_id: str, hashed: str, at: datetime, keep: int) -> None:
        await self._tx.put_over(PasswordPastRow(person_id=person_id, at=at, hashed=hashed), "hashed")
        mine = select(_P).where(col(_P.person_id) == person_id).order_by(col(_P.at).desc())
        for row in (await self._tx.rows(_P, mine))[keep:]:
            await self._tx.change(delete(_P).where(col(_P.person_id) == person_id, col(_P.at) == row.at))

    async def put_codes(self, person_id: str, digests: Collection[str]) -> None:
        await self._tx.change(delete(_C).where(col(_C.person_id) == person_id))
        await self._tx.put(*(RecoveryCodeRow(person_id=person_id, digest=each) for each in digests))

    async def use_code(self, person_id: str, digest: str, at: datetime) -> bool:
        this = (col(_C.person_id) == person_id, col(_C.digest) == digest, col(_C.used_at).is_(None))
        return await self._tx.change(update(_C).where(*this).values(used_at=at)) == 1

    async def codes_left(self, person_id: str) -> int:
        mine = (col(_C.person_id) == person_id, col(_C.used_at).is_(None))
        ((count,),) = await self._tx.tuples(select(func.count()).select_from(_C).where(*mine))
        return int(count)


def to_domain(row: SessionRow) -> Session:
    return Session(
        id=row.id,
        digest=row.digest,
        person_id=row.person_id,
        agency_id=row.agency_id,
        factor=Factor(row.factor),
        began_at=row.began_at,
        seen_at=row.seen_at,
        ends_at=row.ends_at,
        address=row.address,
        agent=row.agent,
        ended_at=row.ended_at,
        ended_why=None if row.ended_why is None else Ended(row.ended_why),
    )


def from_domain(session: Session) -> SessionRow:
    return SessionRow(
        digest=session.digest,
        id=session.id,
        person_id=session.person_id,
        agency_id=session.agency_id,
        factor=session.factor.value,
        began_at=session.began_at,
        seen_at=session.seen_at,
        ends_at=session.ends_at,
        address=session.address,
        agent=session.agent,
        ended_at=session.ended_at,
        ended_why=session.ended_why.value if session.ended_why else None,
    )

"""The incidents of the sealed hold (R4). In: `Hold` values. Out: the same, as last saved, and which content must not be
stored again. Rows are never removed: digest, header and decision stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam, func, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.hold import OPEN, Hold, HoldState
from gateway.domain.identity import Digest
from gateway.store.repository import AgencyRows, Page
from gateway.store.row import from_json, to_json
from gateway.store.tables import HoldContentRow, HoldRow
from gateway.store.transaction import Transaction

_R, _C = HoldRow, HoldContentRow
_MINE = select(_R).where(col(_R.agency_id) == bindparam("agency"))
_BY_ID = _MINE.where(col(_R.id) == bindparam("id"))
_OPEN_OF = _MINE.where(col(_R.open_subject) == bindparam("subject"))
_UNSETTLED = select(_R).where(col(_R.is_settled).is_(False)).order_by(col(_R.begun_at), col(_R.id))
_KEEPS = (
    select(_R)
    .join(_C, (col(_C.agency_id) == col(_R.agency_id)) & (col(_C.hold_id) == col(_R.id)))
    .where(
        col(_R.agency_id) == bindparam("agency"),
        col(_C.digest) == bindparam("digest"),
        col(_R.state) != HoldState.LIFTED.value,
    )
)
_THIS = update(_R).where(col(_R.agency_id) == bindparam("agency"), col(_R.id) == bindparam("at_id"))


class SqlHolds(AgencyRows):
    """The incidents of one agency; they are never removed."""

    async def add(self, hold: Hold) -> None:
        """Clash while another hold of the same subject is open."""
        self._check_own(hold.agency_id, f"the hold {hold.id}")
        if not await self._tx.put_new(from_domain(hold)):
            raise errors.Clash(f"{hold.subject_id} is in the sealed hold already", code="GW-SEALED")
        sizes = {each.digest: each.size for each in hold.contents}
        self._tx.put(
            *(
                HoldContentRow(agency_id=self._agency_id, hold_id=hold.id, digest=digest, size=size)
                for digest, size in sizes.items()
            )
        )

    async def get(self, id: str) -> Hold:
        missing = f"this agency has no sealed hold {id}"
        return to_domain(await self._one(_R, self._tx.kept(_BY_ID), missing, id=id))

    async def save(self, hold: Hold) -> None:
        values = from_domain(hold).values("agency_id", "id")
        await self._tx.change(_THIS, agency=self._agency_id, at_id=hold.id, **values)

    async def open_of(self, subject_id: str) -> Hold | None:
        """The hold under which this document or packet is now."""
        row = await self._first(_R, self._tx.kept(_OPEN_OF), subject=subject_id)
        return to_domain(row) if row is not None else None

    async def keeps(self, digest: Digest) -> bool:
        """Whether content with this digest is held here, or was purged: it must not be stored again."""
        return await self._first(_R, _KEEPS, digest=digest) is not None

    async def page(
        self, *, limit: int, states: Sequence[HoldState] = (), cursor: str | None = None
    ) -> Page[Hold]:
        """Newest first, keyset."""
        values = [state.value for state in states]
        return await self._page(_R, "begun_at", to_domain, states=values, limit=limit, cursor=cursor)


async def unsettled(tx: Transaction) -> list[Hold]:
    """Of every agency."""
    return [to_domain(row) for row in await tx.rows(_R, _UNSETTLED)]


async def count_open(tx: Transaction) -> Mapping[str, int]:
    """Of every agency, by state."""
    open_ones = [state.value for state in OPEN]
    query = select(col(_R.state), func.count()).where(col(_R.state).in_(open_ones)).group_by(col(_R.state))
    return dict(tuple(row) for row in await tx.tuples(query))


def to_domain(row: HoldRow) -> Hold:
    return from_json(Hold, row.body)


def from_domain(hold: Hold) -> HoldRow:
    open_subject = hold.subject_id if hold.is_open else hold.id
    return HoldRow.of(hold, open_subject=open_subject, body=to_json(Hold, hold))

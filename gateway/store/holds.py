"""Incidents of the sealed hold, R4 (state secrets stay out). In: `Hold` values. Out: the values as last saved, and whether
content must not be stored again. Rows are never deleted: digest, header and decision stay."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select
from sqlmodel import col

from gateway import errors
from gateway.domain.hold import OPEN, Hold, HoldState
from gateway.domain.identity import Digest
from gateway.store.repository import AgencyRows, Page
from gateway.store.row import from_json, same, to_json
from gateway.store.tables import HoldContentRow, HoldRow

UNSETTLED = (
    select(HoldRow).where(col(HoldRow.is_settled).is_(False)).order_by(col(HoldRow.begun_at), col(HoldRow.id))
)
IS_OPEN = col(HoldRow.state).in_([state.value for state in OPEN])
_WITH_DIGEST = (
    select(HoldRow)
    .join(HoldContentRow, same(HoldContentRow.hold_id, HoldRow.id))
    .where(
        col(HoldRow.agency_id) == bindparam("agency"),
        col(HoldContentRow.digest) == bindparam("digest"),
        col(HoldRow.state) != HoldState.LIFTED.value,
    )
)


class SqlHolds(AgencyRows):
    """Repository of one agency's sealed holds, which are never deleted."""

    async def add(self, hold: Hold) -> None:
        """Add a hold. Clash while another hold of the same subject is open."""
        self._check_own(hold.agency_id, f"the hold {hold.id}")
        if not await self._tx.insert_new(from_domain(hold)):
            raise errors.Clash(f"{hold.subject_id} is in the sealed hold already", code="GW-SEALED")
        sizes = {content.digest: content.size for content in hold.contents}
        self._tx.insert(
            *(
                HoldContentRow(agency_id=self._agency_id, hold_id=hold.id, digest=digest, size=size)
                for digest, size in sizes.items()
            )
        )

    async def get(self, id: str) -> Hold:
        return await self._load(to_domain, HoldRow, f"this agency has no sealed hold {id}", id=id)

    async def save(self, hold: Hold) -> None:
        await self._tx.update(from_domain(hold), self._where(HoldRow))

    async def open_of(self, subject_id: str) -> Hold | None:
        """Return the open hold of this document or packet, None when there is none."""
        return await self._find(to_domain, HoldRow, open_subject=subject_id)

    async def keeps(self, digest: Digest) -> bool:
        """Tell whether content with this digest is in a hold that was not lifted; it must not be stored again."""
        return await self._value(to_domain, _WITH_DIGEST, digest=digest) is not None

    async def page(
        self, *, limit: int, states: Sequence[HoldState] = (), cursor: str | None = None
    ) -> Page[Hold]:
        """Return one page of holds and the cursor of the next, the newest first."""
        words = [state.value for state in states]
        return await self._page(HoldRow, "begun_at", to_domain, states=words, limit=limit, cursor=cursor)


def to_domain(row: HoldRow) -> Hold:
    return from_json(Hold, row.body)


def from_domain(hold: Hold) -> HoldRow:
    open_subject = hold.subject_id if hold.is_open else hold.id
    return HoldRow.from_value(hold, open_subject=open_subject, body=to_json(Hold, hold))

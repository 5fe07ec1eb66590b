"""The axis's dead list, for the pages of operations. In: an open node. Out: what
`office.web.ports_operations.DeadLetters` promises. An axis gives a parcel out again before it takes it off its list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.errors import GatewayError, NotFound
from gateway.office.bootstrap.office import Office
from gateway.office.domain.post import NODE
from gateway.office.web.ports_operations import Claims
from gateway.ops import explain
from gateway.ports import DeadParcel

PIECE = 256 * 1024
# Routing and form; what the document is about stands in none of them.
_SHOWN = ("dialect", "kind", "from", "to", "document_id", "code_number", "code_notation", "issued_date")


@dataclass(frozen=True, slots=True)
class AxisDeadLetters:
    """Keeps the promise of `office.web.ports_operations.DeadLetters`."""

    node: Office

    async def all(self) -> Sequence[DeadParcel]:
        return await self.node.axis.dead_list()

    async def get(self, id: str) -> DeadParcel:
        found = next((each for each in await self.all() if each.id == id), None)
        if found is None:
            raise NotFound(f"no parcel {id[:80]!r} is on the dead list")
        return found

    async def claims(self, id: str, lang: str) -> Claims:
        parcel = await self.get(id)
        own = {
            code.casefold()
            for each in await self.node.store.hosted()
            if each.left_at is None
            for code in (each.code, *each.aliases)
        }
        hosted = tuple(code for code in parcel.recipient.split() if code.casefold() in own)
        file = await self.node.axis.dead_open(id)
        told = await self.node.pool.run(partial(_explained, file))
        if "error" in told:
            error = told["error"]
            return Claims(text="", fault=f"{error['code']} {error['detail']}", hosted=hosted)
        return Claims(text=explain.to_text(_routing(told), lang), hosted=hosted)

    async def retry(self, by: str, ids: Sequence[str]) -> int:
        known = {each.id: each for each in await self.all()}
        wanted = [known[each] for each in dict.fromkeys(ids) if each in known]
        done = 0
        for parcel in wanted:
            await self._tell(by, EventKind.PARCEL_RETRIED, parcel)
            try:
                await self.node.axis.dead_retry(parcel.id)
                done += 1
            except NotFound:
                continue
        self.node.store.wake.ring("landing", "sequencer")
        return done

    async def drop(self, by: str, id: str, why: str) -> None:
        await self._tell(by, EventKind.PARCEL_DROPPED, await self.get(id), why=why)
        await self.node.axis.dead_drop(id, why)
        self.node.store.wake.ring("sequencer")

    async def _tell(self, by: str, kind: EventKind, parcel: DeadParcel, **more: object) -> None:
        """Before the act: whoever interrupts it has asked for it."""
        told = {
            "packet": parcel.packet_id,
            "from": parcel.sender,
            "to": parcel.recipient,
            "reason": parcel.reason[:500],
        }
        async with self.node.store.begin(AgencyScope(agency_id=NODE, principal_id=by)) as work:
            await work.events.append(kind, f"parcel:{parcel.id}", self.node.clock.now(), told | more)
            await work.commit()


def _explained(file: BinaryIO) -> dict[str, Any]:
    # Any: what an envelope says has many shapes
    with file:
        try:
            return explain.explain_pieces(iter(partial(file.read, PIECE), b""))
        except GatewayError as error:
            return explain.failure(error)


def _routing(told: dict[str, Any]) -> dict[str, Any]:
    """The same keys with everything else empty."""
    empty: dict[str, Any] = {key: [] if isinstance(value, list) else None for key, value in told.items()}
    kept = {key: told[key] for key in (*_SHOWN, "signature", "findings")}
    return {**empty, **kept}

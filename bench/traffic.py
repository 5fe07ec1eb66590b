"""Sends files as documents through an open node and waits until the receiver's 01 is back. In: a node, PDFs. Out: the
accepted documents, and later how long each leg took. Uses the same steps as a front door, so that nothing is left out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from time import perf_counter

from sqlalchemy import select
from sqlmodel import col

from bench.stage import RECEIVER, SENDER
from gateway.domain.account import AgencyScope
from gateway.domain.document import Draft, FileRole, OutgoingDocument, Recipient, RecipientRole, Signer
from gateway.domain.event import EventKind
from gateway.outgoing import accept, intake
from gateway.outgoing.intake import Order
from gateway.store.row import among, one_of
from gateway.store.tables import DeliveryRow
from gateway_office.bootstrap.office import Office

PATIENCE_S = 300.0
LOOK_S = 0.1  # how late an answer may be noticed; polling more often would cost CPU that is to be measured
_ENDED = ("delivered", "failed", "rejected")
_ENDS = select(col(DeliveryRow.document_id), col(DeliveryRow.state)).where(
    among(col(DeliveryRow.agency_id), "agencies"),
    among(col(DeliveryRow.document_id), "ids"),
    one_of(col(DeliveryRow.state), _ENDED),
)
PIECE = 64 * 1024  # about the bytes of one read of a socket
AHEAD = 16 * PIECE  # read in one go: waiting for the disk is not measured
# The event that ends each leg, in order.
LEGS = {
    "accepted": EventKind.MESSAGE_ACCEPTED,
    "packed": EventKind.MESSAGE_QUEUED,
    "on the axis": EventKind.DELIVERY_SENT,
    "landed": EventKind.INBOX_LANDED,
    "admitted": EventKind.INBOX_RECEIVED,
    "01 back": EventKind.DELIVERY_STATUS,
}


class Failed(Exception):
    """A document did not come there and back."""


async def scope_of(node: Office, code: str = SENDER) -> AgencyScope:
    """Return the scope of a caller of that agency."""
    agency = await node.store.accounts.hosted_by_code(code)
    if agency is None:
        raise Failed(f"this node does not host {code}")
    return AgencyScope(agency_id=agency.id, principal_id="bench")


async def send(node: Office, scope: AgencyScope, paper: Path, number: str) -> OutgoingDocument:
    """Send the paper as the document of that number."""
    draft = Draft(
        number=number,
        symbol="TN-BENCH",
        issued_on=node.out.today(),
        type_name="Công văn",
        subject="V/v đo hiệu năng",
        signer=Signer(name="Người Ký Mẫu", title="Chủ tịch"),
        recipients=(Recipient(code=RECEIVER, role=RecipientRole.TO_ACT),),
        reply_required=False,
    )
    async with intake.receive_files(node.out) as request_files:
        await request_files.add("file", "van-ban.pdf", FileRole.LEAD, _chunks(node, paper))
        accepted = await accept.accept(
            node.out, scope, Order(draft=draft, confirm=("recipient-unhosted",)), request_files
        )
    if accepted.document is None:
        raise Failed(f"document {number} was not accepted")
    return accepted.document


class Answers:
    """Waits for the 01 of many documents with one query for all of them."""

    def __init__(self, node: Office) -> None:
        self._node = node
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._agencies: set[str] = set()

    async def wait_for_answer(self, document: OutgoingDocument) -> None:
        """Wait until the receiver's 01 is recorded; `Failed` says where the document is stuck."""
        self._agencies.add(document.agency_id)
        self._waiting[document.id] = answer = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await answer
        except TimeoutError as late:
            counts = await self._node.store.counts()
            raise Failed(f"{document.id} has no 01 after {PATIENCE_S:.0f} s; rows: {counts}") from late
        finally:
            del self._waiting[document.id]

    async def look(self) -> None:
        """Poll for ever, and not oftener than `LOOK_S`."""
        while True:
            await asyncio.sleep(LOOK_S)
            if not self._waiting:
                continue
            async with self._node.store.viewing_few() as tx:
                ended = await tx.tuples(_ENDS, agencies=list(self._agencies), ids=list(self._waiting))
            for id, state in ended:
                if (answer := self._waiting.get(id)) is None or answer.done():
                    continue
                if state == "delivered":
                    answer.set_result(None)
                else:
                    answer.set_exception(Failed(f"{id} is {state}"))


@asynccontextmanager
async def answers(node: Office) -> AsyncIterator[Answers]:
    """Poll for answers while the body runs."""
    waiting = Answers(node)
    looking = asyncio.create_task(waiting.look())
    try:
        yield waiting
    finally:
        looking.cancel()
        await asyncio.wait({looking})
        if not looking.cancelled() and (error := looking.exception()) is not None:
            raise error


async def there_and_back(
    node: Office, papers: Sequence[Path], first: int, at_once: int, every_s: float = 0.0
) -> list[float]:
    """Return the seconds of each: a caller sends its next when the 01 of its last is back, one every `every_s`."""
    scope = await scope_of(node)
    waiting = list(enumerate(papers, start=first))[::-1]
    seconds: list[float] = []
    due = perf_counter()

    async def caller(answers: Answers) -> None:
        nonlocal due
        while waiting:
            number, paper = waiting.pop()
            if every_s:
                due = max(due + every_s, perf_counter())
                await asyncio.sleep(due - perf_counter())
            begun = perf_counter()
            await answers.wait_for_answer(await send(node, scope, paper, str(number)))
            seconds.append(perf_counter() - begun)

    async with answers(node) as waiting_answers, asyncio.TaskGroup() as callers:
        for _ in range(at_once):
            callers.create_task(caller(waiting_answers))
    return seconds


async def settled(node: Office) -> None:
    """Wait until every event so far has its number, every document its row of lists, and every day its figures."""
    while (
        await node.store.number_events()
        or await node.store.fold_lists(100)
        or await node.store.work_out_day()
    ):
        pass


async def legs(node: Office, begun: datetime) -> dict[str, float]:
    """Return the seconds from `begun`, before the one document since then was sent, to the end of each leg, on one node."""
    ended: dict[str, float] = {}
    names = {kind: leg for leg, kind in LEGS.items()}
    await settled(node)
    last_number = 0
    while events := await node.store.events_after(None, last_number, 500):
        last_number = events[-1].node_seq or 0
        for event in events:
            leg = names.get(event.kind)
            if leg is not None and event.at >= begun and leg not in ended:
                ended[leg] = round((event.at - begun).total_seconds(), 4)
    return ended


async def _chunks(node: Office, paper: Path) -> AsyncIterator[bytes]:
    """Yield the file as it would come in; it is read off the node's loop, because the reading is not the node's."""
    if paper.stat().st_size <= PIECE:
        yield paper.read_bytes()
        return
    with paper.open("rb") as file:
        while read := await node.pool.run(partial(file.read, AHEAD)):
            for start in range(0, len(read), PIECE):
                yield read[start : start + PIECE]

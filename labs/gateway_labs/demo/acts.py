"""The acts of the demonstration's scenes, all repeatable: send, take in, answer, recall; and waiting for the
workers. In: the cast's words. Out: documents in their present state, or an error that says what did not happen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from typing import Any, ClassVar

from gateway.bootstrap.node import OpenNode
from gateway.domain.account import AgencyScope
from gateway.domain.document import (
    Assignment,
    DeliveryMode,
    DocumentChange,
    Draft,
    FileRole,
    IncomingDocument,
    Kind,
    OutgoingDocument,
    Recipient,
    RecipientRole,
    ReplyLink,
    Signer,
    Staff,
    Urgency,
)
from gateway.errors import GatewayError
from gateway.incoming import act
from gateway.incoming.act import StatusCall
from gateway.outgoing import accept, intake
from gateway.outgoing import recall as asking
from gateway.outgoing.intake import Order
from gateway.policy.verdict import ReasonCode
from gateway.stopwatch import note_arrival
from gateway_labs.demo.stage import Cast

# How long one step of the story may take before it counts as failed.
PATIENCE_S = 60.0
# How often a dozen waiting steps poll, without taking the machine from the workers.
LOOK_S = 0.1


@dataclass(slots=True)
class Acts:
    """Acts on an open node whose workers run."""

    patience_s: ClassVar[float] = PATIENCE_S

    node: OpenNode
    cast: Cast

    async def send(
        self,
        sender: str,
        key: str,
        receivers: Sequence[str],
        *,
        urgency: Urgency = Urgency.NORMAL,
        due_in: int | None = None,
        secrecy: str = "none",
        replies_to: OutgoingDocument | None = None,
        kind: Kind = Kind.DOCUMENT,
        parent: OutgoingDocument | None = None,
        change: DocumentChange | None = None,
        pages: int | None = None,
        mode: DeliveryMode = DeliveryMode.ELECTRONIC,
    ) -> OutgoingDocument:
        scope = await self.scope(sender)
        cast_document = self.cast.document(key)
        today = self.node.out.today()
        issued_on = self.cast.issued_on(key, today)
        draft = replace(
            self.draft(cast_document, issued_on, receivers),
            external_id=f"story-{key}",
            pages=pages,
            reply_required=due_in is not None,
            reply_due=today + timedelta(days=due_in) if due_in is not None else None,
            urgency=urgency,
            secrecy=secrecy,
            delivery_mode=mode,
            replies_to=(_link(replies_to),) if replies_to else (),
        )
        # That recipient is not hosted yet, which its senders have read.
        confirm = (ReasonCode.RECIPIENT_UNHOSTED.value,) if "unconnected" in receivers else ()
        parent_id = parent.id if parent else None
        order = Order(draft=draft, kind=kind, parent_id=parent_id, change=change, confirm=confirm)
        async with intake.receive_files(self.node.out) as request_files:
            for n, file in enumerate(cast_document["files"]):
                role = FileRole.LEAD if n == 0 else FileRole.APPENDIX
                content = await self.node.pool.run(partial(self.cast.file, key, n, issued_on))
                await request_files.add(role, file, role, in_one(content))
            with note_arrival(self.node.clock.now()):
                accepted = await accept.accept(self.node.out, scope, order, request_files)
        if accepted.document is None:
            raise GatewayError(f"the story's document {key} was not accepted")
        return accepted.document

    def draft(self, cast_document: Mapping[str, Any], issued_on: date, receivers: Sequence[str]) -> Draft:
        """Return the draft of one document of the cast."""
        name, title, competence = cast_document["signer"]
        # A document with another agency's seal may leave to be known alone.
        role = RecipientRole.TO_KNOW if "sealed_by" in cast_document else RecipientRole.TO_ACT
        return Draft(
            number=cast_document["number"],
            symbol=cast_document["symbol"],
            issued_on=issued_on,
            type_name=cast_document["type"],
            subject=cast_document["subject"],
            place=self.cast.words("place"),
            signer=Signer(name=name, title=title, competence=competence),
            recipients=tuple(Recipient(code=self.cast.code(actor), role=role) for actor in receivers),
            staff=self.clerk(),
        )

    async def take_in(
        self, actor: str, document: OutgoingDocument, codes: Sequence[str], register_no: str | None = None
    ) -> None:
        for code in codes:
            assignment = (
                Assignment(lead_unit=self.cast.words("lead_unit"), instruction=self.cast.words("instruction"))
                if code == "04" and not await self.has(actor, document, "04")
                else None
            )
            call = StatusCall(
                code=code,
                staff=self.clerk(),
                register_no=register_no if code == "03" else None,
                assignment=assignment,
            )
            await self.status(actor, document, call)

    async def status(self, actor: str, document: OutgoingDocument, call: StatusCall) -> None:
        arrived = await self.wait_for_arrival(actor, document)
        await act.set_status(self.node.inn, await self.scope(actor), arrived.id, call)

    async def refuse(self, actor: str, document: OutgoingDocument) -> None:
        """Refuse a document for an appendix that is missing."""
        note = self.cast.words("missing_appendix")
        call = StatusCall(code="02", reason="MISSING_FILE", note=note, staff=self.clerk())
        await self.status(actor, document, call)

    async def answer(
        self, actor: str, document: OutgoingDocument, code: str, note: str | None = None
    ) -> None:
        """Answer the request once it is there; an answer given before is not given again."""
        if await self.has(actor, document, code):
            return
        await self.wait_until(lambda: self.has(actor, document, "asked"))
        await self.status(actor, document, StatusCall(code=code, note=note, staff=self.clerk()))

    async def recall(self, document: OutgoingDocument, sender: str = "province") -> None:
        scope = await self.scope(sender)
        async with self.node.store.read(scope) as work:
            recalls = [
                child for child in await work.outgoing.children(document.id) if child.kind is Kind.RECALL
            ]
        if not recalls:
            await self.wait_until(lambda: self.stands(sender, document, "delivered", "accepted", "assigned"))
            await asking.recall(
                self.node.out,
                scope,
                document.id,
                reason=self.cast.words("recall_reason"),
                approved_by=self.cast.words("approved_by"),
                notice_no=f"TB-{document.draft.number}",
            )

    async def wait_for_arrival(self, actor: str, document: OutgoingDocument) -> IncomingDocument:
        """Return the document as the receiver has it, once it has it."""
        copies: list[IncomingDocument] = []

        async def is_here() -> bool:
            async with self.node.store.read(await self.scope(actor)) as work:
                rows = await work.incoming.by_document_id(
                    document.document_id.split(",", 1)[0], document.document_id
                )
            copies[:] = [row for row in rows if row.packet_id == document.packet_id]
            return bool(copies)

        await self.wait_until(is_here)
        return copies[0]

    async def has(self, actor: str, document: OutgoingDocument, code: str) -> bool:
        arrived = await self.wait_for_arrival(actor, document)
        async with self.node.store.read(await self.scope(actor)) as work:
            return any(fact.code == code for fact in await work.facts.of_subject(arrived.id))

    async def asked_of(self, document: OutgoingDocument) -> int:
        async with self.node.store.read(await self.scope("province")) as work:
            deliveries = await work.deliveries.of_document(document.id)
            facts = [fact for delivery in deliveries for fact in await work.facts.of_subject(delivery.id)]
        return sum(fact.code == "asked" for fact in facts)

    async def stands(self, actor: str, document: OutgoingDocument, *states: str) -> bool:
        async with self.node.store.read(await self.scope(actor)) as work:
            return all(
                delivery.state in states for delivery in await work.deliveries.of_document(document.id)
            )

    async def wait_until(self, true: Callable[[], Awaitable[bool]]) -> None:
        """Wait for the workers; raise with the rows by state rather than wait for ever."""
        try:
            async with asyncio.timeout(self.patience_s):
                while not await true():
                    await self.node.clock.sleep(LOOK_S)
        except TimeoutError as late:
            counts = await self.node.store.counts()
            raise GatewayError(
                f"the story waited {self.patience_s:.0f} s in vain; rows by state: {counts}"
            ) from late

    async def scope(self, actor: str) -> AgencyScope:
        agency = await self.node.store.accounts.hosted_by_code(self.cast.code(actor))
        if agency is None:
            raise GatewayError(f"the stage has no agency {actor}")
        return AgencyScope(agency_id=agency.id, principal_id="demo")

    def clerk(self) -> Staff:
        return Staff(**self.cast.data["clerk"])


def _link(document: OutgoingDocument) -> ReplyLink:
    issued = document.draft.issued_on
    if issued is None:
        raise GatewayError(f"{document.id} has no date to answer it by")
    return ReplyLink(
        agency=document.document_id.split(",", 1)[0],
        number=document.draft.code,
        date=issued,
        document_id=document.document_id,
    )


async def in_one(content: bytes) -> AsyncIterator[bytes]:
    yield content

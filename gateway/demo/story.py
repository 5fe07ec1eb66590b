"""Tells the demonstration's story on one node, unattended: documents to several agencies, one urgent, one refused by a
rule, a refusal and its correction, a reply, an update, a replacement, recalls agreed and refused, statuses 01 to 06.
In: a staged folder. Out: a `Result`. Each step may be repeated, so a story cut short ends as if it had not been."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any

from gateway.bootstrap import Node, Wrap, open_node
from gateway.demo import audit, stage
from gateway.demo.stage import Cast
from gateway.domain.account import AgencyScope
from gateway.domain.document import (
    Assignment,
    Change,
    DeliveryMode,
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
from gateway.errors import GatewayError, Refused
from gateway.incoming import act
from gateway.incoming.act import StatusCall
from gateway.outgoing import accept, intake, recall
from gateway.outgoing.order import Order
from gateway.ports import Clock

# How long one step of the story may take before it is told as failed.
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of everything the story sent."""

    documents: int
    deliveries: int
    by_state: dict[str, int]
    lost: int
    doubled: int
    seconds: float
    wrong: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Every delivery is where the story expects it, nothing lost, nothing doubled."""
        return not self.wrong and self.lost == 0 and self.doubled == 0

    def as_json(self) -> dict[str, Any]:
        return {
            "documents": self.documents,
            "deliveries": self.deliveries,
            "by_state": self.by_state,
            "lost": self.lost,
            "doubled": self.doubled,
            "seconds": self.seconds,
        }


async def once(
    keep: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
    wrap: Wrap | None = None,
    clock: Clock | None = None,
    envelopes: bool = True,
) -> Result:
    """The whole story in its own folder. `keep`: where the node's data, the envelopes and the trust folder stay. Told
    again in a folder where it was cut short, it ends as if it had not been."""
    began = monotonic()
    with tempfile.TemporaryDirectory(prefix="gateway-demo-") as temporary:
        folder = keep or Path(temporary)
        settings = stage.settings_for(folder)
        await stage.prepare(settings, clock)
        async with open_node(settings, clock=clock, wrap=wrap) as node:
            await stage.register(node)
            async with at_work(node):
                story = Story(node=node, cast=stage.cast(), say=say)
                await story.tell()
                await story.settled()
            wrong = await story.unexpected()
            found = await audit.count(node)
            if keep is not None and envelopes:
                await audit.keep_envelopes(node, keep / "envelopes")
    return Result(
        documents=found.documents,
        deliveries=found.deliveries,
        by_state=found.by_state,
        lost=found.lost,
        doubled=found.doubled,
        seconds=round(monotonic() - began, 3),
        wrong=tuple(wrong),
    )


@asynccontextmanager
async def at_work(node: Node) -> AsyncIterator[None]:
    """The node's workers run while the body does."""
    stop = asyncio.Event()
    working = asyncio.create_task(node.run_workers(stop))
    try:
        yield
    finally:
        stop.set()
        await working


@dataclass(slots=True)
class Story:
    """The story on an open node whose workers run."""

    node: Node
    cast: Cast
    say: Callable[[str], None]
    expected: dict[tuple[str, str], str] = field(default_factory=dict)

    async def tell(self) -> None:
        """Every scene, in order."""
        await self._request_and_reply()
        await self._urgent_and_replaced()
        await self._refused_by_a_rule()
        await self._refused_and_corrected()
        await self._recalled_before_it_was_taken_in()
        await self._recall_refused()
        await self._taken_back()

    async def _request_and_reply(self) -> None:
        """A document to two agencies; one handles it to the end and replies; its deadline is moved by an update."""
        request = await self._send("province", "request", ("department", "commune"), due_in=7)
        await self._take_in("department", request, ("03", "04", "05"))
        await self._take_in("commune", request, ("03",))
        update = await self._send(
            "province",
            "request-updated",
            ("department",),
            due_in=14,
            kind=Kind.UPDATE,
            parent=request,
            change=Change(reason=self.cast.words("update_reason"), target=request.document_id),
        )
        await self._answer("department", request, "15")
        reply = await self._send("department", "reply", ("province",), replies_to=request)
        await self._take_in("province", reply, ("03",), register_no="1245")
        await self._take_in("department", request, ("06",))
        self._expect("request", "department", "done")
        self._expect("request", "commune", "accepted")
        self._expect("reply", "province", "accepted")
        self._expect("request-updated", "department", "delivered")
        self.say(
            f"{request.draft.code}: sent to two agencies, updated by {update.id}, answered by {reply.draft.code}"
        )

    async def _urgent_and_replaced(self) -> None:
        invitation = await self._send("province", "invitation", ("department",), urgency=Urgency.EXPRESS)
        await self._take_in("department", invitation, ("03",))
        replacement = await self._send(
            "province",
            "invitation-replaced",
            ("department",),
            urgency=Urgency.EXPRESS,
            kind=Kind.REPLACEMENT,
            parent=invitation,
            change=Change(
                reason=self.cast.words("replace_reason"),
                replaces=((invitation.document_id, (self.cast.code("department"),)),),
            ),
        )
        await self._take_in("department", replacement, ("03",))
        self._expect("invitation", "department", "accepted")
        self._expect("invitation-replaced", "department", "accepted")
        self.say(f"{invitation.draft.code}: express, replaced by {replacement.draft.code}")

    async def _refused_by_a_rule(self) -> None:
        try:
            await self._send("province", "secret", ("commune",), secrecy="mat")
        except Refused as refusal:
            self.say(f"refused before anything was stored: {refusal.verdict}")
            return
        raise GatewayError("the story expects a declared secret to be refused")

    async def _refused_and_corrected(self) -> None:
        notice = await self._send("province", "notice", ("commune",))
        await self._status(
            "commune",
            notice,
            StatusCall(
                code="02",
                reason="MISSING_FILE",
                note=self.cast.words("missing_appendix"),
                staff=self._clerk(),
            ),
        )
        await self._until(lambda: self._is("province", notice, "rejected"))
        corrected = await self._send("province", "notice-corrected", ("commune",))
        await self._take_in("commune", corrected, ("03",))
        self._expect("notice", "commune", "rejected")
        self._expect("notice-corrected", "commune", "accepted")
        self.say(f"{notice.draft.code}: refused by the commune, corrected, taken in")

    async def _recalled_before_it_was_taken_in(self) -> None:
        decision = await self._send("province", "decision", ("commune",))
        await self._arrived("commune", decision)
        await self._until(lambda: self._is("province", decision, "delivered", "request_agreed"))
        await self._recall(decision)
        self._expect("decision", "commune", "request_agreed")
        self.say(f"{decision.draft.code}: recalled before it was taken in, agreed by itself")

    async def _recall_refused(self) -> None:
        plan = await self._send("province", "plan", ("department",))
        await self._take_in("department", plan, ("03", "04"))
        await self._recall(plan)
        await self._answer("department", plan, "16", note=self.cast.words("recall_refused"))
        self._expect("plan", "department", "assigned")
        self.say(f"{plan.draft.code}: recall refused, work had begun")

    async def _taken_back(self) -> None:
        letter = await self._send("province", "letter", ("commune",))
        await self._take_in("commune", letter, ("03",))
        await self._until(
            lambda: self._is("province", letter, "accepted", "take_back_asked", "request_agreed")
        )
        if await self._requests(letter) == 0:
            scope = await self._scope("province")
            await recall.recall(
                self.node.out,
                scope,
                letter.id,
                reason=self.cast.words("take_back_reason"),
                approved_by=None,
                notice_no=None,
                take_back=True,
            )
        await self._answer("commune", letter, "15")
        self._expect("letter", "commune", "request_agreed")
        self.say(f"{letter.draft.code}: taken back by agreement")

    # --- the acts that scenes are made of; each may be repeated ----------------------------------------------

    async def _send(
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
        change: Change | None = None,
    ) -> OutgoingDocument:
        scope = await self._scope(sender)
        told = self.cast.document(key)
        today = self.node.out.today()
        name, title, competence = told["signer"]
        draft = Draft(
            external_id=f"story-{key}",
            number=told["number"],
            symbol=told["symbol"],
            issued_on=today,
            type_name=told["type"],
            subject=told["subject"],
            place=self.cast.words("place"),
            signer=Signer(name=name, title=title, competence=competence),
            recipients=tuple(
                Recipient(code=self.cast.code(one), role=RecipientRole.TO_ACT) for one in receivers
            ),
            reply_required=due_in is not None,
            reply_due=today + timedelta(days=due_in) if due_in is not None else None,
            urgency=urgency,
            secrecy=secrecy,
            delivery_mode=DeliveryMode.ELECTRONIC,
            replies_to=(_link(replies_to),) if replies_to else (),
            staff=self._clerk(),
        )
        order = Order(draft=draft, kind=kind, parent_id=parent.id if parent else None, change=change)
        async with intake.tray(self.node.out) as tray:
            for n, file in enumerate(told["files"]):
                role = FileRole.LEAD if n == 0 else FileRole.APPENDIX
                await tray.add(role, file, role, _one(self.cast.sample(file)))
            accepted = await accept.accept(self.node.out, scope, order, tray)
        if accepted.document is None:
            raise GatewayError(f"the story's document {key} was not accepted")
        return accepted.document

    async def _take_in(
        self, actor: str, document: OutgoingDocument, codes: Sequence[str], register_no: str | None = None
    ) -> None:
        for code in codes:
            assignment = (
                Assignment(lead_unit=self.cast.words("lead_unit"), instruction=self.cast.words("instruction"))
                if code == "04" and not await self._has(actor, document, "04")
                else None
            )
            call = StatusCall(
                code=code,
                staff=self._clerk(),
                register_no=register_no if code == "03" else None,
                assignment=assignment,
            )
            await self._status(actor, document, call)

    async def _status(self, actor: str, document: OutgoingDocument, call: StatusCall) -> None:
        arrived = await self._arrived(actor, document)
        await act.set_status(self.node.inn, await self._scope(actor), arrived.id, call)

    async def _answer(
        self, actor: str, document: OutgoingDocument, code: str, note: str | None = None
    ) -> None:
        """Answers the request once it is there; an answer given before is not given again."""
        if await self._has(actor, document, code):
            return
        await self._until(lambda: self._has(actor, document, "asked"))
        await self._status(actor, document, StatusCall(code=code, note=note, staff=self._clerk()))

    async def _recall(self, document: OutgoingDocument) -> None:
        scope = await self._scope("province")
        async with self.node.store.read(scope) as work:
            asked = [one for one in await work.outgoing.children(document.id) if one.kind is Kind.RECALL]
        if not asked:
            await self._until(lambda: self._is("province", document, "delivered", "accepted", "assigned"))
            await recall.recall(
                self.node.out,
                scope,
                document.id,
                reason=self.cast.words("recall_reason"),
                approved_by=self.cast.words("approved_by"),
                notice_no=f"TB-{document.draft.number}",
            )

    # --- what scenes wait for --------------------------------------------------------------------------------

    async def _arrived(self, actor: str, document: OutgoingDocument) -> IncomingDocument:
        """The document as the receiver has it, once it has it."""
        found: list[IncomingDocument] = []

        async def here() -> bool:
            async with self.node.store.read(await self._scope(actor)) as work:
                rows = await work.incoming.by_document_id(
                    document.document_id.split(",", 1)[0], document.document_id
                )
            found[:] = [one for one in rows if one.packet_id == document.packet_id]
            return bool(found)

        await self._until(here)
        return found[0]

    async def _has(self, actor: str, document: OutgoingDocument, code: str) -> bool:
        arrived = await self._arrived(actor, document)
        async with self.node.store.read(await self._scope(actor)) as work:
            return any(fact.code == code for fact in await work.facts.of(arrived.id))

    async def _requests(self, document: OutgoingDocument) -> int:
        async with self.node.store.read(await self._scope("province")) as work:
            deliveries = await work.deliveries.of(document.id)
            facts = [fact for one in deliveries for fact in await work.facts.of(one.id)]
        return sum(fact.code == "asked" for fact in facts)

    async def _is(self, actor: str, document: OutgoingDocument, *states: str) -> bool:
        async with self.node.store.read(await self._scope(actor)) as work:
            return all(one.state in states for one in await work.deliveries.of(document.id))

    async def settled(self) -> None:
        """Every delivery is where the story leaves it, and nothing is on its way any more."""

        async def told() -> bool:
            return not await self.unexpected()

        try:
            await self._until(told)
        except GatewayError as late:
            raise GatewayError(f"{late}; {'; '.join(await self.unexpected())}") from late
        await self._until(lambda: audit.is_quiet(self.node))

    async def unexpected(self) -> list[str]:
        """Deliveries that are not where the story left them."""
        wrong = []
        for (key, actor), state in self.expected.items():
            sender = "department" if key == "reply" else "province"
            async with self.node.store.read(await self._scope(sender)) as work:
                document = await work.outgoing.by_external_id(f"story-{key}")
                deliveries = await work.deliveries.of(document.id) if document else ()
            wrong += [
                f"{key} to {actor}: expected {state}, found {one.state}"
                for one in deliveries
                if one.recipient.code == self.cast.code(actor) and one.state != state
            ]
            if not deliveries:
                wrong.append(f"{key} to {actor}: expected {state}, found no delivery")
        return wrong

    async def _until(self, true: Callable[[], Awaitable[bool]]) -> None:
        """Waits for the workers; says what did not happen rather than waiting for ever."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not await true():
                    await self.node.clock.sleep(0.02)
        except TimeoutError as late:
            counts = await self.node.store.counts()
            raise GatewayError(
                f"the story waited {PATIENCE_S:.0f} s in vain; rows by state: {counts}"
            ) from late

    async def _scope(self, actor: str) -> AgencyScope:
        agency = await self.node.store.accounts.hosted_by_code(self.cast.code(actor))
        if agency is None:
            raise GatewayError(f"the stage has no agency {actor}")
        return AgencyScope(agency_id=agency.id, principal_id="demo")

    def _clerk(self) -> Staff:
        return Staff(**self.cast.data["clerk"])

    def _expect(self, key: str, actor: str, state: str) -> None:
        self.expected[key, actor] = state


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


async def _one(content: bytes) -> AsyncIterator[bytes]:
    yield content

"""Tells the demonstration's story on one node, unattended: documents to several agencies, one urgent, one refused by a
rule, a refusal and its correction, a reply, an update, a replacement, recalls agreed and refused, statuses 01 to 06. In: a
staged folder. Out: a `StoryResult`, counted afterwards from the node's rows alone, which know nothing of the story's
intent: documents sent, arrived and doubled, and the envelopes that crossed the axis as files. Each step may be repeated, so
an interrupted story ends as a whole one."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO, TypeVar

from gateway.bootstrap import guards
from gateway.bootstrap.node import OpenNode, Wrap, open_node
from gateway.clock import SystemClock
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import (
    Delivery,
    DocumentChange,
    Kind,
    OutgoingDocument,
    Urgency,
)
from gateway.errors import GatewayError, Refused
from gateway.ops.evidence.proof_text import own_policy
from gateway.outgoing import recall
from gateway.ports.services import Clock
from gateway.settings import Settings
from gateway.store.repository import Page
from gateway.store.work import SqlWork
from gateway_labs.demo import stage
from gateway_labs.demo.acts import Acts

Say = Callable[..., None]
T = TypeVar("T")
# Names of the kinds in file names.
KIND_WORDS = {
    Kind.DOCUMENT: "document",
    Kind.UPDATE: "update",
    Kind.RECALL: "recall",
    Kind.REPLACEMENT: "replacement",
    Kind.STATUS: "status",
}
# A delivery in one of these states has not left, so no receiver can have it.
_NOT_LEFT = frozenset({"queued", "sending", "failed", "cancelled", "paper"})
# Rows in one of these states still have somewhere to go.
_MOVING = ("job.waiting", "outbox.waiting", "inbox.landed")
_NUMBERED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryResult:
    """Outcome of everything that the story sent."""

    documents: int
    deliveries: int
    by_state: dict[str, int]
    lost: int
    doubled: int
    seconds: float = 0.0
    wrong: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Tell whether every delivery is where the story expects it, nothing lost, nothing doubled."""
        return not self.wrong and self.lost == 0 and self.doubled == 0

    def as_json(self) -> dict[str, Any]:
        fields = asdict(self)
        del fields["wrong"]
        return fields


async def once(
    keep: Path | None = None,
    say: Say = lambda key, **params: None,
    wrap: Wrap | None = None,
    clock: Clock | None = None,
    envelopes: bool = True,
    signs: bool = False,
    office: bool = True,
) -> StoryResult:
    """Tell the whole story in its own folder. `keep`: where the node's data, the envelopes and the trust folder stay;
    `signs`: with signatures inside the PDFs; `office`: with an office for persons. Repeated in a folder where it was
    interrupted, it ends as a whole one."""
    began = monotonic()
    with tempfile.TemporaryDirectory(prefix="gateway-demo-") as temporary:
        folder = keep or Path(temporary)
        settings = stage.settings_for(folder, office="on" if office else "off")
        await stage.prepare(settings, clock)
        stage.write_revocation(settings, clock or SystemClock())
        if keep is not None:
            stage.write_settings(settings, folder)
        cast = await prepare_cast(settings, clock, desks=False) if signs else stage.cast()
        async with _opened(settings, clock, wrap, office=office) as node:
            async with at_work(node):
                story = DemoStory(node=node, cast=cast, say=say)
                await story.tell()
                await story.settled()
            wrong = await story.unexpected()
            counted = await count_all(node)
            if keep is not None:
                await seal_log(node)
            if keep is not None and envelopes:
                await keep_envelopes(node, keep / "envelopes")
    return replace(counted, seconds=round(monotonic() - began, 3), wrong=tuple(wrong))


@asynccontextmanager
async def _opened(
    settings: Settings, clock: Clock | None, wrap: Wrap | None, *, office: bool
) -> AsyncIterator[OpenNode]:
    """Open a node with its agencies; with an office, whose distribution need not be installed otherwise."""
    if not office:
        async with open_node(settings, clock, wrap) as node:
            await stage.register(node)
            yield node
        return
    from gateway_labs.demo import people
    from gateway_office.bootstrap.office import open_office

    async with open_office(settings, clock, wrap) as office_node:
        await people.register(office_node)
        yield office_node


async def prepare_cast(settings: Settings, clock: Clock | None = None, *, desks: bool = True) -> stage.Cast:
    """Return the cast with its lead files signed."""
    from gateway_labs.demo import signers

    at = (clock or SystemClock()).now()
    return await asyncio.to_thread(signers.sign_lead_files, settings, stage.cast(), at, desks=desks)


@asynccontextmanager
async def at_work(node: OpenNode) -> AsyncIterator[None]:
    """Run the node's workers while the body runs."""
    stop = asyncio.Event()
    working = asyncio.create_task(node.run_workers(stop))
    try:
        yield
    finally:
        stop.set()
        await working


@dataclass(slots=True)
class DemoStory(Acts):
    """The story on an open node whose workers run. `say(key, **params)` gets each event, as a key of the labels."""

    say: Say
    expected: dict[tuple[str, str], str] = field(default_factory=dict)

    async def tell(self) -> None:
        """Tell every scene, in order."""
        await self._request_and_reply()
        await self._urgent_and_replaced()
        await self._refused_by_a_rule()
        await self._refused_and_corrected()
        await self._recalled_before_it_was_taken_in()
        await self._recall_refused()
        await self._taken_back()

    async def _request_and_reply(self) -> None:
        """Send a document to two agencies; one handles it to the end and replies; its deadline is moved by an update."""
        request = await self.send("province", "request", ("department", "commune"), due_in=7)
        await self.take_in("department", request, ("03", "04", "05"))
        await self.take_in("commune", request, ("03",))
        update = await self.send(
            "province",
            "request-updated",
            ("department",),
            due_in=14,
            kind=Kind.UPDATE,
            parent=request,
            change=DocumentChange(reason=self.cast.words("update_reason"), target=request.document_id),
        )
        await self.answer("department", request, "15")
        reply = await self.send("department", "reply", ("province",), replies_to=request)
        await self.take_in("province", reply, ("03",), register_no="1245")
        await self.take_in("department", request, ("06",))
        self._expect("request", "department", "done")
        self._expect("request", "commune", "accepted")
        self._expect("reply", "province", "accepted")
        self._expect("request-updated", "department", "delivered")
        self.say("demo.request", code=request.draft.code, update=update.id, reply=reply.draft.code)

    async def _urgent_and_replaced(self) -> None:
        invitation = await self.send("province", "invitation", ("department",), urgency=Urgency.EXPRESS)
        await self.take_in("department", invitation, ("03",))
        replacement = await self.send(
            "province",
            "invitation-replaced",
            ("department",),
            urgency=Urgency.EXPRESS,
            kind=Kind.REPLACEMENT,
            parent=invitation,
            change=DocumentChange(
                reason=self.cast.words("replace_reason"),
                replaces=((invitation.document_id, (self.cast.code("department"),)),),
            ),
        )
        await self.take_in("department", replacement, ("03",))
        self._expect("invitation", "department", "accepted")
        self._expect("invitation-replaced", "department", "accepted")
        self.say("demo.replaced", code=invitation.draft.code, replacement=replacement.draft.code)

    async def _refused_by_a_rule(self) -> None:
        try:
            await self.send("province", "secret", ("commune",), secrecy="mat")
        except Refused:
            self.say("demo.secret")
            return
        raise GatewayError("the story expects a declared secret to be refused")

    async def _refused_and_corrected(self) -> None:
        notice = await self.send("province", "notice", ("commune",))
        await self.refuse("commune", notice)
        await self.wait_until(lambda: self.stands("province", notice, "rejected"))
        corrected = await self.send("province", "notice-corrected", ("commune",))
        await self.take_in("commune", corrected, ("03",))
        self._expect("notice", "commune", "rejected")
        self._expect("notice-corrected", "commune", "accepted")
        self.say("demo.corrected", code=notice.draft.code)

    async def _recalled_before_it_was_taken_in(self) -> None:
        decision = await self.send("province", "decision", ("commune",))
        await self.wait_for_arrival("commune", decision)
        await self.wait_until(lambda: self.stands("province", decision, "delivered", "request_agreed"))
        await self.recall(decision)
        self._expect("decision", "commune", "request_agreed")
        self.say("demo.recalled", code=decision.draft.code)

    async def _recall_refused(self) -> None:
        plan = await self.send("province", "plan", ("department",))
        await self.take_in("department", plan, ("03", "04"))
        await self.recall(plan)
        await self.answer("department", plan, "16", note=self.cast.words("recall_refused"))
        self._expect("plan", "department", "assigned")
        self.say("demo.recall_refused", code=plan.draft.code)

    async def _taken_back(self) -> None:
        letter = await self.send("province", "letter", ("commune",))
        await self.take_in("commune", letter, ("03",))
        await self.wait_until(
            lambda: self.stands("province", letter, "accepted", "take_back_asked", "request_agreed")
        )
        if await self.asked_of(letter) == 0:
            scope = await self.scope("province")
            await recall.recall(
                self.node.out,
                scope,
                letter.id,
                reason=self.cast.words("take_back_reason"),
                approved_by=None,
                notice_no=None,
                take_back=True,
            )
        await self.answer("commune", letter, "15")
        self._expect("letter", "commune", "request_agreed")
        self.say("demo.taken_back", code=letter.draft.code)

    async def settled(self) -> None:
        """Wait until every delivery is where the story leaves it, and nothing is on its way any more."""

        async def is_as_expected() -> bool:
            return not await self.unexpected()

        try:
            await self.wait_until(is_as_expected)
        except GatewayError as late:
            raise GatewayError(f"{late}; {'; '.join(await self.unexpected())}") from late
        await self.wait_until(lambda: is_quiet(self.node))

    async def unexpected(self) -> list[str]:
        """Describe deliveries that are not where the story left them."""
        wrong = []
        for (key, actor), state in self.expected.items():
            sender = "department" if key == "reply" else "province"
            async with self.node.store.read(await self.scope(sender)) as work:
                document = await work.outgoing.by_external_id(f"story-{key}")
                deliveries = await work.deliveries.of_document(document.id) if document else ()
            wrong += [
                f"{key} to {actor}: expected {state}, found {d.state}"
                for d in deliveries
                if d.recipient.code == self.cast.code(actor) and d.state != state
            ]
            if not deliveries:
                wrong.append(f"{key} to {actor}: expected {state}, found no delivery")
        return wrong

    def _expect(self, key: str, actor: str, state: str) -> None:
        self.expected[key, actor] = state


async def count_all(node: OpenNode) -> StoryResult:
    """Count all rows. Lost: a delivery that left, whose packet its receiver does not know. Doubled: one body admitted
    twice, or one arrival number given twice."""
    sent = [pair for agency in await node.store.hosted() async for pair in _every(node, agency, _sent_page)]
    deliveries = [delivery for _, rows in sent for delivery in rows]
    lost = 0
    for document, rows in sent:
        for delivery in rows:
            lost += delivery.state not in _NOT_LEFT and not await _is_known(node, document, delivery)
    return StoryResult(
        documents=len(sent),
        deliveries=len(deliveries),
        by_state=dict(sorted(Counter(delivery.state for delivery in deliveries).items())),
        lost=lost,
        doubled=await _doubled(node),
    )


async def seal_log(node: OpenNode) -> None:
    """Seal all events, as no worker is left to do so, and write the policy of proofs into the trust folder."""
    while await node.store.number_events(_NUMBERED_AT_ONCE):
        pass
    at_once = replace(node.settings, log=replace(node.settings.log, seal_every_s=0))
    sealer = guards.log_sealer(at_once, node.store.log, node.clock, node.pool)
    while await sealer.step():
        pass
    policy = (await own_policy(node)).to_text()
    (node.settings.trust.folder / "logs.policy").write_text(policy, "ascii")


async def is_quiet(node: OpenNode) -> bool:
    """Tell whether nothing is on its way: no job, no outbox row, no landed packet, no parcel on the axis."""
    # Read twice, because a packet may slip from one place to the other between two reads.
    for _ in range(2):
        counts = await node.store.counts()
        axis = await node.axis.counts()
        if any(counts.get(name, 0) for name in _MOVING) or axis["waiting"] or axis["leased"]:
            return False
    return True


async def keep_envelopes(node: OpenNode, folder: Path) -> int:
    """Write every envelope that crossed the axis as NNN-KIND.edxml, in the order they were made; return how many."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        (agency, item)
        for agency in await node.store.hosted()
        async for item in _every(
            node,
            agency,
            lambda work, cursor: work.outbox.page(limit=100, states=("sent",), cursor=cursor),
        )
    ]
    packet_ids: set[str] = set()
    for agency, item in sorted(rows, key=lambda row: (row[1].created_at, row[1].id)):
        if item.packet_id in packet_ids:
            continue
        packet_ids.add(item.packet_id)
        async with node.store.read(_scope(agency)) as work:
            opener = await node.blobs.open(work, item.envelope_digest)
        path = folder / f"{len(packet_ids):03}-{KIND_WORDS[item.kind]}.edxml"
        await node.pool.run(partial(_copy_envelope, opener, path))
    return len(packet_ids)


def _copy_envelope(opener: Callable[[], BinaryIO], path: Path) -> None:
    with opener() as source:
        path.write_bytes(source.read())


async def _is_known(node: OpenNode, document: OutgoingDocument, delivery: Delivery) -> bool:
    receiver = await node.store.accounts.hosted_by_code(delivery.recipient.code)
    if receiver is None or document.body_digest is None:
        return False
    sender = document.document_id.split(",", 1)[0]
    async with node.store.read(_scope(receiver)) as work:
        return await work.identities.by_body(sender, document.body_digest) is not None


async def _doubled(node: OpenNode) -> int:
    doubled = 0
    for agency in await node.store.hosted():
        documents = [
            d
            async for d in _every(
                node, agency, lambda work, cursor: work.incoming.page(limit=100, cursor=cursor)
            )
        ]
        bodies = Counter(d.body_digest for d in documents)
        numbers = Counter((d.register_year, d.register_no) for d in documents if d.register_no)
        doubled += sum(n - 1 for n in bodies.values()) + sum(n - 1 for n in numbers.values())
    return doubled


async def _every(
    node: OpenNode, agency: HostedAgency, turned: Callable[[SqlWork, str | None], Awaitable[Page[T]]]
) -> AsyncIterator[T]:
    """Yield all rows of a list, each page read by itself."""
    cursor: str | None = None
    while True:
        async with node.store.read(_scope(agency)) as work:
            page = await turned(work, cursor)
        for row in page.items:
            yield row
        cursor = page.next_cursor
        if cursor is None:
            return


async def _sent_page(work: SqlWork, cursor: str | None) -> Page[tuple[OutgoingDocument, Sequence[Delivery]]]:
    page = await work.outgoing.page(limit=100, cursor=cursor)
    rows = await work.deliveries.of_documents([d.id for d in page.items])
    items = tuple((document, rows.get(document.id, ())) for document in page.items)
    return Page(items=items, next_cursor=page.next_cursor)


def _scope(agency: HostedAgency) -> AgencyScope:
    return AgencyScope(agency_id=agency.id, principal_id="demo")

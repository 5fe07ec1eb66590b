"""The mail on the demonstration's desks: what came two days ago and lies there, what came just now, what a partner never
took, what failed, what was forged. In: an open node whose workers run, after the story. Out: documents in every state that
a clerk meets. Each may be laid out again: what is there stays one."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.demo.acts import Acts
from gateway.domain.document import DeliveryMode, IncomingDocument, InState, OutgoingDocument, Urgency
from gateway.domain.identity import Digest
from gateway.errors import GatewayError
from gateway.incoming import on_hold, seal
from gateway.incoming.act import StatusCall
from gateway.office.bootstrap.office import Office
from gateway.ports import Fate, Parcel
from gateway.transport.embedded import EmbeddedAxis

# Who writes to whom on the desks.
WAYS: Mapping[str, tuple[str, ...]] = {"province": ("department", "commune"), "department": ("province",)}
_SENDERS = (*WAYS, "commune")
_PARTNER, _POISON = "doi-tac", 2
# Numbers of arrivals where the document system gives them, after the story's own.
_NUMBERS = {"task": "1246", "recall": "1247"}
_TITLE = re.compile(rb"(</(?:\w+:)?Subject>)")


@dataclass(slots=True)
class Mail(Acts):
    """What came, by the clerks' own hands."""

    node: Office

    async def days_ago(self) -> None:
        """What nobody took in since and goes on paper too, what a unit works on, what a partner's node never settled."""
        for sender, receivers in WAYS.items():
            await self.sent(sender, "late", receivers, due_in=5, mode=DeliveryMode.BOTH)
            task = await self.sent(sender, "task", receivers, due_in=9)
            for each in receivers:
                await self.take_in(each, task, ("03", "04"), register_no=self.number(each, "task"))
        await self._to_partners()

    async def just_now(self) -> None:
        """What waits to be taken in, to be looked at closer, to be answered."""
        for sender, receivers in WAYS.items():
            await self.sent(sender, "urgent", receivers, urgency=Urgency.EXPRESS)
            await self.sent(sender, "pages", receivers, pages=9)
            doubtful = await self.sent(sender, "hold", receivers)
            asked = await self.sent(sender, "recall", receivers)
            for each in receivers:
                await self._hold(each, doubtful)
                await self.take_in(each, asked, ("03",), register_no=self.number(each, "recall"))
            await self.recall(asked, sender)
            for each in receivers:
                await self._asked(each, asked)
        await self._seal("department", await self.sent("province", "sealed", ("department",)))
        await self._refuse("province", await self.sent("department", "refused", ("province",)))
        await self._refuse("province", await self.sent("commune", "refused", ("province",)))

    async def forged(self) -> None:
        """Packets of the story whose bytes somebody changed, dropped on the axis as another node's courier does."""
        for sender, receiver, key in (
            ("province", "department", "request"),
            ("department", "province", "reply"),
            ("province", "commune", "letter"),
        ):
            await self._forge(sender, receiver, key)

    async def sent(
        self, sender: str, what: str, receivers: Sequence[str], **more: object
    ) -> OutgoingDocument:
        """Told once, whatever the day on which it is told again."""
        key = f"{sender}-{what}"
        async with self.node.store.read(await self.scope(sender)) as work:
            known = await work.outgoing.by_external_id(f"story-{key}")
        return known or await self.send(sender, key, receivers, **more)  # type: ignore[arg-type]  # its own options

    def number(self, actor: str, what: str) -> str | None:
        return _NUMBERS[what] if self.cast.data[actor]["numbering"] == "A" else None

    async def _hold(self, actor: str, document: OutgoingDocument) -> None:
        arrived = await self._landed(actor, document)
        if arrived.state is InState.NEW:
            await on_hold.run(self.node.inn, await self.scope(actor), arrived.id, self.cast.words("hold_why"))

    async def _refuse(self, actor: str, document: OutgoingDocument) -> None:
        arrived = await self._landed(actor, document, "rejected")
        if arrived.state is InState.NEW:
            why = self.cast.words("missing_appendix")
            call = StatusCall(code="02", reason="MISSING_FILE", note=why, staff=self.clerk())
            await self.status(actor, document, call)

    async def _seal(self, actor: str, document: OutgoingDocument) -> None:
        arrived = await self._landed(actor, document)
        async with self.node.store.read(await self.scope(actor)) as work:
            if await work.held.open_of(arrived.id) is not None:
                return
        why = self.cast.words("sealed_why")
        await seal.document(self.node.inn, self.node.hold, await self.scope(actor), arrived.id, why)

    async def _asked(self, actor: str, document: OutgoingDocument) -> None:
        async def there() -> bool:
            return await self.has(actor, document, "asked")

        await self.until(there)

    async def _landed(self, actor: str, document: OutgoingDocument, *later: str) -> IncomingDocument:
        """As it stands once the worker is through with it."""

        async def there() -> bool:
            return await self.stands_at(document, actor, "delivered", *later)

        await self.until(there)
        return await self.arrived(actor, document)

    async def stands_at(self, document: OutgoingDocument, actor: str, *states: str) -> bool:
        async with self.node.store.read(await self.scope(self._sender(document))) as work:
            rows = await work.deliveries.of(document.id)
        return any(each.recipient.code == self.cast.code(actor) and each.state in states for each in rows)

    def _sender(self, document: OutgoingDocument) -> str:
        code = document.document_id.split(",", 1)[0]
        return next(each for each in _SENDERS if self.cast.code(each) == code)

    async def _to_partners(self) -> None:
        """To a partner whose node takes packets and settles none, and to one that is on no node."""
        code = self.cast.code("silent")
        other = EmbeddedAxis(
            self.node.settings.axis.folder, _PARTNER, self.node.clock, self.node.pool, _POISON
        )
        async with other:
            await other.host([code])
            sent = [await self.sent(each, "far", ("silent", "unconnected")) for each in _SENDERS]

            async def gone() -> bool:
                return all([await self.stands_at(each, "unconnected", "failed") for each in sent])

            async def dead() -> bool:
                for arrival in await other.take(len(sent), 0):
                    await other.settle(arrival, done=False)
                return len(await other.dead_list()) >= len(sent)

            await self.until(gone)
            await self.until(dead)

    async def _forge(self, sender: str, receiver: str, key: str) -> None:
        async with self.node.store.read(await self.scope(sender)) as work:
            document = await work.outgoing.by_external_id(f"story-{key}")
            page = await work.outbox.page(limit=100, states=("sent",))
            item = next(
                (each for each in page.items if document and each.packet_id == document.packet_id), None
            )
            if document is None or item is None:
                raise GatewayError(f"the story left no packet of {key}")
            opener = await self.node.blobs.open(work, item.envelope_digest)
        with opener() as file:
            changed = _TITLE.sub(rb" \1", file.read(), count=1)
        parcel = Parcel(
            packet_id=self.node.clock.new_id("pkt_"),
            kind=item.kind,
            sender=self.cast.code(sender),
            lane=item.lane,
            digest=Digest(hashlib.sha256(changed).hexdigest()),
            size=len(changed),
            open=lambda: io.BytesIO(changed),
        )
        code = self.cast.code(receiver)
        async with EmbeddedAxis(
            self.node.settings.axis.folder, "khac", self.node.clock, self.node.pool
        ) as other:
            if (await other.publish(parcel, [code]))[code].fate is not Fate.DELIVERED:
                raise GatewayError(f"the axis took no packet for {code}")

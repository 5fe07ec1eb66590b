"""The province sends mail to the department, for tests of the department's work on it."""

from __future__ import annotations

from gateway.domain.document import Delivery, IncomingDocument, OutgoingDocument
from gateway.domain.event import Event, EventKind
from gateway.domain.status import Fact
from gateway.incoming.act import StatusCall
from gateway_labs.demo import stage
from gateway_labs.demo.acts import Acts
from gateway_office.bootstrap.office import Office
from tests.office.pages.site import Site
from tests.office.support import accounts
from tests.support.waiting import LIMIT_S

UNIT, OTHER_UNIT = "Phòng Tổng hợp", "Phòng Kế hoạch"


class Mail(Acts):
    """Its sender and its recipient, who wait for no more than its arrival."""

    patience_s = LIMIT_S
    node: Office

    def __init__(self, site: Site) -> None:
        super().__init__(node=site.node, cast=stage.cast())
        self.site = site

    async def comes(self, key: str = "request", **more: object) -> tuple[OutgoingDocument, IncomingDocument]:
        sent = await self.send("province", key, ("department",), **more)  # type: ignore[arg-type]
        return sent, await self.wait_for_arrival("department", sent)

    async def taken_in(
        self, key: str = "request", **more: object
    ) -> tuple[OutgoingDocument, IncomingDocument]:
        """Bring a document to the department, have its clerk take it in, and return it as sent and as received."""
        sent, document = await self.comes(key, **more)
        await self.status("department", sent, StatusCall(code="03", staff=self.clerk()))
        return sent, document

    async def second_unit(self) -> None:
        await accounts.units(self.node.accounts, (await self.scope("department")).agency_id, OTHER_UNIT)

    async def lists_are_written(self) -> bool:
        return not await self.node.store.lists_wait()

    async def load(self, id: str) -> IncomingDocument:
        async with self.node.store.read(await self.scope("department")) as work:
            return await work.incoming.get(id)

    async def facts(self, id: str) -> list[Fact]:
        async with self.node.store.read(await self.scope("department")) as work:
            return list(await work.facts.of_subject(id))

    async def is_asked_back(self, document: IncomingDocument) -> bool:
        return any(fact.code == "asked" for fact in await self.facts(document.id))

    async def events(self, id: str, kind: EventKind) -> list[Event]:
        async with self.node.store.read(await self.scope("department")) as work:
            return [event for event in await work.events.of_subject(id) if event.kind is kind]

    async def await_fact(self, sent: OutgoingDocument, state: str) -> Fact:
        """Wait until the delivery is in that state at its sender, and return the newest fact about it."""
        await self.wait_until(lambda: self.stands("province", sent, state))
        async with self.node.store.read(await self.scope("province")) as work:
            (delivery,) = await work.deliveries.of_document(sent.id)
            assert isinstance(delivery, Delivery)
            return max(await work.facts.of_subject(delivery.id), key=lambda fact: fact.at)


def at(document: IncomingDocument, act: str = "") -> str:
    return f"/van-ban-den/{document.id}{act}"

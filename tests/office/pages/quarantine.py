"""Packets that a person has to decide about: one that cannot be read, and parcels that are never settled."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.document import OutgoingDocument
from gateway.ports.axis import Fate
from gateway.store import reporting
from gateway.transport.embedded import EmbeddedAxis
from tests.office.pages.mail import Mail
from tests.office.pages.site import Site
from tests.support.node import DEPARTMENT, PROVINCE
from tests.support.parcels import parcel
from tests.support.waiting import wait_until, within_limit

SECRET_WORDS = "Noi dung rieng cua cong van"
BROKEN = f"<edXML><Header><OrganId>Z91.07</OrganId><Subject>{SECRET_WORDS}</Subject></Wrong></edXML>".encode()


async def put_aside(site: Site, *packets: str) -> None:
    """Publish parcels that another node of the axis takes again and again and never settles."""
    other = EmbeddedAxis(site.node.settings.axis.folder, "other", site.clock, site.node.pool, poison_limit=2)

    async def take_until_dead() -> None:
        while len(await other.dead_list()) < len(packets):
            for arrival in await other.take(10, 0):
                await other.settle(arrival, is_done=False)

    try:
        await other.host(["Z91.88"])
        for packet in packets:
            await other.publish(parcel(packet, BROKEN + packet.encode()), ["Z91.88"])
        await within_limit(take_until_dead(), "the parcels were put aside")
    finally:
        await other.close()


async def land_broken(site: Site) -> str:
    """Land a packet that cannot be read at the department, and return its id."""

    async def is_published() -> bool:
        # A node that has just begun tells the axis first for whom it receives.
        outcomes = await site.node.axis.publish(parcel("broken-1", BROKEN), [DEPARTMENT])
        return outcomes[DEPARTMENT].fate is not Fate.NEVER

    known_ids = await packets_aside(site)
    await wait_until(is_published, "the packet is on the axis")
    return await _landed(site, known_ids)


async def _landed(site: Site, known_ids: list[str]) -> str:
    """Wait for the packet that was put aside since, and return its id."""

    async def new_ids() -> list[str]:
        return [id for id in await packets_aside(site) if id not in known_ids]

    return (await wait_until(new_ids, "the packet landed"))[0]


async def packets_aside(site: Site) -> list[str]:
    return [packet.id for packet in await reporting.parked_packets(site.node.store, "", 10)]


async def land_changed(site: Site, mail: Mail) -> tuple[str, OutgoingDocument]:
    """Land a letter of the province whose subject was changed on its way to the department; return the packet's id and the
    letter."""
    sent, arrived = await mail.comes()
    async with site.node.store.read(await mail.scope("department")) as work:
        opener = await site.node.blobs.open(work, arrived.envelope_digest)
    with opener() as file:
        changed = file.read().replace(sent.draft.subject.encode(), b"V/v khac", 1)
    await site.node.axis.publish(
        replace(parcel("changed-1", changed), sender=PROVINCE, kind="edoc"), [DEPARTMENT]
    )
    return await _landed(site, []), sent

"""Documents are found by their lead file and by their packet, of every agency of the node, on both databases."""

from __future__ import annotations

from gateway.domain.document import FileItem, FileRole, Kind, OutState
from gateway.domain.hold import HeldContent, HoldState
from gateway.store.blob_refs import KeptContent
from gateway_office.store.issued import load_issued
from gateway_office.store.store import SqlOfficeStore
from tests.contract.test_store_holds import hold
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, delivery, digest, outgoing


async def test_documents_are_found_by_lead_file_and_packet(store: SqlOfficeStore, clock: ManualClock) -> None:
    lead = FileItem(n=1, name="a.pdf", role=FileRole.LEAD, content_type="", size=1, sha256=digest("lead"))
    ours, second = (outgoing(clock, state=OutState.PACKED, files=(lead,)) for _ in range(2))
    child = outgoing(clock, kind=Kind.REPLACEMENT, parent_id=ours.id, state=OutState.PACKED)
    theirs = outgoing(clock, scope=SOUTH, state=OutState.PACKED, files=(lead,))
    packet = KeptContent(digest=digest("packet"), size=6, body=b"packet")
    for scope, documents in ((NORTH, (ours, second, child)), (SOUTH, (theirs,))):
        async with committing(store, scope) as work:
            for document in documents:
                await work.outgoing.add(document)
                await work.deliveries.add([delivery(document, "Z91.03", "sent")])
            # The first owner has the content's own row, the second one a row of its own.
            await work.blobs.keep(packet, "envelope", documents[0].id)

    by_lead, by_packet = await load_issued(store, lead.sha256), await load_issued(store, packet.digest)

    assert by_lead.matching_ids == {ours.id, second.id, theirs.id}
    assert {d.id for d in by_lead.documents} == {ours.id, second.id, child.id, theirs.id}
    assert [by.state for by in by_lead.deliveries[child.id]] == ["sent"]
    assert by_packet.matching_ids == {ours.id, theirs.id}
    nothing = await load_issued(store, digest("nothing"))
    assert (nothing.matching_ids, nothing.documents) == (frozenset(), [])

    content = HeldContent(digest=packet.digest, size=6, owner_kind="inbox", owner_id="inx_1")
    async with committing(store) as work:
        await work.holds.add(hold(clock, state=HoldState.PURGED, contents=(content,)))
    silenced = (await load_issued(store, packet.digest)).held_documents
    assert silenced == {ours.document_id, theirs.document_id}
    assert (await load_issued(store, lead.sha256)).held_documents == frozenset()

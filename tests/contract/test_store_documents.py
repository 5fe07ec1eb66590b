"""Documents, deliveries and facts: what was stored comes back, is found, and is paged without skips."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from gateway import errors
from gateway.domain.document import (
    DocumentChange,
    FileCode,
    FileItem,
    FileRole,
    InState,
    Kind,
    OutState,
    Recipient,
    ReplyLink,
    Staff,
)
from gateway.domain.identity import Digest, DocumentId, PacketId
from gateway.domain.states import Track
from gateway.domain.status import Fact
from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.stores import (
    NORTH,
    SOUTH,
    committing,
    delivery,
    digest,
    draft,
    incoming,
    outgoing,
    refused,
    seed_incoming,
    stored,
)

VIETNAM = timezone(timedelta(hours=7))


async def test_an_outgoing_document_comes_back_as_it_was(store: SqlStore, clock: ManualClock) -> None:
    document = outgoing(
        clock,
        draft=draft(
            external_id="qlvb-1",
            due_at=datetime(2026, 11, 21, 8, 0, tzinfo=VIETNAM),
            file_code=FileCode(organ="Z91", year=2026, notation="01.TH"),
            replies_to=(
                ReplyLink(
                    agency="Z91.02", number="5/SNN", date=date(2026, 11, 1), document_id=DocumentId("d")
                ),
            ),
            staff=Staff(name="Clerk"),
            labels=("urgent",),
        ),
        files=(
            FileItem(n=1, name="a.pdf", role=FileRole.LEAD, content_type="x/y", size=3, sha256=digest("a")),
        ),
        change=DocumentChange(reason="typing error", replaces=((DocumentId("d"), ("Z91.02",)),)),
        envelope_digest=digest("envelope"),
    )

    await stored(store, document)

    async with store.read(NORTH) as view:
        loaded = await view.outgoing.get(document.id)
    assert loaded == document
    assert isinstance(loaded.packet_id, PacketId)
    assert isinstance(loaded.files[0].sha256, Digest)
    assert loaded.created_at.tzinfo is not None


async def test_an_external_id_is_unique_in_one_agency_and_free_in_another(
    store: SqlStore, clock: ManualClock
) -> None:
    first = outgoing(clock, draft=draft(external_id="qlvb-1"))
    await stored(store, first)

    async with store.begin(NORTH) as work:
        with pytest.raises(errors.Clash, match=first.id):
            await work.outgoing.add(outgoing(clock, draft=draft(external_id="qlvb-1")))
        loaded = await work.outgoing.by_external_id("qlvb-1")
        second = outgoing(clock)
        await work.outgoing.add(second)
        with pytest.raises(errors.Clash):
            await work.outgoing.save(replace(second, draft=draft(external_id="qlvb-1")))
    await stored(store, outgoing(clock, scope=SOUTH, draft=draft(external_id="qlvb-1")), scope=SOUTH)

    assert loaded == first


async def test_a_child_that_carries_its_parents_draft_does_not_clash(
    store: SqlStore, clock: ManualClock
) -> None:
    parent = outgoing(clock, draft=draft(external_id="qlvb-1"))
    child = outgoing(clock, kind=Kind.RECALL, parent_id=parent.id, draft=parent.draft)

    async with committing(store) as work:
        await work.outgoing.add(parent)
        await work.outgoing.add(child)
        await work.outgoing.save(replace(child, state=OutState.PACKED))

    async with store.read(NORTH) as view:
        assert [d.id for d in await view.outgoing.children(parent.id)] == [child.id]
        assert await view.outgoing.by_external_id("qlvb-1") == parent


async def test_a_document_id_finds_every_packet_newest_first_and_letter_for_letter(
    store: SqlStore, clock: ManualClock
) -> None:
    older = outgoing(clock, document_id=DocumentId("Z91,Abc"))
    clock.advance(1)
    newer = outgoing(clock, document_id=DocumentId("Z91,Abc"))

    async with store.begin(NORTH) as work:
        await work.outgoing.add(older)
        await work.outgoing.add(newer)

        assert await work.outgoing.by_document_id("Z91,Abc") == [newer, older]
        assert await work.outgoing.by_document_id("Z91,abc") == []
        assert await work.outgoing.by_packet_id(newer.packet_id) == newer


async def test_a_document_is_found_by_what_its_system_calls_it(store: SqlStore, clock: ManualClock) -> None:
    older, newer, nameless, long = (
        outgoing(clock, draft=draft(callback_data=d)) for d in ("QLVB-1", "QLVB-1", None, "x" * 201)
    )

    async with store.begin(NORTH) as work:
        for d in (older, newer, nameless, long):
            await work.outgoing.add(d)

        assert {d.id for d in await work.outgoing.by_own_id("QLVB-1")} == {older.id, newer.id}
        assert await work.outgoing.by_own_id("x" * 201) == []
        await work.outgoing.save(replace(older, draft=draft(callback_data="QLVB-2")))
        assert [d.id for d in await work.outgoing.by_own_id("QLVB-1")] == [newer.id]


async def test_saving_counts_versions_and_refuses_a_stale_one(store: SqlStore, clock: ManualClock) -> None:
    document, arrived = outgoing(clock), incoming(clock)

    async with store.begin(NORTH) as work:
        await work.outgoing.add(document)
        await work.incoming.add(arrived)
        saved = await work.outgoing.save(replace(document, state=OutState.PACKED), expect_version=1)
        accepted = await work.incoming.save(replace(arrived, state=InState.ACCEPTED), expect_version=1)

        with pytest.raises(errors.StaleVersion, match="version 2, not 1"):
            await work.outgoing.save(document, expect_version=1)
        with pytest.raises(errors.StaleVersion, match="version 2, not 1"):
            await work.incoming.save(arrived, expect_version=1)
        assert (saved.version, accepted.version) == (2, 2)
        assert await work.outgoing.get(document.id) == saved
        assert await work.incoming.get(arrived.id) == accepted
        assert (await work.outgoing.save(document)).version == 3


async def test_pages_follow_each_other_newest_first_while_rows_are_added(
    store: SqlStore, clock: ManualClock
) -> None:
    documents = []
    async with committing(store) as work:
        for n in range(7):
            documents.append(outgoing(clock))
            await work.outgoing.add(documents[-1])
            clock.advance(n % 2)  # every other one at the same moment
    ids: list[str] = []
    cursor = None

    for _ in range(3):
        async with committing(store) as work:
            page = await work.outgoing.page(limit=3, cursor=cursor)
            ids += [d.id for d in page.items]
            cursor = page.next_cursor
            clock.advance(1)
            await work.outgoing.add(outgoing(clock))

    assert ids == [d.id for d in reversed(documents)]
    assert cursor is None


async def test_pages_go_the_other_way_round_too(store: SqlStore, clock: ManualClock) -> None:
    documents = []
    async with committing(store) as work:
        for n in range(5):
            documents.append(outgoing(clock))
            await work.outgoing.add(documents[-1])
            clock.advance(n % 2)
    ids: list[str] = []
    cursor = None

    for _ in range(3):
        async with store.begin(NORTH) as work:
            page = await work.outgoing.page(limit=2, cursor=cursor, oldest_first=True)
            ids += [d.id for d in page.items]
            cursor = page.next_cursor

    assert ids == [d.id for d in documents]
    assert cursor is None


@pytest.mark.parametrize("cursor", ["", "x", "é", "bnVsbA", "WyIyMDI2LTExLTIwIiwgIngiXQ", "W10", "A" * 5000])
async def test_a_cursor_that_is_not_ours_is_named_so(store: SqlStore, cursor: str) -> None:
    async with store.read(NORTH) as view:
        for page in (view.outgoing.page, view.incoming.page, view.outbox.page, view.inbox.page):
            with pytest.raises(errors.NotFound, match="cursor"):
                await page(limit=10, cursor=cursor)


async def test_outgoing_lists_filter_by_states_words_and_days(store: SqlStore, clock: ManualClock) -> None:
    flood = outgoing(clock, draft=draft(number="12", subject="Về việc phòng, chống lụt bão năm 2026"))
    clock.advance(timedelta(days=1))
    harvest = outgoing(
        clock,
        state=OutState.DRAFT,
        draft=draft(
            number="100%",
            subject="Đôn đốc thu hoạch",
            recipients=(Recipient(code="Z91.05", name="Sở Nông nghiệp"),),
        ),
    )
    await stored(
        store, flood, harvest, delivery(flood, "Z91.02", "rejected"), delivery(flood, "Z91.03", "sent")
    )

    async with store.read(NORTH) as view:

        async def ids(**filters: object) -> list[str]:
            page = await view.outgoing.page(limit=10, **filters)  # type: ignore[arg-type]  # one helper, all filters
            return [d.id for d in page.items]

        assert await ids(states=["rejected"]) == [flood.id]
        assert await ids(states=["draft", "rejected"]) == [harvest.id, flood.id]
        assert await ids(query="LUT bao") == [flood.id]
        assert await ids(query="đôn đốc") == [harvest.id]
        assert await ids(query="don doc nong nghiep") == [harvest.id]
        assert await ids(query="12/ubnd-vp") == [flood.id]
        assert await ids(query="100%") == [harvest.id]
        assert await ids(query="1%0") == []
        assert await ids(query="_") == []
        assert await ids(created_from=harvest.created_at) == [harvest.id]
        assert await ids(created_to=harvest.created_at) == [flood.id]


async def test_incoming_documents_are_found_by_sender_and_document_id(
    store: SqlStore, clock: ManualClock
) -> None:
    first = incoming(clock, document_id=DocumentId("Z91.02,Abc"), sender_code="H1.Z91")
    clock.advance(1)
    second = replace(incoming(clock, sender_code="h1.z91"), document_id=DocumentId("Z91.02,Abc"), attempt=2)

    async with committing(store) as work:
        await work.incoming.add(first)
        await work.incoming.add(second)

        assert await work.incoming.by_document_id("h1.Z91", "Z91.02,Abc") == [second, first]
        assert await work.incoming.by_document_id("h1.Z91", "z91.02,abc") == []
    async with refused(store, NORTH, errors.Clash) as work:
        await work.incoming.add(first)


async def test_incoming_lists_filter_by_state_words_and_hand_over(
    store: SqlStore, clock: ManualClock
) -> None:
    fresh = await seed_incoming(store, incoming(clock, subject="Kế hoạch thu hoạch"))
    accepted = await seed_incoming(store, incoming(clock, state=InState.ACCEPTED))
    async with committing(store) as work:
        await work.handovers.offer(fresh.id)
        await work.handovers.lease("qlvb", 1, clock.now() + timedelta(seconds=60))

    async with store.read(NORTH) as view:

        async def ids(**filters: object) -> list[str]:
            page = await view.incoming.page(limit=10, **filters)  # type: ignore[arg-type]  # one helper, all filters
            return [d.id for d in page.items]

        assert await ids() == [accepted.id, fresh.id]
        assert await ids(states=["accepted"]) == [accepted.id]
        assert await ids(query="ke hoach SOUTH") == [fresh.id]
        assert await ids(handover="leased") == [fresh.id]
        assert await ids(handover="available") == []
        clock.advance(60)
        assert await ids(handover="leased") == []
        assert await ids(handover="available") == [fresh.id]


async def test_deliveries_keep_the_order_of_the_recipients(store: SqlStore, clock: ManualClock) -> None:
    document, other = outgoing(clock), outgoing(clock)
    codes = ["Z91.09", "Z91.02", "Z91.05"]

    async with store.begin(NORTH) as work:
        await work.outgoing.add(document)
        await work.outgoing.add(other)
        await work.deliveries.add([delivery(document, code) for code in codes])
        await work.deliveries.add([])
        first = (await work.deliveries.of_document(document.id))[0]
        await work.deliveries.save_state(first.id, "sent", ("late",), clock.now())
        many = await work.deliveries.of_documents([document.id, other.id])

        assert [d.recipient.code for d in many[document.id]] == codes
        assert many[other.id] == []
        assert await work.deliveries.get(first.id) == replace(first, state="sent", marks=("late",))
    async with refused(store, NORTH, errors.NotFound) as work:
        await work.deliveries.save_state("none", "sent", (), clock.now())


async def test_a_fact_is_added_once_whatever_is_absent_in_it(store: SqlStore, clock: ManualClock) -> None:
    bare = Fact(track=Track.TRANSPORT, code="sent", at=clock.now())
    stated = replace(bare, stated_at=datetime(2026, 11, 20, 8, 0, tzinfo=VIETNAM))

    async with committing(store) as work:
        assert await work.facts.add("dlv-1", bare) is True
        assert await work.facts.add("dlv-1", replace(bare, at=clock.now() + timedelta(seconds=5))) is False
        assert await work.facts.add("dlv-2", bare) is True
        assert await work.facts.add("dlv-1", stated) is True
        same_moment = replace(stated, stated_at=datetime(2026, 11, 20, 1, 0, tzinfo=UTC))
        assert await work.facts.add("dlv-1", same_moment) is False
        for other in (
            replace(bare, packet_digest=digest("p")),
            replace(bare, request_id="r"),
            replace(bare, code="failed"),
            replace(bare, track=Track.OTHER),
        ):
            assert await work.facts.add("dlv-1", other) is True

    async with store.read(NORTH) as view:
        facts = await view.facts.of_subject("dlv-1")
    assert len(facts) == 6
    assert bare in facts


async def test_many_facts_and_states_are_kept_as_one_by_one(store: SqlStore, clock: ManualClock) -> None:
    document = outgoing(clock)
    three = [delivery(document, code) for code in ("Z91.02", "Z91.03", "Z91.04")]
    ids = [d.id for d in three]
    sent = Fact(track=Track.TRANSPORT, code="sent", at=clock.now())
    failed = replace(sent, code="failed")

    async with committing(store) as work:
        await work.outgoing.add(document)
        await work.deliveries.add(three)
        await work.facts.add(ids[0], sent)
        await work.facts.add_all([(ids[0], sent), (ids[1], sent), (ids[2], failed)])
        await work.deliveries.save_states({ids[1]: ("sent", ("late",)), ids[2]: ("failed", ())}, clock.now())
        await work.deliveries.save_states({}, clock.now())

    async with store.read(NORTH) as view:
        facts = await view.facts.of_subjects([*ids, "none"])
        states = [(d.state, d.marks) for d in await view.deliveries.of_document(document.id)]
    assert facts == {ids[0]: [sent], ids[1]: [sent], ids[2]: [failed], "none": []}
    assert states == [("queued", ()), ("sent", ("late",)), ("failed", ())]


async def test_several_facts_of_one_subject_are_added_at_once_and_what_is_there_stays(
    store: SqlStore, clock: ManualClock
) -> None:
    document = outgoing(clock)
    first, other = (delivery(document, code) for code in ("Z91.02", "Z91.03"))
    queued = Fact(track=Track.TRANSPORT, code="queued", at=clock.now(), note="first")
    sent = replace(queued, code="sent", at=clock.now() + timedelta(seconds=1))

    async with committing(store) as work:
        await work.outgoing.add(document)
        await work.deliveries.add([first, other])
        await work.facts.add(first.id, queued)
        await work.facts.add_all(
            [(first.id, replace(queued, note="again")), (first.id, sent), (other.id, sent)]
        )
        await work.facts.add_all([])
        assert await work.facts.of_subjects([]) == {}

    async with store.read(NORTH) as view:
        assert await view.facts.of_subjects([first.id, other.id]) == {
            first.id: [queued, sent],
            other.id: [sent],
        }
        assert await view.facts.of_subjects([first.id, first.id]) == {first.id: [queued, sent]}
    async with store.read(SOUTH) as view:
        assert await view.facts.of_subjects([first.id]) == {first.id: []}


async def test_documents_are_read_several_at_once(store: SqlStore, clock: ManualClock) -> None:
    documents = [outgoing(clock) for _ in range(3)]
    await stored(store, *documents)

    async with store.begin(NORTH) as work:
        loaded = await work.outgoing.of_many([documents[0].id, documents[2].id, 'no "such" one'])
        assert {d.id for d in loaded} == {documents[0].id, documents[2].id}
        assert await work.outgoing.of_many([]) == []
    async with store.read(SOUTH) as view:
        assert await view.outgoing.of_many([documents[0].id]) == []


async def test_a_hand_over_leased_while_the_clock_was_ahead_is_available_once_the_clock_is_right(
    store: SqlStore, clock: ManualClock
) -> None:
    document = await seed_incoming(store, incoming(clock))
    async with store.begin(NORTH) as work:
        await work.handovers.offer(document.id)
        await work.handovers.lease("qlvb", 1, clock.now() + timedelta(days=400))

        assert (await work.handovers.get(document.id)).state == "available"
        second_lease = await work.handovers.lease("other", 1, clock.now() + timedelta(hours=1))
        assert [d.incoming_id for d in second_lease] == [document.id]
        assert (await work.handovers.get(document.id)).leased_by == "other"


async def test_a_hand_over_is_leased_oldest_first_and_acknowledged_once(
    store: SqlStore, clock: ManualClock
) -> None:
    documents = []
    for _ in range(3):
        documents.append(await seed_incoming(store, incoming(clock)))
        clock.advance(1)
    ends_at = clock.now() + timedelta(seconds=60)

    async with store.begin(NORTH) as work:
        for d in documents:
            await work.handovers.offer(d.id)
            clock.advance(0.001)
        await work.handovers.offer(documents[0].id)
        leased = await work.handovers.lease("qlvb", 2, ends_at)
        remaining = await work.handovers.lease("other", 5, ends_at)
        first, last = documents[0].id, documents[2].id

        assert [d.incoming_id for d in leased] == [documents[0].id, documents[1].id]
        assert [d.incoming_id for d in remaining] == [last]
        assert await work.handovers.ack(first, "qlvb", clock.now()) is True
        assert await work.handovers.ack(first, "qlvb", clock.now()) is False
        assert await work.handovers.ack(first, "other", clock.now()) is False
        with pytest.raises(errors.Clash):
            await work.handovers.ack(last, "qlvb", clock.now())
        clock.advance(60)
        assert (await work.handovers.get(last)).state == "available"
        assert await work.handovers.ack(last, "qlvb", clock.now()) is True
        assert [d.incoming_id for d in await work.handovers.lease("other", 5, ends_at)] == [documents[1].id]
        with pytest.raises(errors.NotFound):
            await work.handovers.ack("none", "qlvb", clock.now())


async def test_documents_are_found_by_a_mark_that_they_lack_and_not_by_their_words(
    store: SqlStore, clock: ManualClock
) -> None:
    for marks in ((), ("late",), ("late", "purged"), ("purged",)):
        await seed_incoming(
            store, incoming(clock, state=InState.RECALLED, marks=marks, subject='"marks":["purged"]')
        )

    async with store.read(NORTH) as view:
        page = await view.incoming.page(limit=10, states=(InState.RECALLED,), without_mark="purged")

    assert {document.marks for document in page.items} == {(), ("late",)}

"""The sealed log on both databases: every event is one leaf, once, in the order of its number, whichever process commits,
numbers and seals it, and when; and every proof holds (E1, E2)."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlmodel import col

from gateway.domain import sealed_log
from gateway.domain.event import EventKind
from gateway.domain.sealed_log import Logged
from gateway.errors import Clash, Misconfigured, NotFound
from gateway.pool import ThreadPool
from gateway.store import log_reading
from gateway.store.log_reading import EventFilter, erase_texts
from gateway.store.store import SqlStore
from gateway.store.tables_node import EventRow
from tests.support import proofs
from tests.support.clock import ManualClock
from tests.support.sealed import OTHER_KEY, Book, codes, seal_key, tamper
from tests.support.stores import NORTH, SOUTH, committing, opened


@pytest.fixture
def book(store: SqlStore, clock: ManualClock, pool: ThreadPool) -> Book:
    return Book(store=store, clock=clock, pool=pool)


async def leaves(store: SqlStore) -> list[log_reading.LeafWithEvent]:
    return await log_reading.leaves(store, 0, 10_000)


async def test_every_event_becomes_one_leaf_in_the_order_of_its_number(book: Book) -> None:
    await book.tell(3)
    await book.tell(2, scope=SOUTH)
    await book.seal()

    leaf_list = await leaves(book.store)

    assert [leaf.index for leaf in leaf_list] == [0, 1, 2, 3, 4]
    assert [json.loads(leaf.body)["seq"] for leaf in leaf_list] == [1, 2, 3, 4, 5]
    assert [json.loads(leaf.body)["agency"] for leaf in leaf_list] == ["agy_north"] * 3 + ["agy_south"] * 2
    assert all(sealed_log.leaf_hash(leaf.body) == leaf.hash for leaf in leaf_list)


async def test_a_seal_covers_what_was_there_and_names_the_one_before(book: Book) -> None:
    first, second = await book.pages(3, 2)

    assert (first.signed.seal.number, first.signed.seal.tree_size) == (1, 3)
    assert (second.signed.seal.number, second.signed.seal.tree_size) == (2, 5)
    assert second.signed.seal.previous == first.signed.digest
    assert second.signed.seal.root == sealed_log.tree_root([leave.hash for leave in await leaves(book.store)])


async def test_every_leaf_is_proved_into_every_later_seal_and_every_seal_into_the_next(book: Book) -> None:
    seals = await book.pages(1, 6, 250, 10)
    log_leaves = await leaves(book.store)

    for d in seals:
        seal = d.signed.seal
        for index in {0, seal.tree_size // 3, seal.tree_size // 2, seal.tree_size - 1}:
            proof = await proofs.inclusion(book.store, index, seal.tree_size)
            assert sealed_log.proves_inclusion(
                log_leaves[index].hash, index, seal.tree_size, proof, seal.root
            )
    for old, new in itertools.pairwise(seals):
        a, b = old.signed.seal, new.signed.seal
        proof = await proofs.consistency(book.store, a.tree_size, b.tree_size)
        assert sealed_log.proves_prefix(a.tree_size, a.root, b.tree_size, b.root, proof)


async def test_a_proof_beyond_the_log_is_refused(book: Book) -> None:
    await book.pages(3)

    with pytest.raises(NotFound):
        await proofs.inclusion(book.store, 0, 4)
    with pytest.raises(NotFound):
        await log_reading.seal_numbered(book.store, 2)


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
async def test_threat_116_an_event_committed_late_takes_a_later_leaf_and_old_proofs_hold(
    book: Book, store_url: str
) -> None:
    """Its row was written first, and its transaction ended last. SQLite has one writer, and nothing of the kind."""
    async with opened(store_url, book.clock) as second, second.changing(SOUTH) as late:
        await late.events.append(EventKind.MESSAGE_ACCEPTED, "late", book.clock.now(), {})
        (first,) = await book.pages(4)
        leaves_before = [await proofs.inclusion(book.store, n, 4) for n in range(4)]
    await book.store.number_events()
    second_seal = await book.seal()

    log_leaves = await leaves(book.store)
    positions = {leaf.event.id: n for n, leaf in enumerate(log_leaves) if leaf.event is not None}
    assert len(log_leaves) == len(positions) == 5
    assert json.loads(log_leaves[4].body)["subject"] == "late"
    for n in range(4):
        assert sealed_log.proves_inclusion(log_leaves[n].hash, n, 4, leaves_before[n], first.signed.seal.root)
    assert (await book.examine(first, second_seal)).holds


async def test_threat_116_events_out_of_id_order_are_each_sealed_once(book: Book, store_url: str) -> None:
    """Two stores write and roll back at once while two sealers run."""
    async with opened(store_url, book.clock) as second:

        async def write(n: int) -> None:
            chosen = (book.store, second)[n % 2]
            async with chosen.begin((NORTH, SOUTH)[n % 3 == 0]) as work:
                await work.events.append(EventKind.MESSAGE_ACCEPTED, f"msg_{n}", book.clock.now(), {})
                if n % 5:
                    await work.commit()

        async def seal(chosen: SqlStore) -> None:
            for _ in range(6):
                await chosen.number_events(3)
                await chosen.log.grow(2)
                await asyncio.sleep(0)

        await asyncio.gather(*(write(n) for n in range(30)), seal(book.store), seal(second))
    while await book.store.number_events():
        pass
    await book.seal()

    log_leaves = await leaves(book.store)
    async with book.store.reading() as tx:
        ids = [id for (id,) in await tx.tuples(select(col(EventRow.id)))]
    assert [leaf.index for leaf in log_leaves] == list(range(24))
    assert sorted(json.loads(leaf.body)["id"] for leaf in log_leaves) == sorted(ids)
    assert (await book.examine()).holds


async def test_threat_116_two_sealers_at_once_make_one_history(book: Book, store_url: str) -> None:
    async with opened(store_url, book.clock) as second:
        other = Book(store=second, clock=book.clock, pool=book.pool)
        for _ in range(5):
            await book.tell(7)
            book.clock.advance(timedelta(minutes=1))
            await asyncio.gather(*(leaf.step() for leaf in (book.sealer(), other.sealer(), book.sealer())))
        newest = await book.seal()

    report = await book.examine(newest)
    assert report.holds
    assert report.leaves == newest.signed.seal.tree_size == 35


async def test_threat_116_leaves_are_not_written_anew_when_the_program_would_write_them_otherwise(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upgrade that puts events into other bytes: what is sealed stays, old proofs hold, new leaves join."""
    (first,) = await book.pages(3)
    leaves_before = await leaves(book.store)
    old = await proofs.inclusion(book.store, 1, 3)
    write = sealed_log.write_leaf

    def otherwise(event: Logged, salt: object) -> sealed_log.Leaf:
        leaf = write(event, lambda: b"s" * 32)
        return sealed_log.Leaf(body=leaf.body.replace(b'"v":1', b'"v": 1'), salts=leaf.salts)

    monkeypatch.setattr(sealed_log, "write_leaf", otherwise)
    (second,) = await book.pages(2)

    log_leaves = await leaves(book.store)
    assert [leaf.body for leaf in log_leaves[:3]] == [leaf.body for leaf in leaves_before]
    assert b'"v": 1' in log_leaves[4].body
    assert sealed_log.proves_inclusion(log_leaves[1].hash, 1, 3, old, first.signed.seal.root)
    assert (await book.examine(first, second)).holds


async def test_events_from_before_the_log_are_taken_in_once_and_keep_their_bytes(book: Book) -> None:
    """A node that was upgraded: its events have numbers and no leaves yet."""
    await book.tell(700, {"reason": "Sai địa chỉ"})
    await book.seal()
    once = await leaves(book.store)
    await book.tell(1)
    await book.seal()

    log_leaves = await leaves(book.store)
    assert [leaf.body for leaf in log_leaves[:700]] == [leaf.body for leaf in once]
    assert len(log_leaves) == 701


async def test_an_event_that_somebody_made_unreadable_keeps_no_other_from_being_sealed(
    book: Book, store_url: str
) -> None:
    await book.tell(3)
    await tamper(store_url, "UPDATE event SET data = '{\"x\": NaN' WHERE node_seq = 2")

    await book.seal()

    assert len(await leaves(book.store)) == 3
    assert (await book.examine()).holds


async def test_the_log_is_not_sealed_with_a_key_that_it_does_not_know(book: Book) -> None:
    (first,) = await book.pages(2)
    book.key = seal_key(OTHER_KEY)
    await book.tell()

    with pytest.raises(Misconfigured) as caught:
        await book.seal()

    assert caught.value.code == "GW-C-003"
    assert await log_reading.seal_numbered(book.store) == first


async def test_seals_do_not_go_back_when_the_clock_does(book: Book) -> None:
    (first,) = await book.pages(2)
    book.clock.advance(-timedelta(hours=3))
    await book.tell(1)

    second = await book.seal()

    assert second.signed.seal.at == first.signed.seal.at
    assert (await book.examine(first, second)).holds


async def test_what_waits_for_its_seal_is_told_by_its_oldest(book: Book) -> None:
    head = await book.store.log.head()
    assert (head.size, head.seal, head.unsealed_since, head.unstamped_since) == (0, None, None, None)
    told_at = book.clock.now()
    async with committing(book.store) as work:
        await work.events.append(EventKind.MESSAGE_ACCEPTED, "unnumbered", told_at, {})
    book.clock.advance(600)
    assert (await book.store.log.head()).unsealed_since == told_at

    await book.store.number_events()
    assert (await book.store.log.head()).unsealed_since == told_at
    await book.store.log.grow(10)
    assert (await book.store.log.head()).unsealed_since == told_at
    seal = await book.seal()
    head = await book.store.log.head()
    assert head.unsealed_since is None
    assert head.unstamped_since == seal.signed.seal.at


async def test_a_stamp_stays_and_covers_the_seals_before_it(book: Book) -> None:
    first, second, third = await book.pages(1, 1, 1)
    for token in (b"token", b"another"):
        await book.store.log.stamp(second.signed.seal, token, book.clock.now(), book.clock)

    head = await book.store.log.head()

    assert head.stamped is not None
    assert (head.stamped.signed, head.stamped.stamp) == (second.signed, b"token")
    assert head.unstamped_since == third.signed.seal.at
    covering = await log_reading.seal_covering(book.store, 0, stamped=True)
    assert covering is not None
    assert covering.signed == second.signed
    assert await log_reading.seal_covering(book.store, 0) == first
    assert await log_reading.seal_covering(book.store, 2, stamped=True) is None


async def test_a_stamp_is_an_event_that_later_seals_cover(book: Book) -> None:
    (first,) = await book.pages(1)
    token, at = b"token", book.clock.now()
    for stored in (token, b"another"):
        await book.store.log.stamp(first.signed.seal, stored, at, book.clock)
    await book.store.number_events()
    events = [e for e in await book.store.events_after(None, 0, 10) if e.kind is EventKind.LOG_STAMPED]
    (event,) = events
    seal = first.signed.seal
    assert (event.subject_id, event.agency_id) == ("seal:1", None)
    assert event.data == {
        "seal": 1,
        "size": seal.tree_size,
        "root": seal.root.hex(),
        "at": at.isoformat(),
        "token": hashlib.sha256(token).hexdigest(),
    }
    assert await book.store.log.grow(10) == 1
    assert (await book.seal()).signed.seal.tree_size == seal.tree_size + 1


async def test_what_left_the_node_is_known_by_its_number(book: Book) -> None:
    first, _ = await book.pages(1, 1)
    assert await log_reading.seal_published(book.store) is None
    await book.store.log.record_published(1, book.clock.now())

    assert await log_reading.seal_published(book.store) == first
    assert (await book.store.log.head()).published_at == book.clock.now()


async def test_publishing_an_older_seal_once_more_does_not_make_it_the_newest(book: Book) -> None:
    _, second = await book.pages(1, 1)
    await book.store.log.record_published(2, book.clock.now())
    published_before = (await book.store.log.head()).published_at
    book.clock.advance(timedelta(hours=30))
    await book.store.log.record_published(1, book.clock.now())

    assert await log_reading.seal_published(book.store) == second
    assert (await book.store.log.head()).published_at == published_before


async def test_threat_121_a_deleted_text_is_gone_and_every_proof_holds(book: Book, store_url: str) -> None:
    (leaves_before,) = await book.pages(3, data={"reason": "Nguyễn Văn A ốm", "why": "x y"})
    (stored,) = [x for x in await log_reading.leaves_of(book.store, "agy_north", "msg_1") if x.index == 1]
    proof = await proofs.inclusion(book.store, 1, 3)

    erased = await erase_texts(book.store, book.clock, stored.event_id, ["reason"], "prn_1", "Decision 12")
    await book.store.number_events()
    seal_after = await book.seal()

    (remaining_leaf,) = [
        x for x in await log_reading.leaves_of(book.store, "agy_north", "msg_1") if x.index == 1
    ]
    assert erased == ["reason"]
    assert remaining_leaf.body == stored.body
    assert (dict(remaining_leaf.texts), set(remaining_leaf.salts)) == ({"why": "x y"}, {"why"})
    assert sealed_log.proves_inclusion(
        sealed_log.leaf_hash(remaining_leaf.body), 1, 3, proof, leaves_before.signed.seal.root
    )
    report = await book.examine(leaves_before, seal_after)
    assert report.holds
    assert [x.params for x in report.notes if x.code == "erased"] == [{"count": 1}]
    async with book.store.reading() as tx:
        every = [data for (data,) in await tx.tuples(select(col(EventRow.data)))]
    assert sum("Nguyễn Văn A" in x for x in every) == 2


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_threat_121_no_byte_of_a_deleted_text_is_left_in_the_file(book: Book, store_url: str) -> None:
    """Rows were written anew when they were numbered, and pages when they were full."""
    await book.pages(40, data={"reason": "Nguyễn Văn A ốm nặng"})
    assert files_with("Nguyễn Văn A", store_url)
    for stored in await log_reading.leaves_of(book.store, "agy_north", "msg_1"):
        await erase_texts(book.store, book.clock, stored.event_id, [], "prn_1", "Decision 12")
    await book.store.close()

    assert files_with("Nguyễn Văn A", store_url) == []


def files_with(text: str, store_url: str) -> list[str]:
    folder = Path(store_url.removeprefix("sqlite:///")).parent
    return [leaf.name for leaf in folder.iterdir() if leaf.is_file() and text.encode() in leaf.read_bytes()]


async def test_all_texts_of_an_event_are_deleted_when_none_is_named_and_nothing_inside_a_leaf(
    book: Book,
) -> None:
    await book.pages(1, data={"reason": "one two", "why": "x y", "code": "02"})
    (stored,) = await log_reading.leaves_of(book.store, "agy_north", "msg_1")

    for name in ("code", "nothing"):
        with pytest.raises(Clash, match="reason"):
            await erase_texts(book.store, book.clock, stored.event_id, [name], "prn_1", "Decision 12")
    with pytest.raises(NotFound):
        await erase_texts(book.store, book.clock, "evt_nowhere", [], "prn_1", "Decision 12")
    assert await erase_texts(book.store, book.clock, stored.event_id, [], "prn_1", "Decision 12") == [
        "reason",
        "why",
    ]

    (leaf,) = await log_reading.search_log(book.store, EventFilter(event_id=stored.event_id), limit=5)
    assert leaf.event.data == {"n": 0, "code": "02"}


async def test_a_text_that_is_not_sealed_yet_waits_for_its_seal(book: Book) -> None:
    await book.tell(1, {"reason": "one two"})
    (hit,) = await log_reading.search_log(book.store, EventFilter(), limit=5)

    with pytest.raises(Clash, match="within a minute"):
        await erase_texts(book.store, book.clock, hit.event.id, [], "prn_1", "Decision 12")


async def test_search_finds_by_kind_subject_agency_and_period(book: Book) -> None:
    await book.tell(2)
    book.clock.advance(timedelta(days=1))
    middle = book.clock.now()
    await book.tell(2, scope=SOUTH)

    async def count(**criteria: object) -> int:
        return len(await log_reading.search_log(book.store, EventFilter(**criteria), limit=10))  # type: ignore[arg-type]  # each has its own type

    assert await count() == 4
    assert await count(kind="message.*") == 4
    assert await count(kind="message.status") == 4
    assert await count(kind="message_status") == await count(kind="inbox.*") == 0
    assert await count(subject_id="msg_1") == 4
    assert await count(agency_id="agy_south") == await count(principal_id="prn_south") == 2
    assert await count(since=middle) == await count(ends_before=middle) == 2
    newest = await log_reading.search_log(book.store, EventFilter(), limit=1, newest=True)
    assert newest[0].event.node_seq == 4


async def test_nothing_is_examined_and_holds_in_an_empty_log_and_nothing_new_makes_no_seal(
    book: Book,
) -> None:
    report = await book.examine()

    assert (report.holds, report.leaves, codes(report)) == (True, 0, [])

    (only,) = await book.pages(1)

    assert await book.seal() == only

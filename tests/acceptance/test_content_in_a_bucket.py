"""A node whose large content lies in a bucket of a real object store: an outage at any step loses and doubles nothing, and
the checks report it; a backup has the content; content moves while documents are exchanged. No call to the store is made
on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.bootstrap.core import find_bucket
from gateway.domain.diagnosis import Level, Tag, condition
from gateway.domain.document import InState
from gateway.domain.identity import Secret
from gateway.errors import ContentStoreDown
from gateway.ops import backup, checks, restore
from gateway.ops.subject import Subject
from gateway.policy import upkeep
from gateway.settings import Settings
from gateway.store import bucket as bucket_module
from gateway.store.blobs import FileBlobs
from gateway.store.bucket import Bucket, BucketPlace
from gateway.store.bucket_content import BucketContent
from gateway.store.content_move import ContentMove, count_content
from gateway.workers import couriers
from tests.support.buckets import Objects, line_to, new_place, through
from tests.support.clock import ManualClock
from tests.support.node import COMMUNE, DEPARTMENT, LEASE_S, PDF, PROVINCE, Town, document
from tests.support.tcp_proxy import TcpProxy
from tests.support.town.builder import open_town
from tests.support.town.doors import meta, open_door

LARGE = PDF + bytes(100_000)
FILES = (("van-ban.pdf", LARGE),)


@pytest.fixture(autouse=True)
def no_quiet_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_module, "QUIET_S", 0.0)


@pytest.fixture(autouse=True)
def off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail at a call that would block the event loop."""
    call: Callable[[Bucket, str], AbstractContextManager[None]] = Bucket._calling

    @contextmanager
    def checked(self: Bucket, failed: str) -> Iterator[None]:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            with call(self, failed):
                yield
        else:
            raise AssertionError("a call to the object store on the event loop")

    monkeypatch.setattr(Bucket, "_calling", checked)


@pytest.fixture
def place() -> BucketPlace:
    return new_place(timeout_s=5)


@pytest.fixture
async def line(place: BucketPlace) -> AsyncIterator[TcpProxy]:
    async with line_to(place) as proxy:
        yield proxy


def in_bucket(place: BucketPlace, *, store: str = "s3") -> Callable[[Settings], Settings]:
    def change(settings: Settings) -> Settings:
        content = replace(
            settings.content,
            store=store,
            endpoint=place.endpoint,
            bucket=place.bucket,
            prefix=place.prefix,
            access_key=place.access_key,
            secret_key=Secret(place.secret_key),
            plain_http="yes",
            timeout_s=place.timeout_s,
        )
        return replace(settings, content=content)

    return change


@asynccontextmanager
async def open_on(
    folder: Path, place: BucketPlace, line: TcpProxy, clock: ManualClock | None = None, *, store: str = "s3"
) -> AsyncIterator[Town]:
    async with open_town(folder, clock, change=in_bucket(through(place, line), store=store)) as town:
        yield town


async def test_documents_go_and_come_with_their_content_in_the_bucket(
    tmp_path: Path, place: BucketPlace, line: TcpProxy
) -> None:
    async with open_on(tmp_path / "node", place, line) as town:
        await town.send("15", PROVINCE, COMMUNE, files=FILES)
        await town.carry()

        arrived = await town.only()
        assert arrived.state is InState.NEW
        assert await town.read(arrived) == LARGE
        lying = await count_content(town.node.store)
        assert (lying.files, lying.objects) == (0, len(await names_in(place)))
        assert lying.objects > 0
        assert not [*(tmp_path / "node").glob("data/content/[0-9a-f][0-9a-f]/*/*")]


async def test_callers_are_asked_to_come_again_in_an_outage(
    blank_node: Path, tmp_path: Path, place: BucketPlace, line: TcpProxy
) -> None:
    async with open_door(blank_node, tmp_path / "node", change=in_bucket(through(place, line))) as door:
        large = (("lead", "15.pdf", LARGE),)
        assert (await door.send(files=large)).status == 202
        await door.carry()
        (arrived,) = (await door.ask("GET", "/inbox", agency=PROVINCE)).json["data"]
        file = f"/inbox/{arrived['id']}/files/1"
        await line.refuse()

        refused = await door.send(meta(number="16"), once="two", files=large)
        unread = await door.ask("GET", file, agency=PROVINCE)
        for answer in (refused, unread):
            assert (answer.status, answer.json["code"]) == (503, "GW-S-512"), answer
            assert int(answer.headers["Retry-After"]) > 0
        line.heal()
        accepted = await door.send(meta(number="16"), once="two", files=large)
        assert accepted.status == 202, accepted
        assert (await door.ask("GET", file, agency=PROVINCE)).raw == LARGE
        assert await door.town.count("outgoing_document") == 2


async def test_an_outage_holds_intake_back_and_loses_and_doubles_nothing(
    tmp_path: Path, place: BucketPlace, line: TcpProxy
) -> None:
    async with open_on(tmp_path / "node", place, line) as town:
        first = await town.send("15", files=FILES)
        await town.carry()
        packet = town.forge(document("200"), FILES)
        await town.deliver(packet)
        await line.refuse()

        with pytest.raises(ContentStoreDown):
            await town.send("16", files=FILES)
        intake = couriers.Intake()
        for _ in range(30):  # more often than the axis delivers a parcel
            with pytest.raises(ContentStoreDown):
                await intake.step(town.node.inn, 10, LEASE_S)
            town.clock.advance(LEASE_S + 1)
        with pytest.raises(ContentStoreDown):
            await town.read(await town.only())
        assert await town.count("outgoing_document") == 1
        line.heal()
        await intake.step(town.node.inn, 10, LEASE_S)
        second = await town.send("16", files=FILES)
        await town.carry()
        town.clock.advance(timedelta(hours=1))
        await town.carry()

        assert sorted(d.number or "" for d in await town.incoming()) == ["15", "16", "200"]
        for sent in (first, second):
            assert (await town.delivery(sent)).state == "delivered"
        assert await town.node.axis.dead_list() == []
        await sweep_all(place, town)
        lying = await count_content(town.node.store)
        assert len(await names_in(place)) == lying.objects


async def test_an_outage_while_packets_are_worked_on_puts_them_off_for_as_long_as_it_lasts(
    tmp_path: Path, place: BucketPlace, line: TcpProxy
) -> None:
    async with open_on(tmp_path / "node", place, line) as town:
        sent = await town.send("15", files=FILES)
        packet = town.forge(document("200"), FILES)
        await town.deliver(packet)
        await town.land()
        await line.refuse()

        for _ in range(upkeep.MOST_UNFORESEEN + 2):
            await town.pack()
            await town.process()
            town.clock.advance(timedelta(hours=1))
        assert (await town.row(PROVINCE, packet)).state == "landed"
        line.heal()
        await town.carry()
        town.clock.advance(timedelta(hours=1))
        await town.carry()

        assert (await town.row(PROVINCE, packet)).state == "done"
        assert (await town.delivery(sent)).state == "delivered"
        assert len(await town.incoming()) == 2


async def test_an_outage_before_a_packet_leaves_sends_it_once_afterwards(
    tmp_path: Path, place: BucketPlace, line: TcpProxy
) -> None:
    async with open_on(tmp_path / "node", place, line) as town:
        await town.carry()  # it hosts its agencies at the axis
        sent = await town.send("15", files=FILES)
        await town.pack()
        town.clock.advance(timedelta(minutes=30))
        await line.refuse()
        for _ in range(3):
            await town.dispatch()
            town.clock.advance(timedelta(minutes=30))
        (row,) = await town.outbox(DEPARTMENT)
        assert (row.state, (row.last_error or "")[:8]) == ("waiting", "GW-S-512")
        line.heal()
        town.clock.advance(timedelta(hours=1))
        await town.carry()

        assert (await town.delivery(sent)).state == "delivered"
        assert len(await town.incoming()) == 1


async def test_an_outage_is_told_in_words_and_ends_by_itself(
    tmp_path: Path, place: BucketPlace, line: TcpProxy
) -> None:
    async with open_on(tmp_path / "node", place, line) as town:
        subject = Subject.within(town.node)
        assert await findings(subject) == {("content.fine", Level.GREEN)}
        await line.refuse()

        assert await findings(subject) == {("content.down", Level.RED)}
        of_content = [f for f in await checks.examine(subject, Tag.READY) if f.check == "content"]
        assert condition(of_content) == "degraded"
        line.heal()
        assert await findings(subject) == {("content.fine", Level.GREEN)}


async def findings(subject: Subject) -> set[tuple[str, Level]]:
    return {(f.cause, f.level) for f in await checks.examine(subject, Tag.READY) if f.check == "content"}


async def test_a_backup_has_the_content_of_the_bucket_and_is_restored_into_the_folder(
    tmp_path: Path, place: BucketPlace, line: TcpProxy
) -> None:
    async with open_on(tmp_path / "node", place, line) as town:
        await town.send("15", files=FILES)
        await town.carry()
        node, settings, data = town.node, town.node.settings, town.node.settings.node.data_dir
        source = backup.BackupSource(
            node="town",
            database_url=settings.database.url,
            content=data / "content",
            keys=settings.keys.folder,
            trust=settings.trust.folder,
            settings=None,
            bucket=find_bucket(settings),
        )
        file, words = tmp_path / "copy.backup", b"words of a test"
        manifest = await backup.make(source, file, words, node.clock, node.pool, lambda *_: None)
        drill = await restore.drill(file, words, tmp_path, None, node.clock, node.pool, lambda *_: None)
        assert manifest.lacks == {}
        assert drill.manifest.contents == manifest.contents > 0
        place_of_copy = tmp_path / "restored"
        place_of_copy.mkdir()
        target = restore.RestoreTarget(
            database_url=f"sqlite:///{place_of_copy / 'gateway.db'}",
            data_dir=place_of_copy,
            content=place_of_copy / "content",
            keys=place_of_copy / "keys",
            trust=place_of_copy / "trust",
        )
        await restore.restore(file, words, target, node.clock, node.pool, lambda *_: None)

        lying = await count_content(node.store)
        assert len([*place_of_copy.glob("content/[0-9a-f][0-9a-f]/*/*")]) == lying.objects
        await line.refuse()
        with pytest.raises(ContentStoreDown):
            await backup.make(source, tmp_path / "2.backup", words, node.clock, node.pool, lambda *_: None)
        assert not (tmp_path / "2.backup").exists()


async def test_content_moves_both_ways_while_documents_are_exchanged_and_a_move_is_killed(
    tmp_path: Path, place: BucketPlace, line: TcpProxy
) -> None:
    numbers, clock = 0, ManualClock()
    async with open_town(tmp_path / "node", clock) as town:
        for _ in range(3):
            numbers += 1
            await town.send(str(numbers), files=FILES)
        await town.carry()
    for store in ("s3", "folder", "s3"):
        async with open_on(tmp_path / "node", place, line, clock, store=store) as town:
            killed = asyncio.create_task(mover(town).run())
            numbers += 1
            await town.send(str(numbers), files=FILES)
            killed.cancel()
            await asyncio.gather(killed, return_exceptions=True)
            move = asyncio.create_task(mover(town).run())
            for _ in range(3):
                numbers += 1
                await town.send(str(numbers), files=FILES)
                await town.carry()
            await move
            last = mover(town)
            await last.run()

            assert last.failed == {}
            lying = await count_content(town.node.store)
            assert (lying.files if store == "s3" else lying.objects) == 0
            arrived = await town.incoming()
            assert sorted(int(d.number or "0") for d in arrived) == [*range(1, numbers + 1)]
            for one_document in arrived:
                assert await town.read(one_document) == LARGE


def mover(town: Town) -> ContentMove:
    """Return a move as a process of its own makes it."""
    node = town.node
    assert node.bucket is not None
    blobs = FileBlobs(node.room.folder, node.store, node.clock, node.pool, None, node.bucket)
    return ContentMove(node.room.folder, node.store, blobs, node.bucket, lambda count: None)


async def names_in(place: BucketPlace) -> list[str]:
    return await asyncio.to_thread(Objects(place).names)


async def sweep_all(place: BucketPlace, town: Town) -> None:
    """Delete the objects that no row names, whatever their age."""
    bucket = BucketContent(Bucket(place), town.node.store, town.clock, town.node.room.folder, takes_new=True)
    await bucket.settle()

    async def is_held() -> bool:
        return False

    for _ in range(16):
        await bucket.sweep(timedelta(seconds=-60), is_held)

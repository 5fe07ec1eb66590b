"""The sealer beside a timestamp authority that is down, wrong or slow to come back: seals go on, and a late stamp stays
late."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.domain import sealed_log
from gateway.domain.sealed_log import PublishedSeal, Stamp
from gateway.errors import Clash, InvalidProof, StoreFailure, Unreachable
from gateway.policy.upkeep import Rhythm
from gateway.pool import ThreadPool
from gateway.store.log_reading import seal_numbered
from gateway.trust import seals
from gateway.workers import event_log as sealing
from gateway.workers.event_log import LogSealer, StampGate
from tests.support.clock import ManualClock
from tests.support.sealed import Book
from tests.support.stores import copied, migrated, with_agencies
from tests.support.tsa import tsa
from tests.unit.domain.test_seal import SIGNED

HOUR = timedelta(hours=1)


class Authority:
    """Timestamp authority that fails on demand and counts its requests."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.asked = 0
        self.fails: Exception | None = None

    def stamp(self, data: bytes) -> tuple[bytes, Stamp]:
        self.asked += 1
        if self.fails is not None:
            raise self.fails
        token = tsa().token(data, self._clock.now())
        return token, seals.check_stamp(token, data, [tsa().root])


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    new_pool = ThreadPool(1)
    yield new_pool
    new_pool.close()


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated(tmp_path_factory.mktemp("blank"))


@pytest.fixture
def authority(clock: ManualClock) -> Authority:
    return Authority(clock)


@pytest.fixture
async def book(
    blank: Path, tmp_path: Path, clock: ManualClock, pool: ThreadPool, authority: Authority
) -> AsyncIterator[Book]:
    async with with_agencies(copied(blank, tmp_path), clock) as store:
        yield Book(store=store, clock=clock, pool=pool, authority=authority)


async def test_it_looks_every_five_seconds_and_takes_a_full_batch_at_once(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.authority = None  # its stamps are events, too
    monkeypatch.setattr(sealing, "LEAVES_AT_ONCE", 5)
    await book.tell(6)
    sealer = book.sealer()

    assert await sealer.step()
    assert not await sealer.step()
    await book.tell(1)
    assert not await sealer.step()
    assert (await book.store.log.head()).size == 6
    book.clock.advance(5)
    assert not await sealer.step()
    assert (await book.store.log.head()).size == 7


async def numbers(book: Book) -> tuple[int | None, int | None]:
    """Return the number of the last seal, and of the last one that was stamped."""
    head = await book.store.log.head()
    last, stamped = [x.signed.seal.number if x else None for x in (head.seal, head.stamped)]
    return last, stamped


async def test_seals_and_stamps_each_have_their_own_rhythm(book: Book, authority: Authority) -> None:
    book.rhythm = Rhythm(seal=timedelta(minutes=10), stamp=HOUR)
    sealer = book.sealer()
    for _ in range(14):
        await book.tell(1)
        await sealer.step()
        book.clock.advance(300)

    assert (await numbers(book), authority.asked) == ((7, 7), 2)


async def test_an_authority_that_is_down_stops_nothing_and_is_asked_ever_more_rarely(
    book: Book, authority: Authority
) -> None:
    authority.fails = Unreachable("nobody answers")
    sealer = book.sealer()
    for _ in range(12):
        await book.tell(1)
        await sealer.step()
        book.clock.advance(60)

    assert await numbers(book) == (12, None)
    assert 3 <= authority.asked <= 7

    authority.fails = None
    book.clock.advance(HOUR)
    await sealer.step()
    assert await numbers(book) == (12, 12)
    # All but the line about that stamp.
    assert (await book.store.log.head()).unstamped_since == book.clock.now()


async def test_a_late_stamp_is_said_to_be_late(book: Book, authority: Authority) -> None:
    authority.fails = Unreachable("nobody answers")
    await book.tell(1)
    sealer = book.sealer()
    await sealer.step()
    authority.fails = None
    book.clock.advance(5 * HOUR)
    await sealer.step()

    report = await book.examine(await seal_numbered(book.store), roots=[tsa().root])
    assert (report.holds, report.stamps) == (True, 1)
    assert [note.code for note in report.notes] == ["unsealed", "stamps_late"]


async def test_a_wrong_answer_is_no_stamp(book: Book, authority: Authority) -> None:
    authority.fails = InvalidProof("another nonce")
    (only,) = await book.pages(1)

    assert only.stamp is None
    assert authority.asked == 1


async def test_seals_are_put_where_others_carry_them_away(book: Book, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    sealer = publisher(book, folder)
    for _ in range(2):
        await book.tell(1)
        await sealer.step()
        book.clock.advance(HOUR)
    (file,) = folder.iterdir()
    assert sealed_log.read_seal(file.read_bytes()).signed.seal.number == 1

    book.clock.advance(24 * HOUR)
    await sealer.step()
    seal_files = sorted(folder.iterdir())
    assert [sealed_log.read_seal(x.read_bytes()).signed.seal.number for x in seal_files] == [1, 3]
    assert (await book.examine(*(sealed_log.read_seal(x.read_bytes()) for x in seal_files))).anchored


async def test_threat_117_a_history_made_anew_does_not_take_the_place_of_what_was_published(
    book: Book, tmp_path: Path
) -> None:
    """The folder is what tells; its file stays until a person has looked."""
    (first,) = await book.pages(1)
    file = seals.publish_seal(tmp_path, first)
    other = PublishedSeal(signed=book.key.sign(replace(first.signed.seal, root=bytes(32))))

    with pytest.raises(Clash, match="published before"):
        seals.publish_seal(tmp_path, other)
    assert sealed_log.read_seal(file.read_bytes()) == first

    stamped = replace(first, stamp=b"token")
    assert seals.publish_seal(tmp_path, stamped) == file
    assert sealed_log.read_seal(file.read_bytes()) == stamped


async def test_a_published_seal_that_cannot_be_read_is_not_called_another_seal(
    book: Book, tmp_path: Path
) -> None:
    (first,) = await book.pages(1)
    file = seals.publish_seal(tmp_path, first)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(StoreFailure, match=r"\.seal cannot be read: .") as damaged:
        seals.publish_seal(tmp_path, first)
    file.unlink()
    file.mkdir()
    with pytest.raises(StoreFailure, match=r"\.seal cannot be read: Is a directory"):
        seals.publish_seal(tmp_path, first)

    assert "another seal" not in str(damaged.value)


async def test_a_folder_that_is_gone_is_told_and_no_seal_counts_as_published(
    book: Book, tmp_path: Path
) -> None:
    await book.tell(1)
    with pytest.raises(StoreFailure, match="nowhere"):
        await publisher(book, tmp_path / "nowhere").step()

    head = await book.store.log.head()
    assert head.seal is not None
    assert head.published_at is None


def publisher(book: Book, folder: Path) -> LogSealer:
    sealer = book.sealer()
    sealer.publish = lambda published: seals.publish_seal(folder, published)
    return sealer


async def test_a_demanded_timestamp_holds_intake_back_only_after_its_hours(
    book: Book, authority: Authority
) -> None:
    gate = StampGate(log=book.store.log, clock=book.clock, most=6 * HOUR)
    authority.fails = Unreachable("nobody answers")
    await book.pages(1)
    book.clock.advance(5 * HOUR)
    await gate.check()

    book.clock.advance(2 * HOUR)
    with pytest.raises(StoreFailure) as caught:
        await gate.check()
    assert caught.value.code == "GW-S-508"
    await StampGate(log=book.store.log, clock=book.clock, most=timedelta()).check()  # no stamp is demanded

    authority.fails = None
    await book.sealer().step()
    book.clock.advance(15)
    await gate.check()


def test_paper_has_what_an_eye_needs_to_compare() -> None:
    lines = seals.on_paper(PublishedSeal(signed=SIGNED))

    joined = {name: "".join(value for k, value in lines if k == name).replace(" ", "") for name, _ in lines}
    assert joined["root"] == SIGNED.seal.root.hex()
    assert joined["seal"] == SIGNED.digest.hex()
    assert joined["key"] == SIGNED.key_id
    assert max(len(value) for _, value in lines) <= 40


def test_the_rhythm_as_shipped_is_what_the_pages_say() -> None:
    assert Rhythm() == Rhythm(seal=timedelta(minutes=1), stamp=HOUR, publish=24 * HOUR)

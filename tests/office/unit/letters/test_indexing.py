"""Words of files are read after a document came, once, within limits; what may not be read stays unread, also when that is
decided while its files are being read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument, InState
from gateway.domain.pdf import PageLook, PageWish
from gateway.errors import Clash, GatewayError, StoreFailure
from gateway.store.transaction import Transaction
from gateway_office.domain.content import Reading
from gateway_office.domain.listing import Filter
from gateway_office.letters import indexing
from gateway_office.letters.indexing import ContentIndexer
from gateway_office.store import contents
from gateway_office.store.content_marks import QUIET_TIME
from gateway_office.store.contents import MOST_TRIES
from tests.office.support.node import PDF, OfficeTown, document, update_of
from tests.office.support.stores import folded
from tests.support.letters import Text, paper
from tests.unit.trust.test_docx import paragraph, word_file

WORDS = "Kế hoạch phòng chống lụt bão"


def pdf(*pages: str) -> bytes:
    return paper([[Text(words, 90, 100, centred=False)] for words in pages])


async def arrived(town: OfficeTown, *files: tuple[str, bytes]) -> IncomingDocument:
    """Bring a document with these files, and write its row."""
    await town.brought(town.forge(document(files=files), files))
    await folded(town.node.store)
    town.clock.advance(QUIET_TIME.total_seconds())
    return await town.only()


async def work_through(indexer: ContentIndexer, town: OfficeTown) -> None:
    """Step until the indexer has nothing left to do."""
    town.clock.advance(indexing._EVERY.total_seconds())
    for _ in range(100):
        if not await indexer.step():
            return
    raise AssertionError("the indexer does not come to an end")


async def search(town: OfficeTown, letter: IncomingDocument, text: str) -> list[tuple[int, int]]:
    scope = AgencyScope(agency_id=letter.agency_id, principal_id="clerk")
    async with town.node.store.read(scope) as view:
        question = Filter(side=None, text=text)
        page = await view.office.contents.search(view.office.lists, question, limit=10)
    return [(match.n, match.page) for match in page.matches]


async def readings(town: OfficeTown, letter: IncomingDocument) -> Sequence[Reading]:
    scope = AgencyScope(agency_id=letter.agency_id, principal_id="clerk")
    async with town.node.store.read(scope) as view:
        return [reading for _, reading in sorted((await view.office.contents.readings(letter.id)).items())]


async def hide(town: OfficeTown, letter: IncomingDocument, state: InState = InState.HELD) -> None:
    scope = AgencyScope(agency_id=letter.agency_id, principal_id="clerk")
    async with town.node.store.changing(scope) as work:
        await work.incoming.save(replace(await work.incoming.get(letter.id), state=state))


async def test_the_words_of_each_kind_of_file_are_found_with_their_page(town: OfficeTown) -> None:
    letter = await arrived(
        town,
        ("van-ban.pdf", pdf("Trang đầu", WORDS)),
        ("bao-cao.docx", word_file(paragraph("Báo cáo tài chính"))),
        ("anh.pdf", PDF),
    )

    await work_through(town.node.indexer, town)

    assert await search(town, letter, "lụt bão") == [(1, 2)]
    assert await search(town, letter, "tai chinh") == [(2, 1)]
    assert await readings(town, letter) == [Reading.WORDS, Reading.WORDS, Reading.NO_TEXT]
    town.clock.advance(3_600)
    assert await town.node.store.content_queue.claim(10) == ()


@dataclass
class Drawer:
    """Drawer of pages that does something else meanwhile, and counts what it was asked."""

    look: PageLook = field(default_factory=lambda: PageLook(pages=1, words=(WORDS,)))
    meanwhile: Callable[[], Awaitable[None]] | None = None
    wishes: list[PageWish] = field(default_factory=list)

    async def draw(self, path: Path, wish: PageWish) -> PageLook:
        self.wishes.append(wish)
        if self.meanwhile is not None:
            await self.meanwhile()
        return self.look


def with_drawer(town: OfficeTown, drawer: Drawer, **limits: object) -> ContentIndexer:
    indexer = town.node.indexer
    return replace(
        indexer,
        pages=drawer,  # type: ignore[arg-type]  # answers as the drawer does
        limits=replace(indexer.limits, **limits),  # type: ignore[arg-type]  # fields
    )


async def test_threat_145_a_letter_that_is_hidden_while_its_files_are_read_keeps_no_words(
    town: OfficeTown,
) -> None:
    letter = await arrived(town, ("van-ban.pdf", PDF))
    drawer = Drawer(meanwhile=lambda: hide(town, letter))

    await work_through(with_drawer(town, drawer), town)

    assert len(drawer.wishes) == 1
    await hide(town, letter, InState.NEW)
    assert await search(town, letter, "lut") == []
    drawer.meanwhile = None
    town.clock.advance(contents.CLAIMED_FOR.total_seconds())
    await work_through(with_drawer(town, drawer), town)
    assert await search(town, letter, "lut") == [(1, 1)]


async def test_words_of_exchanged_files_are_read_anew_after_an_agreed_update(town: OfficeTown) -> None:
    letter = await arrived(town, ("van-ban.pdf", pdf(WORDS)))
    await work_through(town.node.indexer, town)
    assert await search(town, letter, "lụt bão") == [(1, 1)]
    files = (("van-ban.pdf", pdf("Trang đầu", "Quy chế văn thư")),)
    await town.brought(town.forge(update_of(files=files), files))

    await town.status(letter, "15")
    assert await search(town, letter, "lụt bão") == []
    await folded(town.node.store)
    town.clock.advance(QUIET_TIME.total_seconds())
    await work_through(town.node.indexer, town)

    assert await search(town, letter, "van thu") == [(1, 2)] * 2  # the update is a packet of its own
    assert await search(town, letter, "lụt bão") == []
    assert await readings(town, letter) == [Reading.WORDS]


async def test_what_was_read_is_not_read_again_and_a_fault_neither(town: OfficeTown) -> None:
    letter = await arrived(town, ("van-ban.pdf", PDF))
    drawer = Drawer(look=PageLook(fault="PAGE-UNREADABLE"))
    indexer = with_drawer(town, drawer)
    await work_through(indexer, town)

    assert await readings(town, letter) == [Reading.UNREADABLE]
    await town.node.store.content_queue.clear(0)
    await work_through(indexer, town)
    assert len(drawer.wishes) == 2  # once more after all results were cleared
    await work_through(indexer, town)
    assert len(drawer.wishes) == 2


async def test_a_node_that_dies_while_it_reads_tries_three_times_and_then_remembers(town: OfficeTown) -> None:
    letter = await arrived(town, ("van-ban.pdf", PDF))

    async def die() -> None:
        raise KeyboardInterrupt

    drawer = Drawer(meanwhile=die)
    for _ in range(MOST_TRIES):
        with pytest.raises(KeyboardInterrupt):
            await work_through(with_drawer(town, drawer), town)
        town.clock.advance(3_600)
    await work_through(with_drawer(town, drawer), town)

    assert len(drawer.wishes) == MOST_TRIES
    assert await readings(town, letter) == [Reading.UNREADABLE]
    town.clock.advance(3_600)
    assert await town.node.store.content_queue.claim(10) == ()


async def test_a_file_that_ends_the_child_is_tried_three_times(town: OfficeTown) -> None:
    letter = await arrived(town, ("van-ban.pdf", PDF))
    drawer = Drawer(look=PageLook(fault="PAGE-READER", detail="it ended"))
    for _ in range(MOST_TRIES + 2):
        await work_through(with_drawer(town, drawer), town)
        town.clock.advance(3_600)

    assert len(drawer.wishes) == MOST_TRIES
    assert await readings(town, letter) == [Reading.UNREADABLE]


@pytest.mark.parametrize(
    ("error", "reading"),
    [
        (StoreFailure("the disk is full", code="GW-S-507"), Reading.WORDS),
        (Clash("it was recalled", code="GW-UNREADABLE"), Reading.UNREADABLE),
    ],
)
async def test_a_full_disk_is_no_fault_of_the_file(
    town: OfficeTown, error: GatewayError, reading: Reading
) -> None:
    letter = await arrived(town, ("van-ban.pdf", PDF))

    async def fail() -> None:
        raise error

    for _ in range(MOST_TRIES + 2):
        await work_through(with_drawer(town, Drawer(meanwhile=fail)), town)
        town.clock.advance(3_600)
    await work_through(with_drawer(town, Drawer()), town)

    assert await readings(town, letter) == [reading]


async def test_reading_is_bounded_by_pages_bytes_and_time(
    town: OfficeTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = await arrived(town, ("van-ban.pdf", pdf(*(f"{WORDS} trang{n}" for n in range(25)))))
    drawer = Drawer(look=PageLook(pages=25, words=(WORDS,) * 10))
    await work_through(with_drawer(town, drawer, pages=12), town)
    assert [(wish.page, wish.window) for wish in drawer.wishes] == [(1, 10), (11, 2)]

    for limits, reading in (({"size": 10}, Reading.TOO_LARGE), ({"seconds": -1.0}, Reading.TOO_LARGE)):
        await town.node.store.content_queue.clear(100)
        await work_through(with_drawer(town, drawer, **limits), town)
        assert await readings(town, letter) == [reading]


async def test_switched_off_nothing_is_read_and_nothing_stays(town: OfficeTown) -> None:
    letter = await arrived(town, ("van-ban.pdf", PDF))
    drawer = Drawer()
    await work_through(with_drawer(town, drawer), town)
    assert await search(town, letter, "lut") == [(1, 1)]

    await work_through(with_drawer(town, drawer, is_on=False), town)

    assert len(drawer.wishes) == 1
    assert await search(town, letter, "lut") == []
    assert await readings(town, letter) == []


@dataclass
class DeadlyDrawer(Drawer):
    """Drawer at whose file of that size the node dies."""

    size: int = 0

    async def draw(self, path: Path, wish: PageWish) -> PageLook:
        if path.stat().st_size == self.size:
            raise KeyboardInterrupt
        return await Drawer.draw(self, path, wish)


async def arrived_together(town: OfficeTown, *contents: bytes) -> list[IncomingDocument]:
    """Bring a document with each of these files, and return them in this order."""
    for n, content in enumerate(contents):
        files = (("van-ban.pdf", content),)
        await town.brought(town.forge(document(f"20{n}", files=files), files))
    await folded(town.node.store)
    town.clock.advance(QUIET_TIME.total_seconds())
    return sorted(await town.incoming(), key=lambda letter: str(letter.number))


async def test_the_words_of_documents_that_came_together_are_one_write(
    town: OfficeTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = await arrived_together(town, *[PDF] * 5)
    writes: list[int] = []
    changing_rows = town.node.store.changing_rows

    def counted() -> AbstractAsyncContextManager[Transaction]:
        writes.append(1)
        return changing_rows()

    monkeypatch.setattr(town.node.store, "changing_rows", counted)
    await work_through(with_drawer(town, Drawer()), town)

    assert [await readings(town, letter) for letter in letters] == [[Reading.WORDS]] * 5
    assert len(writes) == 2  # they are claimed, and written


async def test_a_file_at_which_the_node_dies_leaves_the_words_of_those_beside_it(town: OfficeTown) -> None:
    deadly = pdf("Trang đầu", WORDS)
    letters = await arrived_together(town, PDF, deadly, PDF)
    drawer = DeadlyDrawer(size=len(deadly))
    for _ in range(2 * MOST_TRIES):
        with suppress(KeyboardInterrupt):
            await work_through(with_drawer(town, drawer), town)
        town.clock.advance(3_600)

    outcomes = [await readings(town, letter) for letter in letters]
    assert outcomes == [[Reading.WORDS], [Reading.UNREADABLE], [Reading.WORDS]]

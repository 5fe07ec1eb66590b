"""Pages that are pictures are read for the search: the first one with the document, the others when nothing else waits;
with their origin marked, without words of a page that bears a stamp of secrecy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from PIL import Image

from gateway.domain.account import AgencyScope
from gateway.domain.document import InState
from gateway.domain.pdf import Area, Ink, PageLook, Size, TextRun
from gateway.store.blobs import SCRATCH
from gateway.trust.page_drawing.drawer import ScanBox, ScanReader
from gateway_office.domain.content import Reading
from gateway_office.domain.listing import Filter
from gateway_office.letters.indexing import ContentIndexer
from gateway_office.store.contents import CLAIMED_FOR
from tests.office.support.node import OfficeTown
from tests.office.unit.letters.test_indexing import (
    arrived,
    arrived_together,
    hide,
    pdf,
    readings,
    search,
    work_through,
)
from tests.support import scans
from tests.support.letters import LETTER, REPORT

BLANK = Image.new("RGB", (60, 85), "white")
WORDS = {1: "Kế hoạch phòng chống lụt bão", 2: "Danh sách hộ dân", 3: "Phụ lục kinh phí"}


@dataclass
class Reader:
    """Reader of scans that has these words on its pages, and notes which were asked for."""

    words: dict[int, str] = field(default_factory=lambda: dict(WORDS))
    faults: dict[int, str] = field(default_factory=dict)
    pages: list[int] = field(default_factory=list)

    async def read(self, path: Path, kind: str, page: int) -> PageLook:
        self.pages.append(page)
        if page in self.faults:
            return PageLook(fault=self.faults[page])
        area = Area(left=90, top=100, width=200, height=15)
        run = TextRun(text=self.words.get(page, ""), page=page, area=area, type_size=13, ink=Ink.RECOGNISED)
        return PageLook(pages=3, sizes=(Size(width=595, height=842),), runs=(run,) if run.text else ())

    def end_idle(self) -> None:
        """Do nothing: no process runs."""


def with_reader(town: OfficeTown, reader: Reader) -> ContentIndexer:
    """Return an indexer as a process has it that was started anew."""
    return replace(town.node.indexer, scans=reader, _is_begun=False)  # type: ignore[arg-type]  # answers as the reader does


def three_pages() -> bytes:
    return scans.as_pdf(BLANK, BLANK, BLANK)


async def work_later(indexer: ContentIndexer, town: OfficeTown) -> None:
    town.clock.advance(CLAIMED_FOR.total_seconds())
    await work_through(indexer, town)


async def test_the_first_page_is_read_at_once_and_the_others_when_nothing_else_waits(
    town: OfficeTown,
) -> None:
    reader = Reader()
    indexer = with_reader(town, reader)
    await work_through(indexer, town)  # all documents of before are marked
    letter = await arrived(town, ("quet.pdf", three_pages()))
    await work_through(indexer, town)

    assert reader.pages == [1]
    assert await readings(town, letter) == [Reading.PARTLY]
    assert await search(town, letter, "lụt bão") == [(1, 1)]
    assert await search(town, letter, "kinh phí") == []

    await work_later(indexer, town)

    assert reader.pages == [1, 1, 2, 3]
    assert await readings(town, letter) == [Reading.WORDS]
    assert [await search(town, letter, word) for word in ("lụt bão", "hộ dân", "kinh phí")] == [
        [(1, 1)],
        [(1, 2)],
        [(1, 3)],
    ]
    await work_later(indexer, town)
    assert len(reader.pages) == 4
    assert await town.node.store.content_queue.claim(10) == ()


async def test_an_unread_document_goes_before_the_further_pages_of_newer_scans(town: OfficeTown) -> None:
    earlier = await arrived(town, ("van-ban.pdf", pdf("Trang đầu")))
    await arrived_together(town, three_pages(), three_pages())
    await work_through(with_reader(town, Reader()), town)
    for state in (InState.HELD, InState.NEW):
        await hide(town, earlier, state)
    town.clock.advance(CLAIMED_FOR.total_seconds())
    queue = town.node.store.content_queue

    assert [(due.document_id, due.tries) for due in await queue.claim(1)] == [(earlier.id, 0)]
    assert [due.tries for due in await queue.claim(10)] == [1]  # alone, though two wait


async def test_pages_with_text_are_not_read_as_pictures(town: OfficeTown) -> None:
    reader = Reader()
    letter = await arrived(town, ("van-ban.pdf", pdf("Trang đầu", "Trang hai")))
    await work_through(with_reader(town, reader), town)

    assert reader.pages == []
    assert await readings(town, letter) == [Reading.WORDS]


async def test_what_was_read_in_a_picture_is_marked(town: OfficeTown) -> None:
    letter = await arrived(town, ("quet.pdf", three_pages()), ("van-ban.pdf", pdf("Kế hoạch khác")))
    await work_through(with_reader(town, Reader()), town)
    scope = AgencyScope(agency_id=letter.agency_id, principal_id="clerk")
    async with town.node.store.read(scope) as view:
        contents = view.office.contents
        for text, is_recognised in (("lụt bão", True), ("khác", False)):
            (match,) = (
                await contents.search(view.office.lists, Filter(side=None, text=text), limit=5)
            ).matches
            assert match.recognised is is_recognised
            assert match.text.isprintable()


async def test_no_word_is_kept_of_a_document_with_a_page_that_bears_a_stamp_of_secrecy(
    town: OfficeTown,
) -> None:
    reader = Reader({1: WORDS[1], 2: "TUYỆT MẬT"})
    letter = await arrived(town, ("quet.pdf", three_pages()), ("van-ban.pdf", pdf("Tờ trình")))
    await work_through(with_reader(town, reader), town)
    await work_later(with_reader(town, reader), town)

    assert await readings(town, letter) == [Reading.STAMPED, Reading.WORDS]
    assert [await search(town, letter, word) for word in ("lụt bão", "tuyệt mật", "tờ trình")] == [[], [], []]
    count = len(reader.pages)
    await work_later(with_reader(town, reader), town)
    assert len(reader.pages) == count


async def test_a_page_that_cannot_be_read_has_no_words_and_the_next_one_has(town: OfficeTown) -> None:
    reader = Reader(faults={1: "PAGE-LIMIT", 2: "PAGE-READER"})
    letter = await arrived(town, ("quet.pdf", three_pages()))
    await work_through(with_reader(town, reader), town)
    await work_later(with_reader(town, reader), town)

    assert await search(town, letter, "kinh phí") == [(1, 3)]
    assert await readings(town, letter) == [Reading.WORDS]


async def test_scans_of_before_are_read_once_scans_can_be_read(town: OfficeTown) -> None:
    letter = await arrived(town, ("quet.pdf", three_pages()))
    await work_through(town.node.indexer, town)
    assert await readings(town, letter) == [Reading.NO_TEXT]
    reader = Reader()

    await work_through(with_reader(town, reader), town)
    assert reader.pages == []
    await work_later(with_reader(town, reader), town)

    assert reader.pages == [1, 2, 3]
    assert await search(town, letter, "hộ dân") == [(1, 2)]
    await work_later(with_reader(town, reader), town)
    assert len(reader.pages) == 3


async def test_a_picture_beside_the_letter_is_read_too(town: OfficeTown) -> None:
    reader = Reader({1: "Bản đồ quy hoạch"})
    letter = await arrived(town, ("van-ban.pdf", pdf("Trang đầu")), ("ban-do.jpg", scans.jpeg(BLANK)))
    await work_through(with_reader(town, reader), town)
    await work_later(with_reader(town, reader), town)

    assert await search(town, letter, "quy hoạch") == [(2, 1)]


@pytest.fixture
async def reader(town: OfficeTown) -> AsyncIterator[ScanReader]:
    scans.need_tesseract()
    reader = ScanReader(ScanBox(town.node.settings.node.data_dir / "content" / SCRATCH), town.node.pool)
    yield reader
    reader.close()


async def test_words_of_real_scans_are_found(town: OfficeTown, reader: ScanReader) -> None:
    pages = [scans.scanned_letter(letter, dots=150, skew=1.0, is_sealed=True) for letter in (LETTER, REPORT)]
    letter = await arrived(town, ("quet.pdf", scans.as_pdf(*pages)))
    indexer = replace(town.node.indexer, scans=reader)
    await work_through(indexer, town)
    assert await search(town, letter, '"phối hợp kiểm thử liên thông"') == [(1, 1)]

    await work_later(indexer, town)

    assert await search(town, letter, '"kết quả kiểm thử"') == [(1, 2)]

"""The PDF of a book costs little memory however long the book is, and lacks no line."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pypdfium2
from sqlalchemy import insert

from gateway.domain.book import PaperLetter
from gateway.domain.event import EventKind
from gateway.store.row import to_json
from gateway.store.tables import PaperOutgoingRow
from tests.office.support.stores import opened, with_agencies
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, migrated

LINES, PART = 100_000, 5_000
MOST_KIB = 200 * 1024
SUBJECT = (
    "Về việc triển khai các nhiệm vụ, giải pháp trọng tâm phát triển kinh tế - xã hội, bảo đảm quốc phòng, "
    "an ninh trên địa bàn tỉnh"
)


def letters() -> Iterator[PaperLetter]:
    for n in range(1, LINES + 1):
        yield PaperLetter(
            id=f"ppr_{n:06}",
            number=str(n),
            symbol="UBND-VP",
            issued_on=date(2026, 1, 1) + timedelta(days=n * 360 // LINES),
            type_name="Công văn",
            subject=f"{SUBJECT}, đợt {n}",
            signer="Nguyễn Văn Mẫu",
            recipients="Sở Tài chính Mẫu; Sở Xây dựng Mẫu; Ủy ban nhân dân xã Mẫu",
            entered_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=5 * n),
            entered_by="prn_clerk",
        )


async def enter_letters(url: str) -> None:
    async with with_agencies(url, ManualClock()) as store, store.writer.begin() as connection:
        rows = [
            PaperOutgoingRow.from_value(
                letter,
                agency_id=NORTH.agency_id,
                year=letter.issued_on.year,
                body=to_json(PaperLetter, letter),
            ).values()
            for letter in letters()
        ]
        for start in range(0, LINES, PART):
            await connection.execute(insert(PaperOutgoingRow), rows[start : start + PART])


async def recorded_digest(url: str) -> str:
    async with opened(url, ManualClock()) as store, store.read(NORTH) as work:
        (event,) = [e for e in await work.events.of_subject("book") if e.kind is EventKind.BOOK_EXPORTED]
    return str(event.data["file"])


def test_the_pdf_of_a_hundred_thousand_lines_takes_less_than_200_mb(tmp_path: Path) -> None:
    url, file = f"sqlite:///{migrated(tmp_path)}", tmp_path / "book.pdf"
    asyncio.run(enter_letters(url))

    command = [sys.executable, "-m", "tests.office.support.book_child", url, str(file)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stderr[-2000:]
    document = pypdfium2.PdfDocument(file)
    try:
        sheets, counted = len(document), 0
        for n in range(sheets):
            page = document[n]
            text = " ".join(page.get_textpage().get_text_range().split())
            counted += text.count("đợt ")
            page.close()
            if n == sheets // 2:
                assert "trích yếu nội dung văn bản" in text
    finally:
        document.close()
    assert counted == LINES
    assert f"Trang {sheets}/ {sheets}" in text
    assert hashlib.sha256(file.read_bytes()).hexdigest() == asyncio.run(recorded_digest(url))
    print(
        f"{sheets} sheets, {int(run.stdout) // 1024} MB at the peak, {file.stat().st_size >> 20} MB on disk"
    )
    assert int(run.stdout) < MOST_KIB

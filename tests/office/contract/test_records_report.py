"""The report of a year's records on both databases: due for the archive, at the end of retention, preserved, and gone with
the act."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from gateway import preservation, retention
from gateway.domain.destruction import ActState, CouncilRecord, Destruction, DestructionRule
from gateway.domain.preservation import Extent
from gateway.pool import ThreadPool
from gateway.store.destruction import open_destructions
from gateway_office.book import records_report
from gateway_office.book.records_report import RecordsLine, RecordsPart
from gateway_office.domain.work_file import FileKind, FileMember, HandOver, HandOverState, WorkFile
from gateway_office.services import BookServices
from gateway_office.store.store import SqlOfficeStore
from tests.contract.test_store_retention import HEAD
from tests.office.unit.book.test_export import rows_of
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing

TABLE = HEAD + "5 năm,,,60,file-closed,2000-01-01,,QĐ 1\nVV,,,vĩnh viễn,file-closed,2000-01-01,,QĐ 1\n"


def file(id: str, closed_on: date | None, retention: str = "VV") -> WorkFile:
    return WorkFile(
        id=f"fil_{id}",
        code=f"0{id}.TH",
        title=f"File {id}",
        kind=FileKind.USUAL,
        owner="prn_1",
        year=2020,
        closed_on=closed_on,
        retention=retention,
    )


def hand_over(id: str, at: datetime) -> HandOver:
    return HandOver(
        id=f"hov_{id}",
        file_id="fil_1",
        code="01.TH",
        target="/srv/gateway",
        sha256="0" * 64,
        size=1,
        documents=3,
        files=6,
        by="prn_1",
        at=at,
        state=HandOverState.RECEIVED,
        receipt="7/BN",
        answered_on=date(2026, 11, 25),
    )


def destroyed(at: datetime, state: ActState, id: str) -> Destruction:
    return Destruction(
        id=f"des_{id}",
        agency_id=NORTH.agency_id,
        rule=DestructionRule(until=date(2026, 1, 1)),
        reason="Hết thời hạn",
        by="prn_1",
        at=at,
        state=state,
        counts={"destroyed": 12, "refused": 2},
        council=CouncilRecord(number="3/BB", day=date(2026, 11, 2), members="A, B", by="prn_1", at=at),
        ended_at=at,
    )


@pytest.fixture
async def services(store: SqlOfficeStore, clock: ManualClock, pool: ThreadPool) -> BookServices:
    now = clock.now()
    async with committing(store) as work:
        files = work.office.work_files
        await files.save(file("1", date(2025, 12, 1)))
        await files.save(file("2", date(2021, 6, 30), "5 năm"))
        await files.save(file("3", date(2026, 6, 30)))
        await files.save(file("4", None))
        member = FileMember(file_id="fil_2", document_id="inb_1", partner="", symbol="", by="prn_1", at=now)
        await files.put_in(member)
        await files.put_in(replace(member, document_id="inb_2"))
        await files.save_hand_over(hand_over("1", now))
        await files.save_hand_over(hand_over("2", now - timedelta(days=366)))
        for id, at, state in (
            ("1", now, ActState.DONE),
            ("2", now - timedelta(days=366), ActState.DONE),
            ("3", now, ActState.RUNNING),
        ):
            await open_destructions(work).add(destroyed(at, state, id))
    rows = retention.read_table(TABLE)
    await retention.put_table(store, clock, NORTH, rows, await retention.preview(store, NORTH, rows))
    extent = Extent(partner="Z92", since=date(2026, 1, 1))
    await preservation.begin(store, clock, NORTH, extent, "Thanh tra yêu cầu", "12/QĐ-TTr")
    return BookServices(store=store, clock=clock, pool=pool)


async def test_the_years_records_are_told_part_by_part(services: BookServices) -> None:
    """R44, R102, R129: the file of this summer is due next year, a file at work never."""
    lines = await records_report.list_records(services, NORTH, 2026, "vi")

    def lines_of(part: RecordsPart) -> list[RecordsLine]:
        return [line for line in lines if line.part is part]

    assert [(x.code, x.day, x.count) for x in lines_of(RecordsPart.DUE)] == [
        ("02.TH", date(2022, 6, 30), 2),
        ("01.TH", date(2026, 12, 1), 0),
    ]
    assert [(x.code, x.day, x.count, x.basis) for x in lines_of(RecordsPart.PACKED)] == [
        ("01.TH", date(2026, 11, 25), 3, "7/BN")
    ]
    assert [(x.code, x.day, x.count, x.basis) for x in lines_of(RecordsPart.ENDING)] == [
        ("02.TH", date(2026, 6, 30), 2, "5 năm, QĐ 1")
    ]
    (preserved,) = lines_of(RecordsPart.PRESERVED)
    assert (preserved.code, preserved.title, preserved.count) == ("12/QĐ-TTr", "Z92 · 01/01/2026", None)
    assert [(x.count, x.basis) for x in lines_of(RecordsPart.DESTROYED)] == [(12, "3/BB, 02/11/2026")]
    assert await records_report.list_records(services, SOUTH, 2026, "vi") == []


async def test_the_report_is_one_workbook_for_the_inspector(services: BookServices) -> None:
    workbook, table = io.BytesIO(), io.BytesIO()
    await records_report.write(services, NORTH, 2026, "xlsx", "vi", workbook)
    await records_report.write(services, NORTH, 2026, "csv", "vi", table)

    rows = rows_of(workbook.getvalue())
    assert [row[0] for row in rows if row[0].startswith("Đến hạn")] == ["Đến hạn nộp lưu"] * 2
    assert "02.TH" in table.getvalue().decode("utf-8-sig")

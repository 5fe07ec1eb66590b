"""Records of a year in five parts: files to hand over to the archive, packages handed over, files whose retention ends,
preservation orders, and acts of destruction. In: an agency, a year. Out: lines for the page and for one workbook."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import partial
from typing import BinaryIO

from gateway.domain.account import AgencyScope
from gateway.domain.destruction import ActState
from gateway.domain.preservation import PreservationOrder
from gateway.domain.wall_clock import day_text, local
from gateway.policy.retention import file_expiry
from gateway.retention import table_in_force
from gateway.store.destruction import open_destructions
from gateway.store.retention import open_retention
from gateway.words import labels
from gateway_office.book import table_files
from gateway_office.book.table_files import Piece, XlsxColumn
from gateway_office.services import BookServices
from gateway_office.store.store import OfficeWork

FORMS = ("xlsx", "csv")
MOST_FILES = 10_000
_PAGE = 200
_FILE, _ACT = "/so-van-ban/ho-so/", "/so-van-ban/tieu-huy/"
_WIDTHS = {"part": 30, "code": 28, "title": 60, "day": 14, "count": 12, "basis": 40}


class RecordsPart(StrEnum):
    DUE = "due"
    """Files that are to be handed over by the end of the year, also since earlier years (R44, T24)."""
    PACKED = "packed"
    ENDING = "ending"
    """Files whose retention ends by the end of the year (R102)."""
    PRESERVED = "preserved"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsLine:
    """Line of the report. `count` is a number of documents; `basis` the rule, receipt, decision or reason."""

    part: RecordsPart
    code: str
    title: str = ""
    day: date | None = None
    count: int | None = None
    basis: str = ""
    path: str = ""


async def list_records(
    services: BookServices, scope: AgencyScope, year: int, lang: str
) -> Sequence[RecordsLine]:
    """List the lines of a year, part by part."""
    async with services.store.read(scope) as work:
        return [
            *await _due(work, year),
            *await _packed(work, year, lang),
            *await _ending(work, year),
            *[_preserved(order) for order in await work.preservation.open()],
            *await _destroyed(work, year),
        ]


async def write(
    services: BookServices, scope: AgencyScope, year: int, form: str, lang: str, out: BinaryIO
) -> None:
    """Write the report as a workbook or CSV."""
    say = partial(labels.say, lang=lang)
    lines = await list_records(services, scope, year, lang)
    columns = [XlsxColumn(title=say(f"books.records.{name}"), width=width) for name, width in _WIDTHS.items()]

    async def pieces() -> AsyncIterator[Piece]:
        yield lambda: [
            ([say(f"books.records.{x.part}"), x.code, x.title, x.day, x.count, x.basis], False) for x in lines
        ]

    await table_files.write(services.pool, out, form, f"{say('books.records')} {year}", columns, pieces())


async def _due(work: OfficeWork, year: int) -> list[RecordsLine]:
    files = [
        file
        for file in await work.office.work_files.open(date.min, MOST_FILES)
        if file.due_on is not None and file.due_on.year <= year
    ]
    counts = await _count_members(work, [file.id for file in files])
    return [
        RecordsLine(
            part=RecordsPart.DUE,
            code=file.code,
            title=file.title,
            day=file.due_on,
            count=counts[file.id],
            basis=file.retention or "",
            path=_FILE + file.id,
        )
        for file in files
    ]


async def _packed(work: OfficeWork, year: int, lang: str) -> list[RecordsLine]:
    hand_overs = [h for h in await work.office.work_files.hand_overs() if local(h.at).year == year]
    titles = {f.id: f.title for f in await work.office.work_files.of_many({h.file_id for h in hand_overs})}
    return [
        RecordsLine(
            part=RecordsPart.PACKED,
            code=hand_over.code,
            title=titles.get(hand_over.file_id, ""),
            day=hand_over.answered_on or local(hand_over.at).date(),
            count=hand_over.documents,
            basis=hand_over.receipt or labels.say(f"books.records.packed.{hand_over.state}", lang),
            path=_FILE + hand_over.file_id,
        )
        for hand_over in hand_overs
    ]


async def _ending(work: OfficeWork, year: int) -> list[RecordsLine]:
    table = await table_in_force(work)
    if table is None:
        return []
    ends = [(file, file_expiry(file, table.rows)) for file in await open_retention(work).files()]
    ending = [(file, end) for file, end in ends if end.on is not None and end.on.year <= year]
    ids = [file.id for file, _ in ending]
    counts, files = await _count_members(work, ids), await work.office.work_files.of_many(ids)
    titles = {file.id: file.title for file in files}
    return [
        RecordsLine(
            part=RecordsPart.ENDING,
            code=file.code,
            title=titles[file.id],
            day=end.on,
            count=counts[file.id],
            basis=f"{end.row.name}, {end.row.basis}" if end.row else "",
            path=_FILE + file.id,
        )
        for file, end in ending
    ]


def _preserved(order: PreservationOrder) -> RecordsLine:
    extent = order.extent
    days = " – ".join(day_text(day) for day in (extent.since, extent.until) if day is not None)
    return RecordsLine(
        part=RecordsPart.PRESERVED,
        code=order.decision,
        title=" · ".join(filter(None, (extent.partner, days, extent.file_code))),
        day=local(order.begun_at).date(),
        count=len(extent.documents) or None,
        basis=order.reason,
        path="/so-van-ban/giu-nguyen",
    )


async def _destroyed(work: OfficeWork, year: int) -> list[RecordsLine]:
    lines, cursor = list[RecordsLine](), None
    while True:
        page = await open_destructions(work).page(limit=_PAGE, cursor=cursor)
        lines += [
            RecordsLine(
                part=RecordsPart.DESTROYED,
                code=act.decision,
                title=act.reason,
                day=local(act.ended_at).date(),
                count=act.counts.get("destroyed", 0),
                basis=f"{act.council.number}, {day_text(act.council.day)}" if act.council else "",
                path=_ACT + act.id,
            )
            for act in page.items
            if act.state is ActState.DONE and act.ended_at is not None and local(act.ended_at).year == year
        ]
        cursor = page.next_cursor
        if cursor is None:
            return lines


async def _count_members(work: OfficeWork, file_ids: Iterable[str]) -> Counter[str]:
    return Counter(member.file_id for member in await work.office.work_files.members([*file_ids]))

"""Files of records that can be handed over, in a town with an office. In: a town, documents. Out: a closed file with them
in it, under a table of retention that keeps one class for ever."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from gateway import retention
from gateway.domain.document import IncomingDocument, OutgoingDocument
from gateway.domain.retention import RetentionRow, RetentionStart
from gateway.domain.wall_clock import local
from gateway.retention import RetentionMoves
from gateway_office.domain.work_file import FileKind, WorkFile
from gateway_office.letters import work_files
from gateway_office.letters.work_files import FileDraft
from tests.office.support.town import OfficeTown
from tests.support.node import PROVINCE

FOR_EVER, TEN_YEARS = "for ever", "ten years"
_START = {"start": RetentionStart.FILE_CLOSED, "valid_from": date(2020, 1, 1), "basis": "Thông tư thử"}


async def keep_classes(town: OfficeTown, code: str = PROVINCE) -> None:
    """Put a table with the two classes into force."""
    rows = (
        RetentionRow(name=FOR_EVER, months=None, **_START),  # type: ignore[arg-type]  # of three types
        RetentionRow(name=TEN_YEARS, months=120, **_START),  # type: ignore[arg-type]  # of three types
    )
    moves = RetentionMoves(files=0, documents=0, earliest=None, latest=None, first=())
    await retention.put_table(town.node.store, town.clock, await town.scope(code), rows, moves)


async def closed_file(
    town: OfficeTown,
    documents: Sequence[IncomingDocument | OutgoingDocument],
    *,
    notation: str = "01-TH",
    period: str = FOR_EVER,
    code: str = PROVINCE,
) -> WorkFile:
    """Open a file, put the documents into it, and close it."""
    services, scope, today = town.node.todo, await town.scope(code), local(town.clock.now()).date()
    draft = FileDraft(notation=notation, title=f"Hồ sơ {notation}", kind=FileKind.USUAL, retention=period)
    file = await work_files.open_file(services, scope, today.year, draft, everybodys=True)
    for document in documents:
        assert await work_files.put_in(services, scope, document.id, file.code)
    closing = (file.code, file.title, file.kind, today)
    assert await work_files.close_file(services, scope, *closing, everybodys=True)
    async with town.node.store.read(scope) as work:
        return await work.office.work_files.get(file.id)

"""`gateway retention`: how long files of records and documents are kept (R102). In: a table as comma-separated
values; a document. Out: the days that the table moves, then the table; the rows in force; the end of one document's
retention."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from gateway.cli import output
from gateway.cli.command import Invocation, argument, noun, piped
from gateway.cli.node import CommandContext, StoreContext
from gateway.domain.retention import Expiry, RetentionRow

_COLUMNS = output.columns("class type file_kind months start valid_from valid_until basis", bold="class")
_MOVED = output.columns("document present planned", bold="document")

verb = noun("retention").verb


@verb("", "-o json")
async def list_(call: Invocation, context: StoreContext) -> None:
    """List the rows of the table in force, each with its basis."""
    from gateway import retention

    async with context.node.store.read(context.scope) as work:
        table = await retention.table_in_force(work)
    rows = [_row(call, row) for row in table.rows] if table is not None else []
    output.rows(call, rows, _COLUMNS, extra={"imported_at": table.at.isoformat() if table else None})


@verb("thoi-han.csv", "thoi-han.csv --yes", writes=True)
async def import_(
    call: Invocation,
    context: CommandContext,
    file: Annotated[
        Path, piped("CSV: class, type, file_kind, months, start, valid_from, valid_until, basis.")
    ],
) -> None:
    """Put a table into force in place of the present one, after a look at the days that it moves."""
    from gateway import retention
    from gateway.cli.registry import read_file

    node = context.node
    rows = retention.read_table(read_file(call, file).decode("utf-8-sig", errors="replace"))
    moves = await retention.preview(node.store, context.scope, rows)
    first = [
        {"id": m.code, "document": m.code, "present": _end(call, m.present), "planned": _end(call, m.planned)}
        for m in moves.first
    ]
    days = {
        name: day.isoformat() if day else None
        for name, day in (("earliest", moves.earliest), ("latest", moves.latest))
    }
    output.rows(call, first, _MOVED, extra={"files": moves.files, "documents": moves.documents, **days})
    span = f"{days['earliest'] or '–'} – {days['latest'] or '–'}"
    call.ask("cli.ask.retention", count=len(rows), files=moves.files, documents=moves.documents, span=span)
    await retention.put_table(node.store, node.clock, context.scope, rows, moves)


@verb("inb_01J…", "msg_01J… -o json")
async def show(
    call: Invocation, context: StoreContext, document: Annotated[str, argument("Id of the document.")]
) -> None:
    """Show until when a document is kept, and the row that decides."""
    from gateway import retention

    async with context.node.store.read(context.scope) as work:
        repository = work.incoming if document.startswith("inb_") else work.outgoing
        end = await retention.expiry_of(work, await repository.get(document))
    row = end.row if end else None
    output.record(
        call,
        {
            "document": document,
            "until": _end(call, end) if end else call.word("cli.retention.no_table"),
            **(_row(call, row) if row else {}),
        },
    )


def _end(call: Invocation, end: Expiry) -> str:
    if end.on is not None:
        return end.on.isoformat()
    return call.word(
        "books.retention.permanent" if end.is_permanent else f"books.retention.unknown.{end.unknown}"
    )


def _row(call: Invocation, row: RetentionRow) -> dict[str, Any]:
    return {
        "id": row.name,
        "class": row.name,
        "type": row.document_type,
        "file_kind": row.file_kind,
        "months": row.months if row.months is not None else call.word("books.retention.permanent"),
        "start": row.start.value,
        "valid_from": row.valid_from.isoformat(),
        "valid_until": row.valid_until.isoformat() if row.valid_until else None,
        "basis": row.basis,
    }

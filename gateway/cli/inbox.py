"""`gateway inbox`: incoming documents and packets that did not become one. In: an id or a number. Out: lists, one
document with its checks; or documents handed over as files, each in a folder of its own, complete before it is
acknowledged: `<folder>/<id>/` with the files, envelope.edxml and document.json. A pull cut short is offered again.
What a clerk does with documents is in `inbox_acts`."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import documents, inbox_acts, output
from gateway.cli import documents as shapes
from gateway.cli.command import Group, Invocation, OutputFormat
from gateway.cli.node import Seat, at_agency
from gateway.domain.document import IncomingDocument, InState
from gateway.domain.status import incoming_word
from gateway.errors import StoreFailure

if TYPE_CHECKING:
    pass

Which = Annotated[str, typer.Argument(help="Id, or number/symbol.")]

_COLUMNS = output.columns(
    "id", "kind", "from", "number", "date", "subject", "state", "register_no", "arrived", dim=("id",)
)
_PACKET_COLUMNS = output.columns(
    *("id", "state:packet", "finding=code", "from", "reason", "arrived"), dim=("id",)
)
# Long enough to write a full document to a slow share.
_LEASE_S = 600


def register(app: Group) -> None:
    group = app.noun("inbox")
    group.verb(list_, "--state new", "--quarantine -o json")
    group.verb(show, "88/SNV-VP", "inb_01J… -o json")
    group.verb(pull, "/srv/qlvb/in", "/srv/qlvb/in --limit 100 --keep -o ndjson", writes=True)
    inbox_acts.register(group)


async def list_(
    call: Invocation,
    state: Annotated[list[str] | None, typer.Option(help="Only in this state (repeat for more).")] = None,
    query: Annotated[str | None, typer.Option(help="Number, sender or words of the subject.")] = None,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Packets that wait, are held, or were set aside.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    cursor: Annotated[str | None, typer.Option(help="Go on where the last list ended.")] = None,
) -> None:
    """List incoming documents, newest first; or packets in quarantine."""
    from gateway.api.shapes import PACKET_STATES

    if quarantine:
        await _packets(call, documents.known_states(state or [], PACKET_STATES), limit, cursor)
    else:
        await _list(call, documents.known_states(state or [], [*InState]), query, limit, cursor)


async def _list(
    call: Invocation, states: list[str], query: str | None, limit: int, cursor: str | None
) -> None:
    from gateway.incoming import reading

    async with at_agency(call) as seat, seat.node.store.read(seat.scope) as work:
        page = await work.incoming.page(limit=limit, cursor=cursor, states=states, query=query)
        beside = await reading.around_each(work, page.items, await seat.node.inn.office())
        aside = await work.inbox.page(limit=1, states=("held", "quarantined", "malformed"))
    output.page(
        call,
        [documents.incoming_record(call, *each) for each in zip(page.items, beside, strict=True)],
        _COLUMNS,
        page.next_cursor,
        [documents.incoming_cells(call, each) for each in page.items],
    )
    if aside.items and call.output is OutputFormat.TABLE:
        call.say("cli.quarantine_waits")


async def _packets(call: Invocation, states: list[str], limit: int, cursor: str | None) -> None:
    from gateway.api.shapes import SET_ASIDE

    async with at_agency(call) as seat, seat.node.store.read(seat.scope) as work:
        page = await work.inbox.page(limit=limit, cursor=cursor, states=states or SET_ASIDE)
    output.page(
        call,
        [documents.packet_record(call, each) for each in page.items],
        _PACKET_COLUMNS,
        page.next_cursor,
        [
            {
                "from": each.sender_code or each.transport_sender,
                "reason": documents.why_set_aside(call, each),
                "arrived": output.clock(each.received_at),
            }
            for each in page.items
        ],
    )


async def show(call: Invocation, document: Which) -> None:
    """Show one document: what it is, what was checked, its files, and what we told the sender."""
    from gateway.incoming import reading

    async with at_agency(call) as seat, seat.node.store.read(seat.scope) as work:
        if document.startswith("inx_"):
            item = await work.inbox.get(document)
            if call.output is OutputFormat.TABLE and not call.quiet:
                output.lines(documents.packet(call, item))
            else:
                output.record(call, documents.packet_record(call, item))
            return
        found = await documents.find_incoming(work, document)
        facts = await work.facts.of(found.id)
        beside = await reading.around_one(work, found, await seat.node.inn.office())
    word = incoming_word(found, facts)
    if call.output is OutputFormat.TABLE and not call.quiet:
        output.lines(documents.incoming(call, found, word, facts, beside))
        return
    shown = documents.incoming_record(call, found, beside) | {"shown": word}
    output.record(call, shown | {"facts": [documents.fact_record(each) for each in facts]})


async def pull(
    call: Invocation,
    folder: Annotated[
        Path, typer.Argument(help="Each document gets a folder of its own in here.", file_okay=False)
    ],
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    client: Annotated[str, typer.Option(help="Whose hand-over this is.")] = "cli",
    keep: Annotated[bool, typer.Option("--keep", help="Do not acknowledge; they are offered again.")] = False,
) -> None:
    """Write documents that were not handed over yet into a folder, then acknowledge each."""
    from gateway.incoming import act

    async with at_agency(call) as seat:
        if call.dry_run:
            async with seat.node.store.read(seat.scope) as work:
                page = await work.incoming.page(limit=limit, handover="available")
            for each in page.items:
                call.say("cli.would", what=f"pull {each.id}")
            return
        documents = await act.lease(seat.node.inn, seat.scope, client, limit, _LEASE_S)
        told = []
        for document in documents:
            where = await _write_folder(call, seat, folder, document)
            if not keep:
                await act.ack(seat.node.inn, seat.scope, document.id, client)
            told.append((document, where))
            call.say("cli.pulled", id=document.id, where=where)
    output.rows(
        call,
        [{"id": each.id, "folder": str(where), "document_id": each.document_id} for each, where in told],
        output.columns("id", "number", "folder", dim=("id",)),
        [{"number": each.code} for each, _ in told],
    )


async def _write_folder(call: Invocation, seat: Seat, folder: Path, document: IncomingDocument) -> Path:
    """The finished folder appears under its name at once, so that a watching program never sees half of it."""
    from gateway.incoming import reading

    final = folder / document.id
    if final.exists():
        return final
    making = folder / f".{document.id}.part"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    async with seat.node.store.read(seat.scope) as work:
        beside = await reading.around_one(work, document, await seat.node.inn.office())
    if beside.is_readable:  # what is recalled or sealed is told of, and its files are not given out
        opened = await reading.open_envelope(seat.node.inn, seat.scope, document.id)
        await _pour(opened.pieces, making / "envelope.edxml", opened.sha256)
    for each in document.files if beside.is_readable else ():
        opened = await reading.open_file(seat.node.inn, seat.scope, document.id, each.n)
        await _pour(opened.pieces, making / safe_name(each.n, opened.name), opened.sha256)
    shown = json.dumps(shapes.incoming_record(call, document, beside), ensure_ascii=False, indent=2)
    (making / "document.json").write_text(shown, encoding="utf-8")
    os.replace(making, final)
    return final


async def _pour(pieces: AsyncIterator[bytes], path: Path, sha256: str) -> None:
    hasher = hashlib.sha256()
    with path.open("xb") as file:
        async for piece in pieces:
            hasher.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    if hasher.hexdigest() != sha256:
        raise StoreFailure(
            f"{path.name} was read back with another digest than it was stored with; try again"
        )


def safe_name(n: int, name: str) -> str:
    """A sender's file name as one name inside our folder: nothing that leaves it, hides in it or steers a shell."""
    kept = "".join(letter if letter.isalnum() or letter in " ._-()" else "_" for letter in name).strip(" .")
    while len(kept.encode()) > 180:
        kept = kept[1:]
    return f"{n:02}-{kept or 'file'}"

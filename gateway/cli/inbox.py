"""`gateway inbox`: incoming documents and packets that did not become one. In: an id or a number, and what is said. Out:
lists, one document with its checks; documents handed over as files, each in a folder of its own, complete before it is
acknowledged: `<folder>/<id>/` with the files, envelope.edxml and document.json (a pull cut short is offered again); or
what a clerk does with a document or a held packet, done by the use cases of `incoming`."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import documents, hold, output
from gateway.cli.command import Cursor, Invocation, Limit, OutputFormat, States, Why, late, noun
from gateway.cli.node import Seat
from gateway.cli.operations import Given, does, shown
from gateway.cli.send import day
from gateway.cli.verify import moment
from gateway.domain.document import IncomingDocument, InState
from gateway.domain.status import incoming_word
from gateway.errors import StoreFailure
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.api.resources.inbox import StatusSet
    from gateway.incoming import act, handling, process, reading
    from gateway.incoming import seal as sealing
else:
    act = late("gateway.incoming.act")
    handling = late("gateway.incoming.handling")
    process = late("gateway.incoming.process")
    reading = late("gateway.incoming.reading")
    sealing = late("gateway.incoming.seal")

Which = Annotated[str, typer.Argument(help="Id, or number/symbol.")]
Packet = Annotated[str, typer.Argument(help="Id of the packet, from: gateway inbox list --quarantine")]
Note = Annotated[str | None, typer.Option(help="Text that the sender reads.")]
Staff = Annotated[str | None, typer.Option(help="Who did it; the sender reads the name.")]
Refusal = Annotated[str, typer.Option(help="A code such as MISSING_FILE, WRONG_ADDRESSEE, OTHER.")]
Unit = Annotated[str, typer.Argument(help="The unit, as the assignment names it.")]

_COLUMNS = output.columns("id kind from number date subject state register_no arrived", dim="id")
_PACKET_COLUMNS = output.columns("id state:packet finding=code from reason arrived", dim="id")
# Long enough to write a full document to a slow share.
_LEASE_S = 600
verb = noun("inbox").verb


@verb("--state new", "--quarantine -o json")
async def list_(
    call: Invocation,
    seat: Seat,
    state: States = None,
    query: Annotated[str | None, typer.Option(help="Number, sender or words of the subject.")] = None,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Packets that wait, are held, or were set aside.")
    ] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """List incoming documents, newest first; or packets in quarantine."""
    from gateway.api.shapes import PACKET_STATES

    states = documents.known_states(state or [], PACKET_STATES if quarantine else [*InState])
    if quarantine:
        await _packets(call, seat, states, limit, cursor)
        return
    async with seat.node.store.read(seat.scope) as work:
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


async def _packets(call: Invocation, seat: Seat, states: list[str], limit: int, cursor: str | None) -> None:
    from gateway.api.shapes import SET_ASIDE

    async with seat.node.store.read(seat.scope) as work:
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


@verb("88/SNV-VP", "inb_01J… -o json")
async def show(call: Invocation, seat: Seat, document: Which) -> None:
    """Show one document: what it is, what was checked, its files, and what we told the sender."""
    async with seat.node.store.read(seat.scope) as work:
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


@verb("/srv/qlvb/in", "/srv/qlvb/in --limit 100 --keep -o ndjson", writes=True)
async def pull(
    call: Invocation,
    seat: Seat,
    folder: Annotated[
        Path, typer.Argument(help="Each document gets a folder of its own in here.", file_okay=False)
    ],
    limit: Limit = 50,
    client: Annotated[str, typer.Option(help="Whose hand-over this is.")] = "cli",
    keep: Annotated[bool, typer.Option("--keep", help="Do not acknowledge; they are offered again.")] = False,
) -> None:
    """Write documents that were not handed over yet into a folder, then acknowledge each."""
    if call.dry_run:
        async with seat.node.store.read(seat.scope) as work:
            page = await work.incoming.page(limit=limit, handover="available")
        for each in page.items:
            call.say("cli.would", what=f"pull {each.id}")
        return
    told = []
    for document in await act.lease(seat.node.inn, seat.scope, client, limit, _LEASE_S):
        where = await _write_folder(call, seat, folder, document)
        if not keep:
            await act.ack(seat.node.inn, seat.scope, document.id, client)
        told.append((document, where))
        call.say("cli.pulled", id=document.id, where=where)
    output.rows(
        call,
        [{"id": each.id, "folder": str(where), "document_id": each.document_id} for each, where in told],
        output.columns("id number folder", dim="id"),
        [{"number": each.code} for each, _ in told],
    )


async def _write_folder(call: Invocation, seat: Seat, folder: Path, document: IncomingDocument) -> Path:
    """The finished folder appears under its name at once, so that a watching program never sees half of it."""
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
    shown = json.dumps(documents.incoming_record(call, document, beside), ensure_ascii=False, indent=2)
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


def _said(call: Invocation, answer: StatusSet) -> None:
    if call.output is not OutputFormat.TABLE:
        output.record(call, shown(answer.item) | {"repeated": answer.repeated})
        return
    output.lines([answer.item.id])
    call.say("cli.said_before" if answer.repeated else "cli.said", state=answer.item.state_text)
    if answer.register_no:
        call.say("cli.register_no", number=answer.register_no)


def _person(staff: str | None) -> Given | None:
    return {"name": staff} if staff else None


_says = partial(does, "setStatus", find=documents.incoming_meant, tell=_said)


@verb("88/SNV-VP --register-no 1245", "inb_01J… --staff 'Van Thu'", writes=True)
@_says(ask="cli.ask.accept")
def accept(
    document: Which,
    register_no: Annotated[
        str | None, typer.Option(help="Arrival number, where this node does not give it.")
    ] = None,
    staff: Staff = None,
    note: Note = None,
) -> Given:
    """Take a document in: it is entered in the book and the sender gets status 03."""
    return {"code": "03", "register_no": register_no, "staff": _person(staff), "note": note}


@verb(
    "88/SNV-VP --reason MISSING_FILE --note 'Appendix 2 is missing'",
    "inb_01J… --reason WRONG_ADDRESSEE --yes",
    writes=True,
)
@_says(ask="cli.ask.reject")
def reject(document: Which, reason: Refusal, staff: Staff = None, note: Note = None) -> Given:
    """Refuse a document and return it: the sender gets status 02 with the reason."""
    return {"code": "02", "reason": reason, "staff": _person(staff), "note": note}


@verb("88/SNV-VP 05", "inb_01J… done --note 'Answered'", writes=True)
@_says(ask="cli.ask.status")
def status(
    document: Which,
    code: Annotated[str, typer.Argument(help="02 to 06, 15, 16, or its word (accepted, done…).")],
    staff: Staff = None,
    note: Note = None,
    register_no: Annotated[str | None, typer.Option(help="Arrival number, with 03.")] = None,
    reason: Annotated[str | None, typer.Option(help="Reason code, with 02.")] = None,
    at: Annotated[str | None, typer.Option(help="When it was done (RFC 3339); default: now.")] = None,
) -> Given:
    """Tell the sender where the document stands with us."""
    said = {"code": code, "register_no": register_no, "reason": reason, "note": note}
    return {**said, "staff": _person(staff), "at": moment(at) if at else None}


@verb(
    "88/SNV-VP --reason 'Closed by mistake: the annex is still to be answered'",
    "inb_01J… --reason 'The unit closed the wrong one' --yes",
    writes=True,
)
@_says(ask="cli.ask.reopen")
def reopen(
    document: Which,
    reason: Annotated[str, typer.Option(help="Why it was closed by mistake; the sender reads it.")],
    staff: Staff = None,
) -> Given:
    """Open work that was closed by mistake: the sender gets status 05 with the reason and keeps its 06 with a mark."""
    return {"code": "05", "reopen": True, "note": reason, "staff": _person(staff)}


@verb(
    "88/SNV-VP 'General office' --deadline 2026-11-27",
    "inb_01J… 'Unit one' --with 'Unit two=2026-11-25' --instruction 'Draft an answer'",
    writes=True,
)
@_says(ask="cli.ask.assign")
def assign(
    document: Which,
    lead_unit: Annotated[str, typer.Argument(help="The unit in charge.")],
    with_: Annotated[
        list[str] | None,
        typer.Option("--with", help="A coordinating unit (repeat); with a day of its own: UNIT=2026-11-25."),
    ] = None,
    deadline: Annotated[str | None, typer.Option(help="2026-11-27 or 27/11/2026.")] = None,
    instruction: Annotated[str | None, typer.Option(help="What is wanted.")] = None,
    staff: Staff = None,
) -> Given:
    """Hand a document to a unit: recorded, and the sender gets status 04."""
    pairs = [(unit.strip(), on.strip()) for unit, _, on in (each.partition("=") for each in with_ or ())]
    assignment = {
        "lead_unit": lead_unit,
        "coordinating_units": [unit for unit, _ in pairs],
        "deadline": day(deadline) if deadline else None,
        "instruction": instruction,
        "unit_deadlines": {unit: day(on) for unit, on in pairs if on},
    }
    return {"code": "04", "staff": _person(staff), "assignment": assignment}


@verb(
    "88/SNV-VP 'Unit two' --reason 'It is the matter of unit one'",
    "inb_01J… 'Unit two' --reason 'Nobody here knows of it' --yes",
    writes=True,
)
async def hand_back(call: Invocation, seat: Seat, document: Which, unit: Unit, reason: Why) -> None:
    """Give a unit's part back to who assigns; the sender is told nothing."""
    found = await documents.incoming_meant(seat, document)
    call.ask("cli.ask.hand_back", document=documents.name_of(found), unit=unit)
    part = await handling.hand_back(seat.node.inn, seat.scope, found.id, unit, reason)
    output.record(call, {"id": found.id, "unit": part.unit, "state": part.state.value})


@verb("88/SNV-VP 'Unit two'", "inb_01J… 'Unit two' --yes", writes=True)
async def part_done(call: Invocation, seat: Seat, document: Which, unit: Unit) -> None:
    """Say that a unit that helps has done its part; the unit that leads says 06."""
    found = await documents.incoming_meant(seat, document)
    call.ask("cli.ask.part_done", document=documents.name_of(found), unit=unit)
    part = await handling.finish(seat.node.inn, seat.scope, found.id, unit)
    output.record(call, {"id": found.id, "unit": part.unit, "state": part.state.value})


@verb("inb_01J…", "88/SNV-VP --client qlvb", writes=True)
async def ack(
    call: Invocation,
    seat: Seat,
    document: Which,
    client: Annotated[str, typer.Option(help="Who has stored it.")] = "cli",
) -> None:
    """Say that your system has stored the document; it is offered no more."""
    found = await documents.incoming_meant(seat, document)
    if call.dry_run:
        call.say("cli.would", what=f"ack {found.id}")
        return
    first = await act.ack(seat.node.inn, seat.scope, found.id, client)
    output.record(call, {"id": found.id, "acked": True, "first": first})


@verb(
    "88/SNV-VP --why 'It bears the stamp of a secret'",
    "inx_01J… --why 'Told by the sender' --yes",
    writes=True,
)
async def seal(call: Invocation, seat: Seat, document: Which, why: Why) -> None:
    """Lock a document or packet that may be a secret: at once nobody reads it here, and its content is sealed apart."""
    node, scope = seat.node, seat.scope
    call.ask("cli.ask.seal", document=output.plain(document))
    if document.startswith("inx_"):
        held = await sealing.packet(node.inn, node.hold, scope, document, why)
    else:
        found = await documents.incoming_meant(seat, document)
        held = await sealing.document(node.inn, node.hold, scope, found.id, why)
    hold.tell(call, held)


@verb("inx_01J… --reason 'The sender was called'", "inx_01J… --reason 'Checked' --yes", ask="cli.ask.release")
async def release(call: Invocation, seat: Seat, packet: Packet, reason: Why) -> None:
    """Let a held packet be verified and judged again from the start."""
    item = await process.release(seat.node.inn, seat.scope, packet, reason)
    output.record(call, {"id": item.id, "state": item.state})


@verb(
    "inx_01J… --reason BAD_FORM --note 'The date is missing'",
    "inx_01J… --reason WRONG_ADDRESSEE --note 'Not for us' --yes",
    writes=True,
)
async def return_(
    call: Invocation,
    seat: Seat,
    packet: Packet,
    reason: Refusal,
    note: Annotated[str, typer.Option(help="What is wrong; the sender reads it.")],
) -> None:
    """Give a held packet back: once its sender is proved again, it gets status 02 with the reason."""
    known = labels.tails("reason")
    if reason not in known:
        raise typer.BadParameter(f"{reason!r} is no reason; expected one of {', '.join(known)}")
    call.ask("cli.ask.return", packet=packet, reason=call.word(f"reason.{reason}"))
    item = await process.give_back(seat.node.inn, seat.scope, packet, note, reason)
    output.record(call, {"id": item.id, "state": item.state, "reason": reason})


@verb("inx_01J… --reason 'Forged'", "inx_01J… --reason 'Sent twice' --yes", ask="cli.ask.discard")
async def discard(call: Invocation, seat: Seat, packet: Packet, reason: Why) -> None:
    """Set a packet aside for good; the sender is told nothing."""
    item = await process.discard(seat.node.inn, seat.scope, packet, reason)
    output.record(call, {"id": item.id, "state": item.state})

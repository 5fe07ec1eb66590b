"""`gateway inbox`: incoming documents, and packets that did not become one. In: an id or a number, and the values to set.
Out: lists; one document with its checks; documents handed over as files, each in a folder of its own, complete before it is
acknowledged: `<folder>/<id>/` with the files, envelope.edxml and document.json (an interrupted pull is offered again); or a
clerk's action on a document or held packet, done by the use cases of `incoming`."""

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

from gateway.api import shapes
from gateway.cli import documents, hold, output
from gateway.cli.command import (
    Cursor,
    Invocation,
    Limit,
    OutputFormat,
    States,
    Why,
    argument,
    noun,
    option,
)
from gateway.cli.node import CommandContext, StoreContext
from gateway.cli.operations import Fields, makes_call
from gateway.cli.typed_times import day
from gateway.cli.verify import moment
from gateway.domain.document import IncomingDocument, InState
from gateway.domain.status import incoming_word
from gateway.errors import StoreFailure
from gateway.incoming import document_context, handling, handover, process, reading
from gateway.incoming import seal as sealing
from gateway.stored_content import Door
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.api.resources.inbox import StatusSet

Which = Annotated[str, argument("Id, or number/symbol.")]
Packet = Annotated[str, argument("Id of the packet, from: gateway inbox list --quarantine")]
Note = Annotated[str | None, option("Text that the sender reads.")]
Staff = Annotated[str | None, option("The person who did it; the sender reads the name.")]
Refusal = Annotated[str, option("A code such as MISSING_FILE, WRONG_ADDRESSEE, OTHER.")]
Unit = Annotated[str, argument("The unit, as the assignment names it.")]

_COLUMNS = output.columns("id kind from number date subject state register_no arrived", dim="id")
_PACKET_COLUMNS = output.columns("id state:packet finding=code from reason arrived", dim="id")
# Long enough to write a large document to a slow share.
_LEASE_S = 600
verb = noun("inbox").verb


@verb("--state new", "--quarantine -o json")
async def list_(
    call: Invocation,
    context: StoreContext,
    state: States = None,
    query: Annotated[str | None, option("Number, sender or words of the subject.")] = None,
    quarantine: Annotated[
        bool, option("Packets that wait, are held or were discarded.", "--quarantine")
    ] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """List incoming documents, newest first; or packets in quarantine."""
    states = documents.check_states(state or [], shapes.PACKET_STATES if quarantine else [*InState])
    if quarantine:
        await _list_packets(call, context, states, limit, cursor)
        return
    async with context.node.store.read(context.scope) as work:
        page = await work.incoming.page(limit=limit, cursor=cursor, states=states, query=query)
        surroundings = await document_context.load_contexts(
            work, page.items, await context.node.office(context.scope.agency_id)
        )
        set_aside = await work.inbox.page(limit=1, states=("held", "quarantined", "malformed"))
    pairs, today = zip(page.items, surroundings, strict=True), context.today()
    output.page(
        call,
        [documents.incoming_record(call, *pair, today) for pair in pairs],
        _COLUMNS,
        page.next_cursor,
        [documents.incoming_cells(call, d) for d in page.items],
    )
    if set_aside.items and call.output is OutputFormat.TABLE:
        call.say("cli.quarantine_waits")


async def _list_packets(
    call: Invocation, context: StoreContext, states: list[str], limit: int, cursor: str | None
) -> None:
    async with context.node.store.read(context.scope) as work:
        page = await work.inbox.page(limit=limit, cursor=cursor, states=states or shapes.SET_ASIDE)
    output.page(
        call,
        [documents.packet_record(call, p) for p in page.items],
        _PACKET_COLUMNS,
        page.next_cursor,
        [
            {
                "from": p.sender_code or p.transport_sender,
                "reason": documents.why_set_aside(call, p),
                "arrived": output.clock(p.received_at),
            }
            for p in page.items
        ],
    )


@verb("88/SNV-VP", "inb_01J… -o json")
async def show(call: Invocation, context: StoreContext, document: Which) -> None:
    """Show one document: its data, checks and files, and the statuses sent to its sender."""
    async with context.node.store.read(context.scope) as work:
        if document.startswith("inx_"):
            packet = await work.inbox.get(document)
            if call.output is OutputFormat.TABLE and not call.quiet:
                output.lines(documents.packet_lines(call, packet))
            else:
                output.record(call, documents.packet_record(call, packet))
            return
        incoming = await documents.find_incoming(work, document)
        facts = await work.facts.of_subject(incoming.id)
        surroundings = await document_context.load_context(
            work, incoming, await context.node.office(context.scope.agency_id)
        )
    word = incoming_word(incoming, facts)
    if call.output is OutputFormat.TABLE and not call.quiet:
        output.lines(documents.incoming_lines(call, incoming, word, facts, surroundings))
        return
    record = documents.incoming_record(call, incoming, surroundings, context.today()) | {"shown": word}
    output.record(call, record | {"facts": [documents.fact_record(f) for f in facts]})


@verb("/srv/qlvb/in", "/srv/qlvb/in --limit 100 --keep -o ndjson", writes=True, local=True)
async def pull(
    call: Invocation,
    context: CommandContext,
    folder: Annotated[
        Path, argument("Folder in which each document gets a folder of its own.", file_okay=False)
    ],
    limit: Limit = 50,
    client: Annotated[str, option("The program that the documents are handed to.")] = "cli",
    keep: Annotated[bool, option("Do not acknowledge; they are offered again.", "--keep")] = False,
) -> None:
    """Write documents that were not handed over yet into a folder, then acknowledge each."""
    if call.dry_run:
        async with context.node.store.read(context.scope) as work:
            page = await work.incoming.page(limit=limit, handover="available")
        for waiting in page.items:
            call.say("cli.would", what=f"pull {waiting.id}")
        return
    pulled = []
    for document in await handover.lease(context.node.inn, context.scope, client, limit, _LEASE_S):
        place = await _write_folder(call, context, folder, document)
        if not keep:
            await handover.ack(context.node.inn, context.scope, document.id, client)
        pulled.append((document, place))
        call.say("cli.pulled", id=document.id, where=place)
    output.rows(
        call,
        [{"id": d.id, "folder": str(place), "document_id": d.document_id} for d, place in pulled],
        output.columns("id number folder", dim="id"),
        [{"number": d.code} for d, _ in pulled],
    )


async def _write_folder(
    call: Invocation, context: CommandContext, folder: Path, document: IncomingDocument
) -> Path:
    """Write a document's folder, which appears under its name when complete: watching programs see no half."""
    final = folder / document.id
    if final.exists():
        return final
    draft = folder / f".{document.id}.part"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    async with context.node.store.read(context.scope) as work:
        surroundings = await document_context.load_context(
            work, document, await context.node.office(context.scope.agency_id)
        )
    if surroundings.is_readable:  # of others only the description is given out
        opened = await reading.open_envelope(context.node.inn, context.scope, document.id, Door.COMMAND)
        await _write_pieces(opened.pieces, draft / "envelope.edxml", opened.sha256)
    for file in document.files if surroundings.is_readable else ():
        opened = await reading.open_file(context.node.inn, context.scope, document.id, file.n, Door.NODE)
        await _write_pieces(opened.pieces, draft / safe_name(file.n, opened.name), opened.sha256)
    record = documents.incoming_record(call, document, surroundings, context.today())
    text = json.dumps(record, ensure_ascii=False, indent=2)
    (draft / "document.json").write_text(text, encoding="utf-8")
    os.replace(draft, final)
    return final


async def _write_pieces(pieces: AsyncIterator[bytes], path: Path, sha256: str) -> None:
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
    """Make a sender's file name safe in our folder: it cannot leave it, hide in it or steer a shell."""
    safe = "".join(letter if letter.isalnum() or letter in " ._-()" else "_" for letter in name).strip(" .")
    while len(safe.encode()) > 180:
        safe = safe[1:]
    return f"{n:02}-{safe or 'file'}"


def _print_status(call: Invocation, answer: StatusSet) -> None:
    if call.output is not OutputFormat.TABLE:
        output.record(call, documents.as_json(answer.item) | {"repeated": answer.repeated})
        return
    output.lines([answer.item.id])
    call.say("cli.said_before" if answer.repeated else "cli.said", state=answer.item.state_text)
    if answer.register_no:
        call.say("cli.register_no", number=answer.register_no)


def _staff(staff: str | None) -> Fields | None:
    return {"name": staff} if staff else None


_status_command = partial(makes_call, "setStatus", find=documents.find_incoming_for, tell=_print_status)


@verb("88/SNV-VP --register-no 1245", "inb_01J… --staff 'Van Thu'", writes=True)
@_status_command(ask="cli.ask.accept")
def accept(
    document: Which,
    register_no: Annotated[str | None, option("Arrival number, if this node does not give it.")] = None,
    staff: Staff = None,
    note: Note = None,
) -> Fields:
    """Take a document in: it is entered in the book and the sender gets status 03."""
    return {"code": "03", "register_no": register_no, "staff": _staff(staff), "note": note}


@verb(
    "88/SNV-VP --reason MISSING_FILE --note 'Appendix 2 is missing'",
    "inb_01J… --reason WRONG_ADDRESSEE --yes",
    writes=True,
)
@_status_command(ask="cli.ask.reject")
def reject(document: Which, reason: Refusal, staff: Staff = None, note: Note = None) -> Fields:
    """Refuse a document and return it: the sender gets status 02 with the reason."""
    return {"code": "02", "reason": reason, "staff": _staff(staff), "note": note}


@verb("88/SNV-VP 05", "inb_01J… done --note 'Answered'", writes=True)
@_status_command(ask="cli.ask.status")
def status(
    document: Which,
    code: Annotated[str, argument("02 to 06, 15, 16, or its word (accepted, done…).")],
    staff: Staff = None,
    note: Note = None,
    register_no: Annotated[str | None, option("Arrival number, with 03.")] = None,
    reason: Annotated[str | None, option("Reason code, with 02.")] = None,
    at: Annotated[str | None, option("Time of the act (RFC 3339); default: now.")] = None,
) -> Fields:
    """Send the sender a status of the document."""
    status_fields = {"code": code, "register_no": register_no, "reason": reason, "note": note}
    return {**status_fields, "staff": _staff(staff), "at": moment(at) if at else None}


@verb(
    "88/SNV-VP --reason 'Closed by mistake: the annex is still to be answered'",
    "inb_01J… --reason 'The unit closed the wrong one' --yes",
    writes=True,
)
@_status_command(ask="cli.ask.reopen")
def reopen(
    document: Which,
    reason: Annotated[str, option("Why it was closed by mistake; the sender reads it.")],
    staff: Staff = None,
) -> Fields:
    """Open work that was closed by mistake: the sender gets status 05 with the reason and keeps its 06 with a mark."""
    return {"code": "05", "reopen": True, "note": reason, "staff": _staff(staff)}


@verb(
    "88/SNV-VP 'General office' --deadline 2026-11-27",
    "inb_01J… 'Unit one' --with 'Unit two=2026-11-25' --instruction 'Draft an answer'",
    writes=True,
)
@_status_command(ask="cli.ask.assign")
def assign(
    document: Which,
    lead_unit: Annotated[str, argument("The unit in charge.")],
    with_: Annotated[
        list[str] | None,
        option("A coordinating unit (repeat); with a day of its own: UNIT=2026-11-25.", "--with"),
    ] = None,
    deadline: Annotated[str | None, option("2026-11-27 or 27/11/2026.")] = None,
    instruction: Annotated[str | None, option("The instruction.")] = None,
    person: Annotated[
        list[str] | None, option("A person who has the part of their unit (repeat): UNIT=SIGN-IN NAME.")
    ] = None,
    inform: Annotated[
        list[str] | None, option("A unit that only sees it (repeat); a person of it: UNIT=SIGN-IN NAME.")
    ] = None,
    staff: Staff = None,
) -> Fields:
    """Hand a document to a unit: recorded, and the sender gets status 04."""
    pairs = _pairs(with_)
    assignment = {
        "lead_unit": lead_unit,
        "coordinating_units": [unit for unit, _ in pairs],
        "deadline": day(deadline) if deadline else None,
        "instruction": instruction,
        "unit_deadlines": {unit: day(on) for unit, on in pairs if on},
        "persons": [{"unit": unit, "person": name} for unit, name in _pairs(person)],
        "informed": [{"unit": unit, "person": name or None} for unit, name in _pairs(inform)],
    }
    return {"code": "04", "staff": _staff(staff), "assignment": assignment}


def _pairs(words: list[str] | None) -> list[tuple[str, str]]:
    """Return the two sides of each `NAME=VALUE`; the second is empty where there is none."""
    return [(name.strip(), value.strip()) for name, _, value in (word.partition("=") for word in words or ())]


@verb(
    "88/SNV-VP 'Unit two' --reason 'It is the matter of unit one'",
    "inb_01J… 'Unit two' --reason 'Nobody here knows of it' --yes",
    writes=True,
)
async def hand_back(
    call: Invocation, context: CommandContext, document: Which, unit: Unit, reason: Why
) -> None:
    """Give a unit's part back to the person who assigns; the sender is not notified."""
    incoming = await documents.find_incoming_for(context, document)
    call.ask("cli.ask.hand_back", document=documents.name_of(incoming), unit=unit)
    part = await handling.hand_back(context.node.inn, context.scope, incoming.id, unit, reason)
    output.record(call, {"id": incoming.id, "unit": part.unit, "state": part.state.value})


@verb("88/SNV-VP 'Unit two'", "inb_01J… 'Unit two' --yes", writes=True)
async def part_done(call: Invocation, context: CommandContext, document: Which, unit: Unit) -> None:
    """Record that a coordinating unit has done its part; the lead unit reports 06."""
    incoming = await documents.find_incoming_for(context, document)
    call.ask("cli.ask.part_done", document=documents.name_of(incoming), unit=unit)
    part = await handling.finish(context.node.inn, context.scope, incoming.id, unit)
    output.record(call, {"id": incoming.id, "unit": part.unit, "state": part.state.value})


@verb("inb_01J…", "88/SNV-VP --client qlvb", writes=True)
async def ack(
    call: Invocation,
    context: CommandContext,
    document: Which,
    client: Annotated[str, option("The program that stored it.")] = "cli",
) -> None:
    """Confirm that your system has stored the document; it is not offered again."""
    incoming = await documents.find_incoming_for(context, document)
    if call.dry_run:
        call.say("cli.would", what=f"ack {incoming.id}")
        return
    first = await handover.ack(context.node.inn, context.scope, incoming.id, client)
    output.record(call, {"id": incoming.id, "acked": True, "first": first})


@verb(
    "88/SNV-VP --why 'It bears the stamp of a secret'",
    "inx_01J… --why 'Told by the sender' --yes",
    writes=True,
)
async def seal(call: Invocation, context: CommandContext, document: Which, why: Why) -> None:
    """Lock a document or packet that may be a secret: from now on no one here can read it, and its content is
    sealed."""
    node, scope = context.node, context.scope
    call.ask("cli.ask.seal", document=output.plain(document))
    if document.startswith("inx_"):
        hold_row = await sealing.packet(node.inn, node.hold, scope, document, why)
    else:
        incoming = await documents.find_incoming_for(context, document)
        hold_row = await sealing.document(node.inn, node.hold, scope, incoming.id, why)
    hold.print_begun(call, hold_row)


@verb("inx_01J… --reason 'The sender was called'", "inx_01J… --reason 'Checked' --yes", ask="cli.ask.release")
async def release(call: Invocation, context: CommandContext, packet: Packet, reason: Why) -> None:
    """Verify and judge a held packet again from the start."""
    inbox_packet = await process.release(context.node.inn, context.scope, packet, reason)
    output.record(call, {"id": inbox_packet.id, "state": inbox_packet.state})


@verb(
    "inx_01J… --reason BAD_FORM --note 'The date is missing'",
    "inx_01J… --reason WRONG_ADDRESSEE --note 'Not for us' --yes",
    writes=True,
)
async def return_(
    call: Invocation,
    context: CommandContext,
    packet: Packet,
    reason: Refusal,
    note: Annotated[str, option("What is wrong; the sender reads it.")],
) -> None:
    """Return a held packet: once its sender is proved again, the sender gets status 02 with the reason."""
    reasons = labels.tails("reason")
    if reason not in reasons:
        raise typer.BadParameter(f"{reason!r} is no reason; expected one of {', '.join(reasons)}")
    call.ask("cli.ask.return", packet=packet, reason=call.word(f"reason.{reason}"))
    inbox_packet = await process.give_back(context.node.inn, context.scope, packet, note, reason)
    output.record(call, {"id": inbox_packet.id, "state": inbox_packet.state, "reason": reason})


@verb("inx_01J… --reason 'Forged'", "inx_01J… --reason 'Sent twice' --yes", ask="cli.ask.discard")
async def discard(call: Invocation, context: CommandContext, packet: Packet, reason: Why) -> None:
    """Discard a packet permanently; the sender is not notified."""
    inbox_packet = await process.discard(context.node.inn, context.scope, packet, reason)
    output.record(call, {"id": inbox_packet.id, "state": inbox_packet.state})

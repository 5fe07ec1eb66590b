"""What a clerk does with an incoming document or a held packet: take in, refuse, tell where it stands, assign, hand
over, release, discard. In: an id or number and what is said. Out: one act, done by the use cases of `incoming`."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import documents, output
from gateway.cli.command import Group, Invocation, OutputFormat
from gateway.cli.node import Seat, at_agency

if TYPE_CHECKING:
    from gateway.domain.document import IncomingDocument
    from gateway.incoming.act import StatusCall

Which = Annotated[str, typer.Argument(help="Id, or number/symbol.")]
Packet = Annotated[str, typer.Argument(help="Id of the packet, from: gateway inbox list --quarantine")]
Note = Annotated[str | None, typer.Option(help="Text that the sender reads.")]
Staff = Annotated[str | None, typer.Option(help="Who did it; the sender reads the name.")]
Refusal = Annotated[str, typer.Option(help="A code such as MISSING_FILE, WRONG_ADDRESSEE, OTHER.")]
Why = Annotated[str, typer.Option(help="Why; it is recorded.")]


def register(group: Group) -> None:
    """Adds the acts to the group of `gateway inbox`."""
    group.verb(accept, "88/SNV-VP --register-no 1245", "inb_01J… --staff 'Van Thu'", writes=True)
    group.verb(
        reject,
        "88/SNV-VP --reason MISSING_FILE --note 'Appendix 2 is missing'",
        "inb_01J… --reason WRONG_ADDRESSEE --yes",
        writes=True,
    )
    group.verb(status, "88/SNV-VP 05", "inb_01J… done --note 'Answered'", writes=True)
    group.verb(
        reopen,
        "88/SNV-VP --reason 'Closed by mistake: the annex is still to be answered'",
        "inb_01J… --reason 'The unit closed the wrong one' --yes",
        writes=True,
    )
    group.verb(
        assign,
        "88/SNV-VP 'General office' --deadline 2026-11-27",
        "inb_01J… 'Unit one' --with 'Unit two=2026-11-25' --instruction 'Draft an answer'",
        writes=True,
    )
    group.verb(
        hand_back,
        "88/SNV-VP 'Unit two' --reason 'It is the matter of unit one'",
        "inb_01J… 'Unit two' --reason 'Nobody here knows of it' --yes",
        writes=True,
    )
    group.verb(part_done, "88/SNV-VP 'Unit two'", "inb_01J… 'Unit two' --yes", writes=True)
    group.verb(ack, "inb_01J…", "88/SNV-VP --client qlvb", writes=True)
    group.verb(
        seal,
        "88/SNV-VP --why 'It bears the stamp of a secret'",
        "inx_01J… --why 'Told by the sender' --yes",
        writes=True,
    )
    group.verb(
        release, "inx_01J… --reason 'The sender was called'", "inx_01J… --reason 'Checked' --yes", writes=True
    )
    group.verb(
        return_,
        "inx_01J… --reason BAD_FORM --note 'The date is missing'",
        "inx_01J… --reason WRONG_ADDRESSEE --note 'Not for us' --yes",
        writes=True,
    )
    group.verb(discard, "inx_01J… --reason 'Forged'", "inx_01J… --reason 'Sent twice' --yes", writes=True)


async def seal(call: Invocation, document: Which, why: Why) -> None:
    """Lock a document or packet that may be a secret: at once nobody reads it here, and its content is sealed apart."""
    from gateway.cli import hold
    from gateway.incoming import seal as sealing

    async with at_agency(call) as seat:
        node, scope = seat.node, seat.scope
        call.ask("cli.ask.seal", document=output.plain(document))
        if document.startswith("inx_"):
            held = await sealing.packet(node.inn, node.hold, scope, document, why)
        else:
            held = await sealing.document(node.inn, node.hold, scope, (await _found(seat, document)).id, why)
        hold.tell(call, held)


async def accept(
    call: Invocation,
    document: Which,
    register_no: Annotated[
        str | None, typer.Option(help="Arrival number, where this node does not give it.")
    ] = None,
    staff: Staff = None,
    note: Note = None,
) -> None:
    """Take a document in: it is entered in the book and the sender gets status 03."""
    await _say(call, document, "cli.ask.accept", code="03", register_no=register_no, staff=staff, note=note)


async def reject(
    call: Invocation,
    document: Which,
    reason: Refusal,
    staff: Staff = None,
    note: Note = None,
) -> None:
    """Refuse a document and return it: the sender gets status 02 with the reason."""
    _known_reason(reason)
    await _say(call, document, "cli.ask.reject", code="02", reason=reason, staff=staff, note=note)


async def status(
    call: Invocation,
    document: Which,
    code: Annotated[str, typer.Argument(help="02 to 06, 15, 16, or its word (accepted, done…).")],
    staff: Staff = None,
    note: Note = None,
    register_no: Annotated[str | None, typer.Option(help="Arrival number, with 03.")] = None,
    reason: Annotated[str | None, typer.Option(help="Reason code, with 02.")] = None,
    at: Annotated[str | None, typer.Option(help="When it was done (RFC 3339); default: now.")] = None,
) -> None:
    """Tell the sender where the document stands with us."""
    from gateway.cli.verify import moment
    from gateway.domain.status import code_of

    wire = code_of(code)
    if wire is None:
        raise typer.BadParameter(
            f"{code!r} is no status; expected 02 to 06, 15, 16 or a word such as accepted"
        )
    if reason:
        _known_reason(reason)
    said: dict[str, Any] = {"code": wire, "register_no": register_no, "reason": reason}
    await _say(
        call, document, "cli.ask.status", staff=staff, note=note, at=moment(at) if at else None, **said
    )


async def reopen(
    call: Invocation,
    document: Which,
    reason: Annotated[str, typer.Option(help="Why it was closed by mistake; the sender reads it.")],
    staff: Staff = None,
) -> None:
    """Open work that was closed by mistake: the sender gets status 05 with the reason and keeps its 06 with a mark."""
    await _say(call, document, "cli.ask.reopen", code="05", staff=staff, note=reason, reopens=True)


def _known_reason(reason: str) -> None:
    from gateway.words import labels

    known = labels.tails("reason")
    if reason not in known:
        raise typer.BadParameter(f"{reason!r} is no reason; expected one of {', '.join(known)}")


async def _say(
    call: Invocation,
    text: str,
    question: str,
    *,
    code: str,
    register_no: str | None = None,
    reason: str | None = None,
    staff: str | None = None,
    note: str | None = None,
    at: datetime | None = None,
    reopens: bool = False,
) -> None:
    from gateway.domain.document import Staff as Person
    from gateway.incoming.act import StatusCall

    person = Person(name=staff) if staff else None
    said = StatusCall(
        code=code,
        register_no=register_no,
        reason=reason,
        staff=person,
        note=note,
        at=at,
        reopens=reopens,
    )
    async with at_agency(call) as seat:
        found = await _found(seat, text)
        call.ask(question, document=_name(found), code=code)
        await _set(call, seat, found, said)


async def _set(call: Invocation, seat: Seat, document: IncomingDocument, said: StatusCall) -> None:
    from gateway.incoming import act, reading

    done = await act.set_status(seat.node.inn, seat.scope, document.id, said)
    if call.output is not OutputFormat.TABLE:
        async with seat.node.store.read(seat.scope) as work:
            addressed = await work.incoming.get(document.id)
            beside = await reading.around_one(work, addressed, await seat.node.inn.office())
        output.record(call, documents.incoming_record(call, addressed, beside) | {"repeated": done.repeated})
        return
    output.lines([done.document.id])
    call.say(
        "cli.said_before" if done.repeated else "cli.said", state=call.word(f"state.in.{done.document.state}")
    )
    if done.register_no:
        call.say("cli.register_no", number=done.register_no)


async def assign(
    call: Invocation,
    document: Which,
    lead_unit: Annotated[str, typer.Argument(help="The unit in charge.")],
    with_: Annotated[
        list[str] | None,
        typer.Option("--with", help="A coordinating unit (repeat); with a day of its own: UNIT=2026-11-25."),
    ] = None,
    deadline: Annotated[str | None, typer.Option(help="2026-11-27 or 27/11/2026.")] = None,
    instruction: Annotated[str | None, typer.Option(help="What is wanted.")] = None,
    staff: Staff = None,
) -> None:
    """Hand a document to a unit: recorded, and the sender gets status 04."""
    from gateway.cli.send import day
    from gateway.domain.document import Assignment, UnitDeadline
    from gateway.domain.document import Staff as Person
    from gateway.incoming.act import StatusCall

    until = date.fromisoformat(day(deadline)) if deadline else None
    pairs = [(unit.strip(), on.strip()) for unit, _, on in (each.partition("=") for each in with_ or ())]
    given = Assignment(
        lead_unit=lead_unit,
        coordinating_units=tuple(unit for unit, _ in pairs),
        deadline=until,
        instruction=instruction,
        deadlines=tuple(
            UnitDeadline(unit=unit, deadline=date.fromisoformat(day(on))) for unit, on in pairs if on
        ),
    )
    person = Person(name=staff) if staff else None
    async with at_agency(call) as seat:
        found = await _found(seat, document)
        call.ask("cli.ask.assign", document=_name(found), unit=lead_unit)
        await _set(call, seat, found, StatusCall(code="04", staff=person, assignment=given))


Unit = Annotated[str, typer.Argument(help="The unit, as the assignment names it.")]


async def hand_back(call: Invocation, document: Which, unit: Unit, reason: Why) -> None:
    """Give a unit's part back to who assigns; the sender is told nothing."""
    from gateway.incoming import handling

    async with at_agency(call) as seat:
        found = await _found(seat, document)
        call.ask("cli.ask.hand_back", document=_name(found), unit=unit)
        part = await handling.hand_back(seat.node.inn, seat.scope, found.id, unit, reason)
        output.record(call, {"id": found.id, "unit": part.unit, "state": part.state.value})


async def part_done(call: Invocation, document: Which, unit: Unit) -> None:
    """Say that a unit that helps has done its part; the unit that leads says 06."""
    from gateway.incoming import handling

    async with at_agency(call) as seat:
        found = await _found(seat, document)
        call.ask("cli.ask.part_done", document=_name(found), unit=unit)
        part = await handling.finish(seat.node.inn, seat.scope, found.id, unit)
        output.record(call, {"id": found.id, "unit": part.unit, "state": part.state.value})


async def ack(
    call: Invocation,
    document: Which,
    client: Annotated[str, typer.Option(help="Who has stored it.")] = "cli",
) -> None:
    """Say that your system has stored the document; it is offered no more."""
    from gateway.incoming import act

    async with at_agency(call) as seat:
        found = await _found(seat, document)
        if call.dry_run:
            call.say("cli.would", what=f"ack {found.id}")
            return
        first = await act.ack(seat.node.inn, seat.scope, found.id, client)
    output.record(call, {"id": found.id, "acked": True, "first": first})


async def release(call: Invocation, packet: Packet, reason: Why) -> None:
    """Let a held packet be verified and judged again from the start."""
    await _decide(call, packet, "release", reason)


async def return_(
    call: Invocation,
    packet: Packet,
    reason: Refusal,
    note: Annotated[str, typer.Option(help="What is wrong; the sender reads it.")],
) -> None:
    """Give a held packet back: once its sender is proved again, it gets status 02 with the reason."""
    from gateway.incoming import process

    _known_reason(reason)
    async with at_agency(call) as seat:
        call.ask("cli.ask.return", packet=packet, reason=call.word(f"reason.{reason}"))
        item = await process.give_back(seat.node.inn, seat.scope, packet, note, reason)
        output.record(call, {"id": item.id, "state": item.state, "reason": reason})


async def discard(call: Invocation, packet: Packet, reason: Why) -> None:
    """Set a packet aside for good; the sender is told nothing."""
    await _decide(call, packet, "discard", reason)


async def _decide(call: Invocation, id: str, act: str, reason: str) -> None:
    from gateway.incoming import process

    async with at_agency(call) as seat:
        call.ask(f"cli.ask.{act}", packet=id)
        item = await getattr(process, act)(seat.node.inn, seat.scope, id, reason)
        output.record(call, {"id": item.id, "state": item.state})


async def _found(seat: Seat, text: str) -> IncomingDocument:
    async with seat.node.store.read(seat.scope) as work:
        return await documents.find_incoming(work, text)


def _name(document: IncomingDocument) -> str:
    return output.plain(documents.numbered(document.number, document.symbol) or document.id)

"""What a clerk does with an incoming document or a held packet: take in, refuse, tell where it stands, assign, hand
over, release, discard. In: an id or number and what is said. Out: one act, done by the use cases of `incoming`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import documents, output
from gateway.cli.command import Group, Invocation, OutputFormat
from gateway.cli.node import Seat, at_agency
from gateway.cli.operations import Given, does, shown

if TYPE_CHECKING:
    from gateway.api.resources.inbox import StatusSet
    from gateway.domain.document import IncomingDocument

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


async def _meant(seat: Seat, text: str) -> tuple[str, Mapping[str, str]]:
    found = await _found(seat, text)
    return found.id, {"document": _name(found)}


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


_says = partial(does, "setStatus", place="document", find=_meant, tell=_said)


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


@_says(ask="cli.ask.reject")
def reject(document: Which, reason: Refusal, staff: Staff = None, note: Note = None) -> Given:
    """Refuse a document and return it: the sender gets status 02 with the reason."""
    return {"code": "02", "reason": reason, "staff": _person(staff), "note": note}


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
    from gateway.cli.verify import moment

    said = {"code": code, "register_no": register_no, "reason": reason, "note": note}
    return {**said, "staff": _person(staff), "at": moment(at) if at else None}


@_says(ask="cli.ask.reopen")
def reopen(
    document: Which,
    reason: Annotated[str, typer.Option(help="Why it was closed by mistake; the sender reads it.")],
    staff: Staff = None,
) -> Given:
    """Open work that was closed by mistake: the sender gets status 05 with the reason and keeps its 06 with a mark."""
    return {"code": "05", "reopen": True, "note": reason, "staff": _person(staff)}


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
    from gateway.cli.send import day

    pairs = [(unit.strip(), on.strip()) for unit, _, on in (each.partition("=") for each in with_ or ())]
    assignment = {
        "lead_unit": lead_unit,
        "coordinating_units": [unit for unit, _ in pairs],
        "deadline": day(deadline) if deadline else None,
        "instruction": instruction,
        "unit_deadlines": {unit: day(on) for unit, on in pairs if on},
    }
    return {"code": "04", "staff": _person(staff), "assignment": assignment}


def _known_reason(reason: str) -> None:
    from gateway.words import labels

    known = labels.tails("reason")
    if reason not in known:
        raise typer.BadParameter(f"{reason!r} is no reason; expected one of {', '.join(known)}")


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

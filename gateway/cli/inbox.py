"""`gateway inbox`: incoming documents and packets that did not become one. In: an id or a number. Out: lists, one
document with its checks; files in a folder; or one act of a clerk, done by the use cases of `incoming`."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import finding, output, shapes
from gateway.cli.command import Call, Format, noun, verb
from gateway.cli.node import Seat, at_agency, run

if TYPE_CHECKING:
    from gateway.domain.document import IncomingDocument
    from gateway.incoming.act import StatusCall
    from gateway.ports import InboxItem

Which = Annotated[str, typer.Argument(help="Id, or number/symbol.")]
Packet = Annotated[str, typer.Argument(help="Id of the packet, from: gateway inbox list --quarantine")]
Note = Annotated[str | None, typer.Option(help="Text that the sender reads.")]
Staff = Annotated[str | None, typer.Option(help="Who did it; the sender reads the name.")]
Why = Annotated[str, typer.Option(help="Why; it is recorded.")]

_COLUMNS = (
    ("cli.column.id", "dim"),
    ("cli.column.from", ""),
    ("cli.column.number", ""),
    ("cli.column.date", ""),
    ("cli.column.subject", ""),
    ("cli.column.state", ""),
    ("cli.column.register_no", ""),
    ("cli.column.arrived", ""),
)
_PACKET_COLUMNS = (
    ("cli.column.id", "dim"),
    ("cli.column.state", ""),
    ("cli.column.code", ""),
    ("cli.column.from", ""),
    ("cli.column.reason", ""),
    ("cli.column.arrived", ""),
)
_QUARANTINE = ("waiting", "held", "quarantined", "malformed", "sealed")


def register(app: typer.Typer) -> None:
    group = noun("inbox", "Incoming documents, and packets that did not become one.")
    verb(
        group, "list", examples=("gateway inbox list --state new", "gateway inbox list --quarantine -o json")
    )(list_)
    verb(group, "show", examples=("gateway inbox show 88/SNV-VP", "gateway inbox show inb_01J… -o json"))(show)
    verb(
        group,
        "pull",
        examples=("gateway inbox pull /srv/qlvb/in", "gateway inbox pull /srv/qlvb/in --limit 100 --keep -o ndjson"),
        writes=True,
    )(pull)
    verb(
        group,
        "accept",
        examples=("gateway inbox accept 88/SNV-VP --register-no 1245", "gateway inbox accept inb_01J… --staff 'Văn Thư'"),
        writes=True,
    )(accept)
    verb(
        group,
        "reject",
        examples=(
            "gateway inbox reject 88/SNV-VP --reason MISSING_FILE --note 'Thiếu phụ lục 2'",
            "gateway inbox reject inb_01J… --reason WRONG_ADDRESSEE --yes",
        ),
        writes=True,
    )(reject)
    verb(
        group,
        "status",
        examples=("gateway inbox status 88/SNV-VP 05", "gateway inbox status inb_01J… done --note 'Đã trả lời'"),
        writes=True,
    )(status)
    verb(
        group,
        "assign",
        examples=(
            "gateway inbox assign 88/SNV-VP 'Phòng Tổng hợp' --deadline 2026-11-27",
            "gateway inbox assign inb_01J… 'Phòng Một' --with 'Phòng Hai' --instruction 'Tham mưu trả lời'",
        ),
        writes=True,
    )(assign)
    verb(group, "ack", examples=("gateway inbox ack inb_01J…", "gateway inbox ack 88/SNV-VP --client qlvb"), writes=True)(
        ack
    )
    verb(
        group,
        "release",
        examples=("gateway inbox release inx_01J… --reason 'Đã gọi hỏi nơi gửi'", "gateway inbox release inx_01J… --reason 'Đã kiểm tra' --yes"),
        writes=True,
    )(release)
    verb(
        group,
        "discard",
        examples=("gateway inbox discard inx_01J… --reason 'Gói tin giả mạo'", "gateway inbox discard inx_01J… --reason 'Trùng' --yes"),
        writes=True,
    )(discard)
    app.add_typer(group)


def list_(
    call: Call,
    state: Annotated[list[str] | None, typer.Option(help="Only in this state (repeat for more).")] = None,
    query: Annotated[str | None, typer.Option(help="Number, sender or words of the subject.")] = None,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Packets that wait, are held, or were set aside.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    cursor: Annotated[str | None, typer.Option(help="Go on where the last list ended.")] = None,
) -> None:
    """List incoming documents, newest first; or packets in quarantine."""
    run(_packets(call, state or [], limit, cursor) if quarantine else _list(call, state or [], query, limit, cursor))


async def _list(call: Call, states: list[str], query: str | None, limit: int, cursor: str | None) -> None:
    async with at_agency(call) as seat, seat.node.store.read(seat.scope) as work:
        page = await work.incoming.page(limit=limit, cursor=cursor, states=states, query=query)
    output.rows(
        call,
        [shapes.incoming(call, each) for each in page.items],
        _COLUMNS,
        [shapes.incoming_cells(each, call.word(f"state.in.{each.state}")) for each in page.items],
        extra={"next_cursor": page.next_cursor, "has_more": page.next_cursor is not None},
    )
    _more(call, page.next_cursor)


async def _packets(call: Call, states: list[str], limit: int, cursor: str | None) -> None:
    async with at_agency(call) as seat, seat.node.store.read(seat.scope) as work:
        page = await work.inbox.page(limit=limit, cursor=cursor, states=states or _QUARANTINE)
    output.rows(
        call,
        [shapes.packet(call, each) for each in page.items],
        _PACKET_COLUMNS,
        [_packet_cells(call, each) for each in page.items],
        extra={"next_cursor": page.next_cursor, "has_more": page.next_cursor is not None},
    )
    _more(call, page.next_cursor)


def _packet_cells(call: Call, item: InboxItem) -> tuple[str, ...]:
    sender = item.sender_code or item.transport_sender
    state = call.word(f"packet.{item.state}")
    return item.id, state, item.code or "", sender, item.reason or "", output.clock(item.received_at)


def _more(call: Call, cursor: str | None) -> None:
    if cursor and call.output is Format.TABLE:
        call.say("cli.more", command=f"--cursor {cursor}")


def show(call: Call, document: Which) -> None:
    """Show one document: what it is, what was checked, its files, and what we told the sender."""
    run(_show(call, document))


async def _show(call: Call, text: str) -> None:
    async with at_agency(call) as seat, seat.node.store.read(seat.scope) as work:
        if text.startswith("inx_"):
            output.record(call, shapes.packet(call, await work.inbox.get(text)))
            return
        found = await finding.incoming(work, text)
        facts = await work.facts.of(found.id)
    shown = shapes.incoming(call, found)
    if call.output is Format.TABLE and not call.quiet:
        output.lines(_told(call, found))
        output.lines(f"  {output.clock(each.at)}  {each.track} {each.code}  {each.note or ''}" for each in facts)
        return
    output.record(call, shown | {"facts": [shapes.fact(each) for each in facts]})


def _told(call: Call, document: IncomingDocument) -> list[str]:
    number = shapes.numbered(document.number, document.symbol)
    sender = f"{document.sender_code} {document.sender_name or ''}".strip()
    lines = [
        f"{number}  {output.day(document.issued_on)}  {document.subject}",
        f"{call.word('cli.column.from')}: {sender}  ({output.clock(document.arrived_at)})",
        f"{call.word('cli.column.state')}: {call.word(f'state.in.{document.state}')}"
        + (f"  {call.word('cli.column.register_no')} {document.register_no}" if document.register_no else ""),
        *(f"  {name}: {verdict}" for name, verdict in document.checks.items()),
        *(f"  {each.n}. {each.name}  {each.size} B" for each in document.files),
    ]
    return [output.plain(line) for line in lines]


def pull(
    call: Call,
    folder: Annotated[Path, typer.Argument(help="Each document gets a folder of its own in here.", file_okay=False)],
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    client: Annotated[str, typer.Option(help="Whose hand-over this is.")] = "cli",
    keep: Annotated[bool, typer.Option("--keep", help="Do not acknowledge; they are offered again.")] = False,
) -> None:
    """Write documents that were not handed over yet into a folder, then acknowledge each."""
    from gateway.cli import pulling

    run(pulling.pull(call, folder, limit, client, keep))


def accept(
    call: Call,
    document: Which,
    register_no: Annotated[str | None, typer.Option(help="Arrival number, where this node does not give it.")] = None,
    staff: Staff = None,
    note: Note = None,
) -> None:
    """Take a document in: it is entered in the book and the sender gets status 03."""
    run(_say(call, document, "cli.ask.accept", code="03", register_no=register_no, staff=staff, note=note))


def reject(
    call: Call,
    document: Which,
    reason: Annotated[str, typer.Option(help="A code such as MISSING_FILE, WRONG_ADDRESSEE, OTHER.")],
    staff: Staff = None,
    note: Note = None,
) -> None:
    """Refuse a document and return it: the sender gets status 02 with the reason."""
    _known_reason(reason)
    run(_say(call, document, "cli.ask.reject", code="02", reason=reason, staff=staff, note=note))


def status(
    call: Call,
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
        raise typer.BadParameter(f"{code!r} is no status; expected 02 to 06, 15, 16 or a word such as accepted")
    if reason:
        _known_reason(reason)
    said: dict[str, Any] = {"code": wire, "register_no": register_no, "reason": reason}
    run(_say(call, document, "cli.ask.status", staff=staff, note=note, at=moment(at) if at else None, **said))


def _known_reason(reason: str) -> None:
    from gateway import labels

    known = sorted(key.removeprefix("reason.") for key in labels.KEYS if key.startswith("reason."))
    if reason not in known:
        raise typer.BadParameter(f"{reason!r} is no reason; expected one of {', '.join(known)}")


async def _say(
    call: Call,
    text: str,
    question: str,
    *,
    code: str,
    register_no: str | None = None,
    reason: str | None = None,
    staff: str | None = None,
    note: str | None = None,
    at: datetime | None = None,
) -> None:
    from gateway.domain.document import Staff as Person
    from gateway.incoming.act import StatusCall

    person = Person(name=staff) if staff else None
    said = StatusCall(code=code, register_no=register_no, reason=reason, staff=person, note=note, at=at)
    async with at_agency(call) as seat:
        found = await _found(seat, text)
        if call.agrees(question, document=_name(found), code=code):
            await _set(call, seat, found, said)


async def _set(call: Call, seat: Seat, document: IncomingDocument, said: StatusCall) -> None:
    from gateway.incoming import act

    done = await act.set_status(seat.node.inn, seat.scope, document.id, said)
    if call.output is not Format.TABLE:
        output.record(call, shapes.incoming(call, done.document) | {"repeated": done.repeated})
        return
    output.lines([done.document.id])
    call.say("cli.said_before" if done.repeated else "cli.said", state=call.word(f"state.in.{done.document.state}"))
    if done.register_no:
        call.say("cli.register_no", number=done.register_no)


def assign(
    call: Call,
    document: Which,
    lead_unit: Annotated[str, typer.Argument(help="The unit in charge.")],
    with_: Annotated[list[str] | None, typer.Option("--with", help="A coordinating unit (repeat).")] = None,
    deadline: Annotated[str | None, typer.Option(help="2026-11-27 or 27/11/2026.")] = None,
    instruction: Annotated[str | None, typer.Option(help="What is wanted.")] = None,
    staff: Staff = None,
) -> None:
    """Hand a document to a unit: recorded, and the sender gets status 04."""
    from gateway.cli.send import day

    until = date.fromisoformat(day(deadline)) if deadline else None
    run(_assign(call, document, lead_unit, tuple(with_ or ()), until, instruction, staff))


async def _assign(
    call: Call,
    text: str,
    lead_unit: str,
    units: tuple[str, ...],
    deadline: date | None,
    instruction: str | None,
    staff: str | None,
) -> None:
    from gateway.domain.document import Assignment
    from gateway.domain.document import Staff as Person
    from gateway.incoming.act import StatusCall

    given = Assignment(
        lead_unit=lead_unit, coordinating_units=units, deadline=deadline, instruction=instruction
    )
    person = Person(name=staff) if staff else None
    async with at_agency(call) as seat:
        found = await _found(seat, text)
        if call.agrees("cli.ask.assign", document=_name(found), unit=lead_unit):
            await _set(call, seat, found, StatusCall(code="04", staff=person, assignment=given))


def ack(
    call: Call,
    document: Which,
    client: Annotated[str, typer.Option(help="Who has stored it.")] = "cli",
) -> None:
    """Say that your system has stored the document; it is offered no more."""
    run(_ack(call, document, client))


async def _ack(call: Call, text: str, client: str) -> None:
    from gateway.incoming import act

    async with at_agency(call) as seat:
        found = await _found(seat, text)
        if call.dry_run:
            call.say("cli.would", what=f"ack {found.id}")
            return
        first = await act.ack(seat.node.inn, seat.scope, found.id, client)
    output.record(call, {"id": found.id, "acked": True, "first": first})


def release(call: Call, packet: Packet, reason: Why) -> None:
    """Let a held packet be verified and judged again from the start."""
    run(_decide(call, packet, "release", reason))


def discard(call: Call, packet: Packet, reason: Why) -> None:
    """Set a packet aside for good; the sender is told nothing."""
    run(_decide(call, packet, "discard", reason))


async def _decide(call: Call, id: str, act: str, reason: str) -> None:
    from gateway.incoming import decide

    async with at_agency(call) as seat:
        if call.agrees(f"cli.ask.{act}", packet=id):
            item = await getattr(decide, act)(seat.node.inn, seat.scope, id, reason)
            output.record(call, {"id": item.id, "state": item.state})


async def _found(seat: Seat, text: str) -> IncomingDocument:
    async with seat.node.store.read(seat.scope) as work:
        return await finding.incoming(work, text)


def _name(document: IncomingDocument) -> str:
    return output.plain(shapes.numbered(document.number, document.symbol) or document.id)

"""`gateway outbox`: outgoing documents, where each recipient stands, and the sender's second thoughts. In: an id or a
number. Out: lists, one document with its recipients, its timeline; or one act, done by the use cases of
`outgoing`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import documents, output, send
from gateway.cli.command import NOUNS, Invocation, OutputFormat, noun, verb
from gateway.cli.node import at_agency, run

if TYPE_CHECKING:
    from gateway.domain.document import OutgoingDocument

Which = Annotated[str, typer.Argument(help="Id (msg_…), number/symbol, or your external id.")]
ToCodes = Annotated[list[str] | None, typer.Option("--to", help="Only to these recipients.")]
Reason = Annotated[str, typer.Option(help="Why; the recipients read it.")]

_COLUMNS = (
    ("cli.column.id", "dim"),
    ("cli.column.kind", ""),
    ("cli.column.number", ""),
    ("cli.column.date", ""),
    ("cli.column.subject", ""),
    ("cli.column.to", ""),
    ("cli.column.state", ""),
    ("cli.column.created", ""),
)


def register(app: typer.Typer) -> None:
    group = noun("outbox", NOUNS["outbox"])
    verb(
        group,
        "list",
        examples=(
            "gateway outbox list --state rejected --state failed",
            "gateway outbox list --query 'du toan' -o ndjson",
        ),
    )(list_)
    verb(group, "show", examples=("gateway outbox show 1523/STC-VP", "gateway outbox show msg_01J… -o json"))(
        show
    )
    verb(
        group,
        "events",
        examples=("gateway outbox events 1523/STC-VP", "gateway outbox events msg_01J… -o ndjson"),
    )(events)
    _register_acts(group)
    app.add_typer(group)


def _register_acts(group: typer.Typer) -> None:
    verb(
        group,
        "send",
        examples=("gateway outbox send msg_01J…", "gateway outbox send 1523/STC-VP --yes"),
        writes=True,
    )(send_draft)
    verb(
        group,
        "resend",
        examples=("gateway outbox resend 1523/STC-VP", "gateway outbox resend 1523/STC-VP --to Z91.07 --yes"),
        writes=True,
    )(resend)
    verb(
        group,
        "cancel",
        examples=("gateway outbox cancel 1523/STC-VP", "gateway outbox cancel msg_01J… --yes"),
        writes=True,
    )(cancel)
    verb(
        group,
        "recall",
        examples=(
            'gateway outbox recall 1523/STC-VP --reason "Wrong figures" --approved-by "A Leader" --notice-no 12/TB',
            'gateway outbox recall msg_01J… --take-back --reason "Wrong addressee" --to Z91.07 --yes',
        ),
        writes=True,
    )(recall)
    verb(
        group,
        "update",
        examples=(
            'gateway outbox update 1523/STC-VP letter.pdf --meta new.json --reason "Appendix corrected"',
            'gateway outbox update msg_01J… letter.pdf --meta new.json --reason "Appendix corrected" --dry-run',
        ),
        writes=True,
    )(update)
    verb(
        group,
        "replace",
        examples=(
            'gateway outbox replace 1523/STC-VP new.pdf --meta new.json --reason "Wrong content"',
            'gateway outbox replace msg_01J… new.pdf --meta new.json --reason "Wrong content" --dry-run',
        ),
        writes=True,
    )(replace)
    verb(
        group,
        "seal",
        examples=(
            "gateway outbox seal 1523/STC-VP --why 'Sent by mistake'",
            "gateway outbox seal msg_01J… --why 'Sent by mistake' --yes",
        ),
        writes=True,
    )(seal)


def list_(
    call: Invocation,
    state: Annotated[list[str] | None, typer.Option(help="Only in this state (repeat for more).")] = None,
    query: Annotated[
        str | None, typer.Option(help="Number, symbol or words of the subject, accents or not.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    cursor: Annotated[str | None, typer.Option(help="Go on where the last list ended.")] = None,
) -> None:
    """List outgoing documents, newest first."""
    from gateway.domain.status import STATES

    run(_list(call, documents.known_states(state or [], STATES), query, limit, cursor))


async def _list(
    call: Invocation, states: list[str], query: str | None, limit: int, cursor: str | None
) -> None:
    async with at_agency(call) as seat, seat.node.store.read(seat.scope) as work:
        page = await work.outgoing.page(limit=limit, cursor=cursor, states=states, query=query)
        deliveries = await work.deliveries.of_many([each.id for each in page.items])
    found = [(each, deliveries.get(each.id, ())) for each in page.items]
    output.rows(
        call,
        [documents.outgoing_record(call, *each) for each in found],
        _COLUMNS,
        [documents.outgoing_cells(call, *each) for each in found],
        extra={"next_cursor": page.next_cursor, "has_more": page.next_cursor is not None},
    )
    if page.next_cursor and call.output is OutputFormat.TABLE:
        call.say("cli.more", command=f"--cursor {page.next_cursor}")


def show(call: Invocation, document: Which) -> None:
    """Show one document: every recipient, its state, since when, who said so and what they wrote."""
    run(_show(call, document))


async def _show(call: Invocation, text: str) -> None:
    from gateway.cli import story

    async with at_agency(call) as seat, seat.node.store.read(seat.scope) as work:
        found = await documents.find_outgoing(work, text)
        deliveries = await work.deliveries.of(found.id)
        facts = {each.id: await work.facts.of(each.id) for each in deliveries}
        stuck = await work.jobs.error_of(found.id)
    if call.output is OutputFormat.TABLE and not call.quiet:
        output.lines(story.outgoing(call, found, deliveries, facts, stuck, seat.node.clock.now()))
        return
    shown = documents.outgoing_record(call, found, deliveries) | {"stuck": stuck}
    for told, delivery in zip(shown["recipients"], deliveries, strict=False):
        told["facts"] = [documents.fact_record(each) for each in facts[delivery.id]]
    output.record(call, shown)


def events(call: Invocation, document: Which) -> None:
    """The timeline of one document: everything that happened to it, oldest first."""
    run(_events(call, document))


async def _events(call: Invocation, text: str) -> None:
    async with at_agency(call) as seat, seat.node.store.read(seat.scope) as work:
        found = await documents.find_outgoing(work, text)
        told = await work.events.of(found.id)
    output.rows(
        call,
        [documents.event_record(each) for each in told],
        (("cli.column.at", ""), ("cli.column.event", ""), ("cli.column.detail", "dim")),
        [(output.clock(each.at), str(each.kind), documents.event_detail(each)) for each in told],
    )


def send_draft(call: Invocation, document: Which, confirm: send.Confirm = None) -> None:
    """Send a draft that was kept; it is checked anew, and every broken rule is told at once (exit 4)."""
    run(_send_draft(call, document, tuple(confirm or ())))


async def _send_draft(call: Invocation, text: str, confirm: tuple[str, ...]) -> None:
    from gateway.outgoing import manage

    async with at_agency(call) as seat:
        async with seat.node.store.read(seat.scope) as work:
            found = await documents.find_outgoing(work, text)
        to = ", ".join(each.code or each.name or "" for each in found.draft.recipients) or "-"
        if call.agrees("cli.ask.send_draft", document=_name(found), to=to):
            _done(call, await manage.send_draft(seat.node.out, seat.scope, found.id, confirm=confirm))


def seal(
    call: Invocation, document: Which, why: Annotated[str, typer.Option(help="Why; it is recorded.")]
) -> None:
    """Lock a document that may be a secret: nothing of it leaves any more, and its content is sealed apart."""
    run(_seal(call, document, why))


async def _seal(call: Invocation, text: str, why: str) -> None:
    from gateway.cli import hold
    from gateway.outgoing import files as sealing

    async with at_agency(call) as seat:
        async with seat.node.store.read(seat.scope) as work:
            found = await documents.find_outgoing(work, text)
        if call.agrees("cli.ask.seal", document=_name(found)):
            held = await sealing.seal_document(seat.node.out, seat.node.hold, seat.scope, found.id, why)
            hold.tell(call, held)


def resend(call: Invocation, document: Which, to: ToCodes = None) -> None:
    """Send the same bytes again, to the recipients named or to all whose sending failed."""
    run(_resend(call, document, to or []))


async def _resend(call: Invocation, text: str, to: list[str]) -> None:
    from gateway.outgoing import manage

    async with at_agency(call) as seat:
        async with seat.node.store.read(seat.scope) as work:
            found = await documents.find_outgoing(work, text)
        if call.agrees("cli.ask.resend", document=_name(found), to=", ".join(to) or "-"):
            _done(call, await manage.resend(seat.node.out, seat.scope, found.id, to))


def cancel(call: Invocation, document: Which) -> None:
    """Stop a document that has not left yet. What has left is recalled instead."""
    run(_cancel(call, document))


async def _cancel(call: Invocation, text: str) -> None:
    from gateway.outgoing import manage

    async with at_agency(call) as seat:
        async with seat.node.store.read(seat.scope) as work:
            found = await documents.find_outgoing(work, text)
        if call.agrees("cli.ask.cancel", document=_name(found)):
            _done(call, await manage.cancel(seat.node.out, seat.scope, found.id))


def recall(
    call: Invocation,
    document: Which,
    reason: Reason,
    approved_by: Annotated[
        str | None, typer.Option(help="The leader who approved it (needed for a notice).")
    ] = None,
    notice_no: Annotated[
        str | None, typer.Option(help="Number of the recall notice (needed for a notice).")
    ] = None,
    take_back: Annotated[bool, typer.Option("--take-back", help="Send the bare status 13 instead.")] = False,
    to: ToCodes = None,
) -> None:
    """Ask every recipient to cancel the document. Nothing changes there before they answer."""
    run(_recall(call, document, reason, approved_by, notice_no, take_back, to or []))


async def _recall(
    call: Invocation,
    text: str,
    reason: str,
    approved_by: str | None,
    notice_no: str | None,
    take_back: bool,
    to: list[str],
) -> None:
    from gateway.outgoing import recall as recalling

    async with at_agency(call) as seat:
        async with seat.node.store.read(seat.scope) as work:
            found = await documents.find_outgoing(work, text)
        if call.agrees("cli.ask.recall", document=_name(found), reason=reason):
            asked = await recalling.recall(
                seat.node.out,
                seat.scope,
                found.id,
                reason=reason,
                approved_by=approved_by,
                notice_no=notice_no,
                take_back=take_back,
                recipients=to,
            )
            _done(call, asked)


def update(call: Invocation, document: Which, files: send.Files, meta: send.Meta, reason: Reason) -> None:
    """Send what the document now says (packet type 2); each recipient agrees or refuses."""
    run(_change(call, document, "update", meta, reason, files))


def replace(call: Invocation, document: Which, files: send.Files, meta: send.Meta, reason: Reason) -> None:
    """Send another document in its place (packet type 3), with a number and date of its own."""
    run(_change(call, document, "replace", meta, reason, files))


async def _change(
    call: Invocation, text: str, kind: str, meta: Path | None, reason: str, files: list[Path]
) -> None:
    from gateway.domain.document import DocumentChange, Kind
    from gateway.outgoing.intake import Order

    told = send.asked(meta, {})
    async with at_agency(call) as seat:
        async with seat.node.store.read(seat.scope) as work:
            found = await documents.find_outgoing(work, text)
        replaces = ((found.document_id, ()),) if kind == Kind.REPLACEMENT else ()
        target = found.document_id if kind == Kind.UPDATE else None
        order = Order(
            draft=told.to_draft(),
            kind=Kind(kind),
            parent_id=found.id,
            change=DocumentChange(reason=reason, target=target, replaces=replaces),
            confirm=tuple(told.confirm),
        )
        if not call.dry_run and not call.agrees(f"cli.ask.{kind}", document=_name(found), reason=reason):
            return
        accepted = await send.hand_in(call, seat, order, files, [])
        if accepted is not None:
            await send.show_accepted(call, seat, accepted)


def _name(document: OutgoingDocument) -> str:
    return output.plain(documents.numbered(document.draft.number, document.draft.symbol) or document.id)


def _done(call: Invocation, document: OutgoingDocument) -> None:
    if call.output is OutputFormat.TABLE:
        output.lines([document.id])
        call.say("cli.done")
    else:
        output.record(call, {"id": document.id, "kind": str(document.kind), "state": str(document.state)})

"""`gateway outbox`: outgoing documents, where each recipient stands, and the sender's second thoughts. In: an id or a
number. Out: lists, one document with its recipients, its timeline; or one act, done by the use cases of
`outgoing`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import documents, output, send
from gateway.cli.command import Group, Invocation, OutputFormat
from gateway.cli.node import Seat, at_agency

if TYPE_CHECKING:
    from gateway.domain.document import OutgoingDocument

Which = Annotated[str, typer.Argument(help="Id (msg_…), number/symbol, or your external id.")]
ToCodes = Annotated[list[str] | None, typer.Option("--to", help="Only to these recipients.")]
Reason = Annotated[str, typer.Option(help="Why; the recipients read it.")]

_COLUMNS = output.columns("id", "kind", "number", "date", "subject", "to", "state", "created", dim=("id",))


def register(app: Group) -> None:
    group = app.noun("outbox")
    group.verb(list_, "--state rejected --state failed", "--query 'du toan' -o ndjson")
    group.verb(show, "1523/STC-VP", "msg_01J… -o json")
    group.verb(events, "1523/STC-VP", "msg_01J… -o ndjson")
    group.verb(send_draft, "msg_01J…", "1523/STC-VP --yes", name="send", writes=True)
    group.verb(resend, "1523/STC-VP", "1523/STC-VP --to Z91.07 --yes", writes=True)
    group.verb(cancel, "1523/STC-VP", "msg_01J… --yes", writes=True)
    group.verb(
        recall,
        '1523/STC-VP --reason "Wrong figures" --approved-by "A Leader" --notice-no 12/TB',
        'msg_01J… --take-back --reason "Wrong addressee" --to Z91.07 --yes',
        writes=True,
    )
    group.verb(
        update,
        '1523/STC-VP letter.pdf --meta new.json --reason "Appendix corrected"',
        'msg_01J… letter.pdf --meta new.json --reason "Appendix corrected" --dry-run',
        writes=True,
    )
    group.verb(
        replace,
        '1523/STC-VP new.pdf --meta new.json --reason "Wrong content"',
        'msg_01J… new.pdf --meta new.json --reason "Wrong content" --dry-run',
        writes=True,
    )
    group.verb(
        seal, "1523/STC-VP --why 'Sent by mistake'", "msg_01J… --why 'Sent by mistake' --yes", writes=True
    )


async def list_(
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

    states = documents.known_states(state or [], STATES)
    async with at_agency(call) as seat, seat.node.store.read(seat.scope) as work:
        page = await work.outgoing.page(limit=limit, cursor=cursor, states=states, query=query)
        deliveries = await work.deliveries.of_many([each.id for each in page.items])
    found = [(each, deliveries.get(each.id, ())) for each in page.items]
    output.page(
        call,
        [documents.outgoing_record(call, *each) for each in found],
        _COLUMNS,
        [documents.outgoing_cells(call, *each) for each in found],
        page.next_cursor,
    )


async def show(call: Invocation, document: Which) -> None:
    """Show one document: every recipient, its state, since when, who said so and what they wrote."""
    from gateway.cli import story

    async with at_agency(call) as seat, seat.node.store.read(seat.scope) as work:
        found = await documents.find_outgoing(work, document)
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


async def events(call: Invocation, document: Which) -> None:
    """The timeline of one document: everything that happened to it, oldest first."""
    async with at_agency(call) as seat, seat.node.store.read(seat.scope) as work:
        found = await documents.find_outgoing(work, document)
        told = await work.events.of(found.id)
    output.rows(
        call,
        [documents.event_record(each) for each in told],
        output.columns("at", "event", "detail", dim=("detail",)),
        [(output.clock(each.at), str(each.kind), documents.event_detail(each)) for each in told],
    )


async def send_draft(call: Invocation, document: Which, confirm: send.Confirm = None) -> None:
    """Send a draft that was kept; it is checked anew, and every broken rule is told at once (exit 4)."""
    from gateway.outgoing import manage

    async with _found(call, document) as (seat, found):
        to = ", ".join(each.code or each.name or "" for each in found.draft.recipients) or "-"
        if call.agrees("cli.ask.send_draft", document=_name(found), to=to):
            codes = tuple(confirm or ())
            _done(call, await manage.send_draft(seat.node.out, seat.scope, found.id, confirm=codes))


async def seal(
    call: Invocation, document: Which, why: Annotated[str, typer.Option(help="Why; it is recorded.")]
) -> None:
    """Lock a document that may be a secret: nothing of it leaves any more, and its content is sealed apart."""
    from gateway.cli import hold
    from gateway.outgoing import files as sealing

    async with _found(call, document) as (seat, found):
        if call.agrees("cli.ask.seal", document=_name(found)):
            held = await sealing.seal_document(seat.node.out, seat.node.hold, seat.scope, found.id, why)
            hold.tell(call, held)


async def resend(call: Invocation, document: Which, to: ToCodes = None) -> None:
    """Send the same bytes again, to the recipients named or to all whose sending failed."""
    from gateway.outgoing import manage

    async with _found(call, document) as (seat, found):
        if call.agrees("cli.ask.resend", document=_name(found), to=", ".join(to or ()) or "-"):
            _done(call, await manage.resend(seat.node.out, seat.scope, found.id, to or ()))


async def cancel(call: Invocation, document: Which) -> None:
    """Stop a document that has not left yet. What has left is recalled instead."""
    from gateway.outgoing import manage

    async with _found(call, document) as (seat, found):
        if call.agrees("cli.ask.cancel", document=_name(found)):
            _done(call, await manage.cancel(seat.node.out, seat.scope, found.id))


async def recall(
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
    from gateway.outgoing import recall as recalling

    async with _found(call, document) as (seat, found):
        if call.agrees("cli.ask.recall", document=_name(found), reason=reason):
            asked = await recalling.recall(
                seat.node.out,
                seat.scope,
                found.id,
                reason=reason,
                approved_by=approved_by,
                notice_no=notice_no,
                take_back=take_back,
                recipients=to or (),
            )
            _done(call, asked)


async def update(
    call: Invocation, document: Which, files: send.Files, meta: send.Meta, reason: Reason
) -> None:
    """Send what the document now says (packet type 2); each recipient agrees or refuses."""
    await _change(call, document, "update", meta, reason, files)


async def replace(
    call: Invocation, document: Which, files: send.Files, meta: send.Meta, reason: Reason
) -> None:
    """Send another document in its place (packet type 3), with a number and date of its own."""
    await _change(call, document, "replace", meta, reason, files)


@asynccontextmanager
async def _found(call: Invocation, text: str) -> AsyncIterator[tuple[Seat, OutgoingDocument]]:
    """The document that is meant, and where its command works."""
    async with at_agency(call) as seat:
        async with seat.node.store.read(seat.scope) as work:
            found = await documents.find_outgoing(work, text)
        yield seat, found


async def _change(
    call: Invocation, text: str, kind: str, meta: Path | None, reason: str, files: list[Path]
) -> None:
    from gateway.domain.document import DocumentChange, Kind
    from gateway.outgoing.intake import Order

    told = send.asked(meta, {})
    async with _found(call, text) as (seat, found):
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
        output.record(
            call, {"id": document.id, "kind": str(document.kind), "state": documents.state_of(document, ())}
        )

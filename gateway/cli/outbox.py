"""`gateway outbox`: outgoing documents, where each recipient stands, and the sender's second thoughts. In: an id or a
number. Out: lists, one document with its recipients, its timeline; or one act, done by the use cases of
`outgoing`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import documents, output, send
from gateway.cli.command import Group, Invocation, OutputFormat
from gateway.cli.node import Seat, at_agency
from gateway.cli.operations import Given, does, shown

if TYPE_CHECKING:
    from gateway.api.message_view import Message
    from gateway.api.resources.messages import Messages
    from gateway.domain.document import OutgoingDocument

Which = Annotated[str, typer.Argument(help="Id (msg_…), number/symbol, or your external id.")]
ToCodes = Annotated[list[str] | None, typer.Option("--to", help="Only to these recipients.")]
Reason = Annotated[str, typer.Option(help="Why; the recipients read it.")]

_COLUMNS = output.columns(
    *("id", "kind:kind", "number", "date", "subject", "to", "state", "created"), dim=("id",)
)


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


def _tell_list(call: Invocation, answer: Messages) -> None:
    records, cells = [shown(each) for each in answer.data], [_cells(call, each) for each in answer.data]
    output.page(call, records, _COLUMNS, answer.next_cursor, cells)


def _cells(call: Invocation, each: Message) -> dict[str, str]:
    first, *more = [one.code for one in each.recipients] or [""]
    return {
        "number": documents.numbered(each.number, each.symbol),
        "date": output.day(each.date),
        "to": f"{first} +{len(more)}" if more else first,
        "state": f"{documents.sign(each.state)} {call.word(f'state.{each.state}', code='')}".rstrip(),
        "created": output.clock(each.created_at),
    }


@does("listMessages", tell=_tell_list)
def list_(
    state: Annotated[list[str] | None, typer.Option(help="Only in this state (repeat for more).")] = None,
    query: Annotated[
        str | None, typer.Option(help="Number, symbol or words of the subject, accents or not.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    cursor: Annotated[str | None, typer.Option(help="Go on where the last list ended.")] = None,
) -> Given:
    """List outgoing documents, newest first."""
    return {"state": state, "q": query, "limit": limit, "cursor": cursor}


async def show(call: Invocation, document: Which) -> None:
    """Show one document: every recipient, its state, since when, who said so and what they wrote."""

    async with at_agency(call) as seat, seat.node.store.read(seat.scope) as work:
        found = await documents.find_outgoing(work, document)
        deliveries = await work.deliveries.of(found.id)
        facts = {each.id: await work.facts.of(each.id) for each in deliveries}
        stuck = await work.jobs.error_of(found.id)
    if call.output is OutputFormat.TABLE and not call.quiet:
        output.lines(documents.outgoing(call, found, deliveries, facts, stuck, seat.node.clock.now()))
        return
    record = documents.outgoing_record(call, found, deliveries) | {"stuck": stuck}
    for told, delivery in zip(record["recipients"], deliveries, strict=False):
        told["facts"] = [documents.fact_record(each) for each in facts[delivery.id]]
    output.record(call, record)


async def events(call: Invocation, document: Which) -> None:
    """The timeline of one document: everything that happened to it, oldest first."""
    async with at_agency(call) as seat, seat.node.store.read(seat.scope) as work:
        found = await documents.find_outgoing(work, document)
        told = await work.events.of(found.id)
    output.rows(
        call,
        [documents.event_record(each) for each in told],
        output.columns("at", "event=kind", "detail", dim=("detail",)),
        [{"detail": documents.event_detail(each)} for each in told],
    )


async def _meant(seat: Seat, text: str) -> tuple[str, Mapping[str, str]]:
    async with seat.node.store.read(seat.scope) as work:
        found = await documents.find_outgoing(work, text)
    return found.id, {"document": _name(found)}


async def _draft(seat: Seat, text: str) -> tuple[str, Mapping[str, str]]:
    """With whom it would go to."""
    async with seat.node.store.read(seat.scope) as work:
        found = await documents.find_outgoing(work, text)
    to = ", ".join(each.code or each.name or "" for each in found.draft.recipients) or "-"
    return found.id, {"document": _name(found), "to": to}


def _done(call: Invocation, answer: Message) -> None:
    if call.output is OutputFormat.TABLE:
        output.lines([answer.id])
        call.say("cli.done")
    else:
        output.record(call, output.fields(answer, "id kind state"))


@does("sendDraft", place="document", find=_draft, ask="cli.ask.send_draft", tell=_done)
def send_draft(document: Which, confirm: send.Confirm = None) -> Given:
    """Send a draft that was kept; it is checked anew, and every broken rule is told at once (exit 4)."""
    return {"confirm": confirm}


@does("resendMessage", place="document", find=_meant, ask="cli.ask.resend", tell=_done)
def resend(document: Which, to: ToCodes = None) -> Given:
    """Send the same bytes again, to the recipients named or to all whose sending failed."""
    return {"recipients": to}


@does("cancelMessage", place="document", find=_meant, ask="cli.ask.cancel", tell=_done)
def cancel(document: Which) -> Given:
    """Stop a document that has not left yet. What has left is recalled instead."""
    return {}


@does("recallMessage", place="document", find=_meant, ask="cli.ask.recall", tell=_done)
def recall(
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
) -> Given:
    """Ask every recipient to cancel the document. Nothing changes there before they answer."""
    form = "take_back" if take_back else "notice"
    said = {"reason": reason, "approved_by": approved_by, "notice_no": notice_no}
    return {**said, "form": form, "recipients": to}


async def seal(
    call: Invocation, document: Which, why: Annotated[str, typer.Option(help="Why; it is recorded.")]
) -> None:
    """Lock a document that may be a secret: nothing of it leaves any more, and its content is sealed apart."""
    from gateway.cli import hold
    from gateway.outgoing import files as sealing

    async with _found(call, document) as (seat, found):
        call.ask("cli.ask.seal", document=_name(found))
        held = await sealing.seal_document(seat.node.out, seat.node.hold, seat.scope, found.id, why)
        hold.tell(call, held)


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

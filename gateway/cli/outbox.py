"""`gateway outbox`: outgoing documents, the state of each recipient, and the sender's corrections. In: an id or a number.
Out: lists, one document with its recipients, its timeline; or one action, done by the use cases of `outgoing`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from gateway.api import message_view
from gateway.cli import documents, hold, output, send
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
from gateway.domain.document import DocumentChange, Kind, OutState
from gateway.domain.states import STATES
from gateway.domain.wall_clock import day_text
from gateway.outgoing import files as sealing
from gateway.outgoing import intake

if TYPE_CHECKING:
    from gateway.api.message_view import Message

Which = Annotated[str, argument("Id (msg_…), number/symbol, or your external id.")]
ToCodes = Annotated[list[str] | None, option("Only to these recipients.", "--to")]
Reason = Annotated[str, option("Reason; the recipients read it.")]

_COLUMNS = output.columns("id kind:kind number date subject to state created", dim="id")


verb = noun("outbox").verb


def _cells(call: Invocation, row: Message) -> dict[str, str]:
    first, *more = [r.code for r in row.recipients] or [""]
    return {
        "number": documents.join_number(row.number, row.symbol),
        "date": day_text(row.date),
        "to": f"{first} +{len(more)}" if more else first,
        "state": f"{documents.sign(row.state)} {call.word(f'state.{row.state}', code='')}".rstrip(),
        "created": output.clock(row.created_at),
    }


@verb("--state rejected --state failed", "--query 'du toan' -o ndjson")
async def list_(
    call: Invocation,
    context: StoreContext,
    state: States = None,
    query: Annotated[str | None, option("Number, symbol or words of the subject, accents or not.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """List outgoing documents, newest first."""
    states, today = documents.check_states(state or [], [*STATES, *OutState]), context.today()
    async with context.node.store.read(context.scope) as work:
        page = await work.outgoing.page(limit=limit, cursor=cursor, states=states, query=query)
        views = await message_view.load_messages(work, page.items, call.lang.value, today)
    cells = [_cells(call, view) for view in views]
    output.page(call, [documents.as_json(view) for view in views], _COLUMNS, page.next_cursor, cells)


@verb("1523/STC-VP", "msg_01J… -o json")
async def show(call: Invocation, context: StoreContext, document: Which) -> None:
    """Show one document: for every recipient its state, since when, who reported it and their text."""
    async with context.node.store.read(context.scope) as work:
        outgoing = await documents.find_outgoing(work, document)
        deliveries = await work.deliveries.of_document(outgoing.id)
        facts = {d.id: await work.facts.of_subject(d.id) for d in deliveries}
        stuck = await work.jobs.error_of(outgoing.id)
        (view,) = await message_view.load_messages(work, [outgoing], call.lang.value, context.today())
    if call.output is OutputFormat.TABLE and not call.quiet:
        output.lines(
            documents.outgoing_lines(call, outgoing, deliveries, facts, stuck, context.node.clock.now())
        )
        return
    record = documents.as_json(view) | {"stuck": stuck}
    for recipient, delivery in zip(record["recipients"], deliveries, strict=False):
        recipient["facts"] = [documents.fact_record(f) for f in facts[delivery.id]]
    output.record(call, record)


@verb("1523/STC-VP", "msg_01J… -o ndjson")
async def events(call: Invocation, context: StoreContext, document: Which) -> None:
    """Show the timeline of one document: everything that happened to it, oldest first."""
    async with context.node.store.read(context.scope) as work:
        outgoing = await documents.find_outgoing(work, document)
        rows = await work.events.of_subject(outgoing.id)
    output.rows(
        call,
        [documents.event_record(e) for e in rows],
        output.columns("at event=kind detail", dim="detail"),
        [{"detail": documents.event_detail(e)} for e in rows],
    )


def _print_done(call: Invocation, answer: Message) -> None:
    if call.output is OutputFormat.TABLE:
        output.lines([answer.id])
        call.say("cli.done")
    else:
        output.record(call, output.fields(answer, "id kind state"))


@verb("msg_01J…", "1523/STC-VP --yes", name="send", writes=True)
@makes_call("sendDraft", find=documents.find_outgoing_for, ask="cli.ask.send_draft", tell=_print_done)
def send_draft(document: Which, confirm: send.Confirm = None) -> Fields:
    """Send a stored draft; it is checked again, and all broken rules are reported at once (exit 4)."""
    return {"confirm": confirm}


@verb("1523/STC-VP", "1523/STC-VP --to Z91.07 --yes", writes=True)
@makes_call("resendMessage", find=documents.find_outgoing_for, ask="cli.ask.resend", tell=_print_done)
def resend(document: Which, to: ToCodes = None) -> Fields:
    """Send the same bytes again, to the named recipients or to all to whom sending failed."""
    return {"recipients": to}


@verb("1523/STC-VP", "msg_01J… --yes", writes=True)
@makes_call("cancelMessage", find=documents.find_outgoing_for, ask="cli.ask.cancel", tell=_print_done)
def cancel(document: Which) -> Fields:
    """Stop a document that has not left yet. Recall a document that has left."""
    return {}


@verb(
    '1523/STC-VP --reason "Wrong figures" --approved-by "A Leader" --notice-no 12/TB',
    'msg_01J… --take-back --reason "Wrong addressee" --to Z91.07 --yes',
    writes=True,
)
@makes_call("recallMessage", find=documents.find_outgoing_for, ask="cli.ask.recall", tell=_print_done)
def recall(
    document: Which,
    reason: Reason,
    approved_by: Annotated[str | None, option("The leader who approved it (needed for a notice).")] = None,
    notice_no: Annotated[str | None, option("Number of the recall notice (needed for a notice).")] = None,
    take_back: Annotated[bool, option("Send the bare status 13 instead.", "--take-back")] = False,
    to: ToCodes = None,
) -> Fields:
    """Ask every recipient to cancel the document. Nothing changes there before they answer."""
    form = "take_back" if take_back else "notice"
    texts = {"reason": reason, "approved_by": approved_by, "notice_no": notice_no}
    return {**texts, "form": form, "recipients": to}


@verb(
    '1523/STC-VP letter.pdf --meta new.json --reason "Appendix corrected"',
    'msg_01J… letter.pdf --meta new.json --reason "Appendix corrected" --dry-run',
    writes=True,
)
async def update(
    call: Invocation,
    context: CommandContext,
    document: Which,
    files: send.Files,
    meta: send.Meta,
    reason: Reason,
) -> None:
    """Send an update of the document (packet type 2); each recipient agrees or refuses."""
    await _change(call, context, document, Kind.UPDATE, meta, reason, files)


@verb(
    '1523/STC-VP new.pdf --meta new.json --reason "Wrong content"',
    'msg_01J… new.pdf --meta new.json --reason "Wrong content" --dry-run',
    writes=True,
)
async def replace(
    call: Invocation,
    context: CommandContext,
    document: Which,
    files: send.Files,
    meta: send.Meta,
    reason: Reason,
) -> None:
    """Send another document in its place (packet type 3), with a number and date of its own."""
    await _change(call, context, document, Kind.REPLACEMENT, meta, reason, files)


async def _change(
    call: Invocation,
    context: CommandContext,
    text: str,
    kind: Kind,
    meta: Path | None,
    reason: str,
    files: list[Path],
) -> None:
    message = send.read_message(meta, {})
    outgoing = await documents.find_outgoing_for(context, text)
    replaces = ((outgoing.document_id, ()),) if kind is Kind.REPLACEMENT else ()
    target = outgoing.document_id if kind is Kind.UPDATE else None
    order = intake.Order(
        draft=message.to_draft(),
        kind=kind,
        parent_id=outgoing.id,
        change=DocumentChange(reason=reason, target=target, replaces=replaces),
        confirm=tuple(message.confirm),
    )
    name = documents.name_of(outgoing)
    if not call.dry_run and not call.agrees(f"cli.ask.{kind}", document=name, reason=reason):
        return
    accepted = await send.hand_in(call, context, order, files, [])
    if accepted is not None:
        await send.show_accepted(call, context, accepted)


@verb("1523/STC-VP --why 'Sent by mistake'", "msg_01J… --why 'Sent by mistake' --yes", writes=True)
async def seal(call: Invocation, context: CommandContext, document: Which, why: Why) -> None:
    """Lock a document that may be a secret: nothing of it leaves any more, and its content is sealed."""
    outgoing = await documents.find_outgoing_for(context, document)
    call.ask("cli.ask.seal", document=documents.name_of(outgoing))
    hold_row = await sealing.seal_document(
        context.node.out, context.node.hold, context.scope, outgoing.id, why
    )
    hold.print_begun(call, hold_row)

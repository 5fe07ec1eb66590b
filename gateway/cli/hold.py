"""`gateway hold`: documents under seal because they may be secret. In: the id of a hold, the deciding person, and to lift
one the head's private key, which stays in that person's file. Out: the held documents, drafts of the notices, and the
executed decision. A hold begins by `gateway inbox seal` and `gateway outbox seal`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli import documents, output, people
from gateway.cli.command import (
    Cursor,
    Invocation,
    Limit,
    OutputFormat,
    States,
    Why,
    argument,
    existing,
    noun,
    option,
)
from gateway.cli.node import CommandContext, StoreContext, at_agency
from gateway.cli.people import As
from gateway.domain.hold import HeldKind, Hold, HoldState
from gateway.errors import Clash, StoreFailure

Id = Annotated[str, argument("Id of the hold, from: gateway hold list")]
_COLUMNS = output.columns("id state:hold document=document_id from since=begun_at", dim="id")
_NOTICES = ("operator", "sender", "recipients")
_SHORTEST = 12


verb = noun("hold").verb


@verb("", "--state sealed -o json")
async def list_(
    call: Invocation,
    context: StoreContext,
    state: States = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """List documents that are or were under seal, newest first, without their content."""
    states = [HoldState(s) for s in documents.check_states(state or [], [*HoldState])]
    async with context.node.store.read(context.scope) as work:
        page = await work.holds.page(limit=limit, cursor=cursor, states=states)
    output.rows(
        call,
        [hold_record(h) for h in page.items],
        _COLUMNS,
        extra={"next_cursor": page.next_cursor, "has_more": page.next_cursor is not None},
    )


@verb("hld_01J…")
async def show(call: Invocation, context: StoreContext, hold: Id) -> None:
    """Show one incident: the held document, since when and why it is held, and the decision."""
    async with context.node.store.read(context.scope) as work:
        hold_row = await work.holds.get(hold)
    output.record(call, hold_record(hold_row))


def hold_record(hold: Hold) -> dict[str, Any]:
    """Return a hold for programs: digests and decision, no content."""
    return output.fields(
        hold,
        "id state kind subject=subject_id document_id from=sender_code why begun_at begun_by sealed_for=recipient"
        " settled=is_settled handed_over others",
        contents=[output.fields(c, "sha256=digest size sealed_sha256=sealed") for c in hold.contents],
        decision=asdict(hold.decision) if hold.decision else None,
    )


def print_begun(call: Invocation, hold: Hold) -> None:
    """Print a hold that has just begun, and what to do next."""
    output.record(call, hold_record(hold))
    call.say("cli.hold.begun" if hold.state is HoldState.SEALED else "cli.hold.unsealed", hold=hold.id)
    if hold.handed_over:
        call.say("cli.hold.handed_over")
    if hold.others:
        call.say("cli.hold.others", count=hold.others)


@verb("hld_01J… --to operator", "hld_01J… --to sender -o json")
async def notice(
    call: Invocation,
    hold: Id,
    to: Annotated[str, option("operator, sender or recipients.")],
) -> None:
    """Write the draft of a notice; a person reads it, signs it and sends it through another channel."""
    if to not in _NOTICES:
        raise typer.BadParameter(
            f"{to!r} is not a recipient of notices; expected one of {', '.join(_NOTICES)}"
        )
    async with at_agency(call.settings(), call.agency) as context:
        async with context.node.store.read(context.scope) as work:
            hold_row = await work.holds.get(hold)
        text = _draft_notice(call, context, hold_row, to)
    if call.output is OutputFormat.TABLE:
        output.lines(text.splitlines())
    else:
        output.record(call, {"id": hold_row.id, "to": to, "text": text})


def _draft_notice(call: Invocation, context: CommandContext, hold: Hold, to: str) -> str:
    return call.word(
        f"hold.notice.{to}",
        day=output.clock(hold.begun_at),
        agency=context.agency.name,
        node=context.node.settings.node.name,
        document=output.plain(hold.document_id or hold.subject_id),
        sender=hold.sender_code or context.agency.code,
        hold=hold.id,
        digests="\n".join(f"- {d}" for d in hold.digests),
    )


@verb("hld_01J… --as 'A. Head' --key head.key --why 'Not a secret'", writes=True)
async def lift(
    call: Invocation,
    hold: Id,
    as_: As,
    key: Annotated[Path, existing("The head's private key.")],
    why: Why,
) -> None:
    """Give a document back, byte for byte: it was no secret. Needs the role `head` and the head's private key."""
    from gateway import holding
    from gateway.incoming import seal as incoming
    from gateway.outgoing import files
    from gateway.trust.hold_seal import KeyUnsealer
    from gateway.trust.sealed_files import MOST_WORK

    async with at_agency(call.settings(), call.agency) as context:
        call.ask("cli.ask.lift", hold=hold)
        node = context.node
        decision = holding.make_decision(node.hold, await people.sign_in(call, node, as_), why)
        async with node.store.read(context.scope) as work:
            hold_row = await work.holds.get(hold)
        opener = None
        if hold_row.state is HoldState.SEALED:
            passphrase = people.ask_hidden(call, "cli.hold.passphrase")
            opener = KeyUnsealer.from_file(key.read_bytes(), passphrase.encode(), MOST_WORK)
        if hold_row.kind is HeldKind.OUTGOING:
            lifted = await files.lift_seal(node.out, node.hold, context.scope, hold, decision, opener)
        else:
            lifted = await incoming.lift(node.inn, node.hold, context.scope, hold, decision, opener)
        output.record(call, hold_record(lifted))


@verb("hld_01J… --as 'A. Head' --why 'Decision 12/QD'", ask="cli.ask.purge")
async def purge(call: Invocation, context: CommandContext, hold: Id, as_: As, why: Why) -> None:
    """Remove the content permanently; digests, header and the decision stay. Needs the role `head`."""
    from gateway import holding

    person = await people.sign_in(call, context.node, as_)
    decision = holding.make_decision(context.node.hold, person, why)
    purged = await holding.purge(context.node.hold, context.scope, hold, decision)
    output.record(call, hold_record(purged))


@verb("head.key head.pub", "/media/head/head.key head.pub")
def key(
    call: Invocation,
    private: Annotated[Path, argument("New file for the private half; it belongs to the head alone.")],
    public: Annotated[Path, argument("New file for the public half: `seal.recipient`.")],
) -> None:
    """Make the head's pair of keys. Do it on another machine: the private half must never be on the node."""
    from gateway.atomic_files import write_file
    from gateway.trust.hold_seal import RecipientSealer, new_pair

    for path in (private, public):
        if path.exists():
            raise Clash(f"{path} exists; nothing is overwritten, name another file")
    passphrase = people.ask_hidden(call, "cli.hold.new_passphrase")
    if len(passphrase) < _SHORTEST or passphrase != people.ask_hidden(call, "cli.hold.again"):
        raise typer.BadParameter(call.word("cli.hold.bad_passphrase", least=_SHORTEST))
    made_private, made_public = new_pair(passphrase.encode())
    try:
        write_file(private, made_private, 0o600)
        public.write_bytes(made_public)
    except OSError as error:
        raise StoreFailure(f"{error.filename or private} could not be written: {error.strerror}") from error
    output.record(call, {"id": RecipientSealer.from_file(public).fingerprint, "public": str(public)})
    call.say("cli.hold.key_made", public=public)

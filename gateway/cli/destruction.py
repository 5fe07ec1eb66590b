"""`gateway destruction`: documents whose retention has ended are proposed for destruction (R102). In: a day, classes or
documents, a reason, the deciding person's name. Out: the documents that would go and the obstacles of others, then the
act; acts with their lines; a signed list. The council's record, approval and confirmation are recorded at the pages."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any

from gateway.cli import output, people
from gateway.cli.command import Cursor, Invocation, Limit, Why, argument, noun, option
from gateway.cli.node import CommandContext, StoreContext
from gateway.cli.people import As
from gateway.cli.typed_times import day
from gateway.domain.destruction import Destruction, DestructionItem, DestructionRule

_COLUMNS = output.columns("id state:books.destruction.state since=at count=documents decision", dim="id")
_ITEMS = output.columns(
    "document state:books.destruction.item subject=title until basis reason=obstacle", bold="document"
)
_MOST_LINES = 50
Id = Annotated[str, argument("Id of the act, from: gateway destruction list")]

verb = noun("destruction").verb


@verb("", "-o json")
async def list_(call: Invocation, context: StoreContext, limit: Limit = 50, cursor: Cursor = None) -> None:
    """List acts of destruction, newest first."""
    from gateway.store.destruction import open_destructions

    async with context.node.store.read(context.scope) as work:
        page = await open_destructions(work).page(limit=limit, cursor=cursor)
    following = {"next_cursor": page.next_cursor, "has_more": page.next_cursor is not None}
    output.rows(call, [_record(act) for act in page.items], _COLUMNS, extra=following)


@verb("des_01J…", "des_01J… --limit 500 -o json")
async def show(call: Invocation, context: StoreContext, act: Id, limit: Limit = _MOST_LINES) -> None:
    """Show an act with its first lines."""
    from gateway.store.destruction import open_destructions

    async with context.node.store.read(context.scope) as work:
        destructions = open_destructions(work)
        proposed_act, items = await destructions.get(act), await destructions.items(act, limit=limit)
    output.rows(call, [_line(call, item) for item in items], _ITEMS, extra=_record(proposed_act))


@verb(
    "--why 'Retention has ended' --as 'A. Head'",
    "--handed-over --why 'The historical archive has them' --as 'A. Head'",
    "--until 2026-12-31 --class '10 years' --why 'Retention has ended' --as 'A. Head' --yes",
    writes=True,
)
async def propose(
    call: Invocation,
    context: CommandContext,
    why: Why,
    as_: As,
    until: Annotated[str | None, option("Retention ended by this day; default: today.")] = None,
    class_: Annotated[
        list[str] | None, option("Class in the table of retention (repeat for more).", "--class")
    ] = None,
    document: Annotated[list[str] | None, option("Id of a document (repeat for more).")] = None,
    handed_over: Annotated[bool, option("Documents that the historical archive has received.")] = False,
) -> None:
    """List the documents that would be destroyed, with the obstacles of others; then propose the act."""
    from gateway import destruction

    node, scope = context.node, await people.decider(call, context, as_)
    rule = DestructionRule(
        until=date.fromisoformat(day(until)) if until else context.today(),
        classes=tuple(class_ or ()),
        documents=tuple(document or ()),
        handed_over=handed_over,
    )
    plan = await destruction.preview(node.store, node.clock, scope, rule)
    refused = {call.word(f"books.destruction.obstacle.{name}"): n for name, n in plan.refused.items()}
    lines = [_line(call, item) for item in plan.first[:_MOST_LINES]]
    output.rows(call, lines, _ITEMS, extra={"count": plan.count, "refused": refused})
    reasons = "; ".join(f"{name}: {n}" for name, n in refused.items())
    call.ask("cli.ask.destruction", count=plan.count, refused=reasons or "–")
    output.record(call, _record(await destruction.propose(node.store, node.clock, scope, rule, why)))


@verb("des_01J… --why 'A complaint is open' --as 'A. Head'", ask="cli.ask.destruction_stop")
async def stop(call: Invocation, context: CommandContext, act: Id, why: Why, as_: As) -> None:
    """Stop an act that has not begun."""
    from gateway import destruction

    scope = await people.decider(call, context, as_)
    output.record(
        call, _record(await destruction.stop(context.node.store, context.node.clock, scope, act, why))
    )


@verb("des_01J… --to danh-muc.jsonl")
async def export(
    call: Invocation,
    context: CommandContext,
    act: Id,
    to: Annotated[Path, option("File to write; an existing one is replaced.")],
) -> None:
    """Write an act's list with all digests, signed by the node's key of evidence packs."""
    from gateway.atomic_files import new_file
    from gateway.ops.evidence.make import EvidenceMaker

    with new_file(to.absolute()) as file:
        exported = await EvidenceMaker(context.node).write_destroyed(context.scope, act, file)
    output.record(call, {"path": str(to), **_record(exported)}, id_key="path")


def _record(act: Destruction) -> dict[str, Any]:
    documents = act.counts.get("destroyed") or act.counts.get("due", 0)
    return output.fields(act, "id state at reason by decision began_at ended_at") | {
        "until": act.rule.until.isoformat(),
        "classes": list(act.rule.classes),
        "documents": documents,
        "council": f"{act.council.number}: {act.council.members}" if act.council else "",
        "approved_by": act.approval.by if act.approval else "",
        "confirmed_by": act.confirmed.by if act.confirmed else "",
        "stopped": act.stopped.why if act.stopped else "",
        "counts": dict(act.counts),
    }


def _line(call: Invocation, item: DestructionItem) -> dict[str, Any]:
    obstacle = call.word(f"books.destruction.obstacle.{item.obstacle}") if item.obstacle else ""
    return output.fields(item, "id=document_id document=document_id state title basis") | {
        "until": item.ended_on.isoformat() if item.ended_on else "",
        "obstacle": obstacle,
        "digests": list(item.digests),
    }

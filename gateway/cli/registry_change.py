"""`gateway registry change`: dated changes of the organisation. In: a change as JSON or as options, a person. Out:
what it would do, sentence by sentence; the proposal; the registry changed once a second person approved; or all of it
undone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output, people
from gateway.cli import registry_change_form as form
from gateway.cli.command import Invocation, OutputFormat, noun
from gateway.cli.node import operator
from gateway.cli.output import REFUSED
from gateway.cli.people import As, ForApprover, Kept, Proposer
from gateway.deciding import approvals, registry_changes
from gateway.domain.person import Proposal, ProposalState
from gateway.domain.registry_reform import ReformRecord
from gateway.errors import NotFound

if TYPE_CHECKING:
    from gateway.bootstrap.ground import Ground

_COLUMNS = output.columns(
    "id reform=kind:reform.kind effective=effective_on codes decision state:reform.state report_due",
)
_LEGACY = output.columns("code heir effective=since decision")
NOBODY: Mapping[str, str] = MappingProxyType({})
Id = Annotated[str, typer.Argument(help="Id of the change, from: gateway registry change list")]
Limit = Annotated[int, typer.Option(min=1, max=1000)]


_change = noun("registry").noun(
    "change", "Dated changes of the organisation: planned, approved by two people, undone."
)
verb = _change.verb


@verb(
    "merge --from Z91.01 --to Z91.03 --decision 12/QD-UBND --decided 2026-11-01 --issuer 'Z91'"
    " --effective 2027-01-01",
    "--file merger.json --with-units --propose --as 'A. Clerk'",
    writes=True,
)
async def plan(
    call: Invocation,
    ground: Ground,
    kind: Annotated[
        str | None,
        typer.Argument(help="rename, recode, merge, consolidate, split, dissolve, move or create."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="The change as JSON; - reads standard input.", dir_okay=False)
    ] = None,
    from_: Annotated[list[str] | None, typer.Option("--from", help="A code that changes or ends.")] = None,
    to: Annotated[
        list[str] | None,
        typer.Option(help="A successor: its code; a new one as CODE=NAME, or CODE=NAME@PARENT."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The new name, of a rename.")] = None,
    parent: Annotated[str | None, typer.Option(help="The new parent, of a move.")] = None,
    decision: Annotated[str, typer.Option(help="Number of the deciding document.")] = "",
    decided: Annotated[str | None, typer.Option(help="Its date.")] = None,
    issuer: Annotated[str, typer.Option(help="Who issued it.")] = "",
    effective: Annotated[str | None, typer.Option(help="The first day of the new state.")] = None,
    mail_to: Annotated[
        str | None, typer.Option(help="Of a split: who takes mail to the old code; or 'triage'.")
    ] = None,
    queued: Annotated[
        str, typer.Option(help="Our mail that still waits for an ended code: redirect, hold or return.")
    ] = "hold",
    with_units: Annotated[
        bool,
        typer.Option(
            "--with-units",
            help="Also move the units directly below what ends under who takes over, in one decision.",
        ),
    ] = False,
    details: Annotated[
        bool, typer.Option("--details", help="Print every sentence and every code, however many.")
    ] = False,
    propose: Annotated[bool, typer.Option("--propose", help="Propose it to a second person.")] = False,
    as_: Proposer = None,
    reason: ForApprover = "",
) -> None:
    """Show what a change would do and what stands against it; with --propose hand it to a second person."""
    if propose and not as_:
        raise typer.BadParameter("--propose needs --as NAME")
    if file is not None:
        stated = form.read_json(file)
    else:
        stated = form.stated(
            kind=kind,
            sources=from_ or [],
            targets=to or [],
            name=name,
            parent=parent,
            decision={"number": decision, "issued_on": decided, "issuer": issuer},
            effective=effective,
            mail_to=mail_to,
            queued=queued,
        )
    wanted = form.reform_of(stated)
    if with_units:
        wanted = await registry_changes.reform_with_units(ground.deciding, wanted)
    planned = await registry_changes.plan_reform(ground.deciding, wanted)
    if not propose or planned.conflicts or call.output is OutputFormat.TABLE:
        form.print_plan(call, planned, details=details)
    if planned.conflicts:
        raise typer.Exit(REFUSED)
    if not propose:
        call.say("cli.reform.planned")
        return
    call.ask("cli.ask.reform_propose")
    who = await people.signed_in(call, ground, as_ or "")
    made = await registry_changes.propose_reform(ground.deciding, who, planned, reason)
    output.record(call, output.fields(made, "id digest expires_at"))
    call.say("cli.reform.next", id=made.id)


@verb("prp_01")
async def show(call: Invocation, ground: Ground, id: Id) -> None:
    """Show a change: what it does, who approved it, and whether it can be undone. One that waits is planned anew."""
    proposal = await _proposal(ground, id, "show")
    if proposal.state is not ProposalState.APPROVED:
        form.print_plan(
            call, await registry_changes.plan_reform(ground.deciding, proposal.content.reforms[0])
        )
        return
    record = await registry_changes.get_reform(ground.deciding, id)
    async with ground.deciding.decisions.read() as view:
        against = await registry_changes.against_undoing_reform(view, id, ground.clock.now())
        names = await view.people.names(record.people)
    undo = [form.remark_sentence(call, each) for each in against]
    output.record(call, _shown(ground, record, names) | {"undo": undo})


def _shown(ground: Ground, record: ReformRecord, names: Mapping[str, str] = NOBODY) -> dict[str, Any]:
    return form.record_shown(record, output.today(ground.clock.now()), names)


async def _proposal(ground: Ground, id: str, act: str) -> Proposal:
    async with ground.deciding.decisions.read() as view:
        found = await view.proposals.get(id)
    if not found.content.reforms:
        raise NotFound(f"the proposal {id} changes no agency", hint=f"try: gateway proposals {act} {id}")
    return found


@verb("prp_01 --as 'A. Leader'", "prp_01 --as 'A. Leader' --yes -o json", writes=True)
async def approve(call: Invocation, ground: Ground, id: Id, as_: As) -> None:
    """Approve what another person proposed: type the number of the decision, as it stands on the document."""
    proposal = await _proposal(ground, id, "approve")
    if call.output is OutputFormat.TABLE:
        form.print_plan(
            call, await registry_changes.plan_reform(ground.deciding, proposal.content.reforms[0])
        )
    call.ask("cli.ask.reform_approve", id=id)
    who = await people.signed_in(call, ground, as_)
    typed = [people.seen(call, "cli.reform.number")]
    await approvals.approve(ground.deciding, who, id, typed, proposal.digest)
    record = await registry_changes.get_reform(ground.deciding, id)
    output.record(call, _shown(ground, record))
    call.say("cli.reform.in_force", id=id, on=output.day(record.reform.effective_on))


@verb(
    "prp_01 --as 'A. Clerk' --reason 'Wrong day'",
    "prp_01 --as 'A. Clerk' --reason 'Wrong code' --yes",
    ask="cli.ask.reform_undo",
)
async def undo(call: Invocation, ground: Ground, id: Id, as_: As, reason: Kept) -> None:
    """Undo a change as a whole, within seven days and unless something was built on it."""
    who = await people.signed_in(call, ground, as_)
    record = await registry_changes.undo_reform(ground.deciding, who, id, reason)
    output.record(call, _shown(ground, record))


@verb("", "--code Z91.01 -o json")
async def list_(
    call: Invocation,
    ground: Ground,
    code: Annotated[str | None, typer.Option(help="Only those that touch or name this code.")] = None,
    limit: Limit = 50,
) -> None:
    """List approved changes, latest to take effect first, with the day by which each must be reported."""
    found = await registry_changes.list_reforms(ground.deciding, limit, code and code.strip().upper())
    rows = [_shown(ground, each) for each in found]
    cells = [
        {
            "codes": form.codes_on_a_line(each.reform),
            "decision": each.reform.decision.number,
            "report_due": output.day(row["report_by"]) or "–",
        }
        for each, row in zip(found, rows, strict=True)
    ]
    output.rows(call, rows, _COLUMNS, cells)


@verb("prp_01 --how 7/SNV", "prp_01 --how 7/SNV --yes -o json", writes=True)
async def report(
    call: Invocation,
    ground: Ground,
    id: Id,
    how: Annotated[str, typer.Option(help="Number of the letter that reported it.")],
) -> None:
    """Note that a change was reported to the keeper of the codes; within fifteen days of its effect."""
    record = await registry_changes.report_reform(ground.deciding, (await operator(ground.store)).id, id, how)
    output.record(call, _shown(ground, record))


@verb("", "Z91.01 -o json")
async def legacy(
    call: Invocation,
    ground: Ground,
    code: Annotated[str | None, typer.Argument(help="Only this old code.")] = None,
) -> None:
    """List old codes with who came after, since when, by which decision."""
    found = await ground.directory.legacy(code)
    rows = [
        output.fields(
            each,
            "code heir since decision kind change takes_mail",
            decision=each.decision.number,
            change=each.reform_id,
            takes_mail=each.is_successor,
        )
        for each in found
    ]
    cells = [
        {"heir": each.heir or "–", "decision": f"{each.decision.number} ({each.decision.issuer})"}
        for each in found
    ]
    output.rows(call, rows, _LEGACY, cells)

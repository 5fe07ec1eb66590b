"""`gateway registry change`: dated changes of the organisation. In: a change as JSON or as options, a person. Out: what it
would do, sentence by sentence, what stands against it and what will be, code by code; the proposal; the registry changed
once a second person approved; or all of it undone. What is typed becomes a `Reform` in the registry's own writing,
refused by field where it cannot be read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output, people
from gateway.cli.command import Invocation, OutputFormat, noun
from gateway.cli.node import operator_id
from gateway.cli.output import REFUSED
from gateway.cli.people import As, ForApprover, Kept, Proposer
from gateway.cli.send import day
from gateway.deciding import approvals, registry_changes
from gateway.domain.person import Proposal, ProposalState
from gateway.domain.registry_change import Life
from gateway.domain.registry_reform import Reform, ReformRecord, ReformState, Remark
from gateway.domain.text import nfc
from gateway.domain.wall_clock import day_text
from gateway.errors import NotFound
from gateway.policy import reform_words
from gateway.policy.reform import ReformPlan
from gateway.words.labels import remark_text

if TYPE_CHECKING:
    from gateway.bootstrap.ground import Ground

_COLUMNS = output.columns(
    "id reform=kind:reform.kind effective=effective_on codes decision state:reform.state report_due",
)
_LEGACY = output.columns("code heir effective=since decision")
NOBODY: Mapping[str, str] = MappingProxyType({})
Id = Annotated[str, typer.Argument(help="Id of the change, from: gateway registry change list")]
Limit = Annotated[int, typer.Option(min=1, max=1000)]
Details = Annotated[
    bool, typer.Option("--details", help="Print every sentence and every code, however many.")
]

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
    details: Details = False,
    propose: Annotated[bool, typer.Option("--propose", help="Propose it to a second person.")] = False,
    as_: Proposer = None,
    reason: ForApprover = "",
) -> None:
    """Show what a change would do and what stands against it; with --propose hand it to a second person."""
    if propose and not as_:
        raise typer.BadParameter("--propose needs --as NAME")
    if file is not None:
        told = read_json(file)
    else:
        told = stated(
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
    wanted = reform_of(told)
    if with_units:
        wanted = await registry_changes.reform_with_units(ground.deciding, wanted)
    await _planned(call, ground, wanted, as_ if propose else None, reason, details=details)


async def _planned(
    call: Invocation, ground: Ground, wanted: Reform, as_: str | None, reason: str, *, details: bool
) -> None:
    """Show what it would do, and propose it as whoever is named."""
    planned = await registry_changes.plan_reform(ground.deciding, wanted)
    if as_ is None or planned.conflicts or call.output is OutputFormat.TABLE:
        print_plan(call, planned, details=details)
    if planned.conflicts:
        raise typer.Exit(REFUSED)
    if as_ is None:
        call.say("cli.reform.planned")
        return
    call.ask("cli.ask.reform_propose")
    who = await people.signed_in(call, ground, as_)
    made = await registry_changes.propose_reform(ground.deciding, who, planned, reason)
    output.record(call, output.fields(made, "id digest expires_at"))
    call.say("cli.reform.next", id=made.id)


@verb("prp_01")
async def show(call: Invocation, ground: Ground, id: Id) -> None:
    """Show a change: what it does, who approved it, and whether it can be undone. One that waits is planned anew."""
    proposal = await _proposal(ground, id, "show")
    if proposal.state is not ProposalState.APPROVED:
        print_plan(call, await registry_changes.plan_reform(ground.deciding, proposal.content.reforms[0]))
        return
    record = await registry_changes.get_reform(ground.deciding, id)
    async with ground.deciding.decisions.read() as view:
        against = await registry_changes.against_undoing_reform(view, id, ground.clock.now())
        names = await view.people.names(record.people)
    undo = [remark_sentence(call, each) for each in against]
    output.record(call, _shown(ground, record, names) | {"undo": undo})


def _shown(ground: Ground, record: ReformRecord, names: Mapping[str, str] = NOBODY) -> dict[str, Any]:
    return record_shown(record, output.today(ground.clock.now()), names)


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
        print_plan(call, await registry_changes.plan_reform(ground.deciding, proposal.content.reforms[0]))
    call.ask("cli.ask.reform_approve", id=id)
    who = await people.signed_in(call, ground, as_)
    typed = [people.seen(call, "cli.reform.number")]
    await approvals.approve(ground.deciding, who, id, typed, proposal.digest)
    record = await registry_changes.get_reform(ground.deciding, id)
    output.record(call, _shown(ground, record))
    call.say("cli.reform.in_force", id=id, on=day_text(record.reform.effective_on))


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
            "codes": codes_on_a_line(each.reform),
            "decision": each.reform.decision.number,
            "report_due": day_text(row["report_by"]) or "–",
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
    record = await registry_changes.report_reform(ground.deciding, await operator_id(ground.store), id, how)
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


TRIAGE = "triage"
_LISTS = 200
MOST_STEPS = 500
_MOST_BYTES = 1_000_000


def stated(
    *,
    kind: str | None,
    sources: Sequence[str],
    targets: Sequence[str],
    name: str | None,
    parent: str | None,
    decision: Mapping[str, str | None],
    effective: str | None,
    mail_to: str | None,
    queued: str,
) -> dict[str, Any]:
    """The options as the JSON of a file would say them."""
    if kind is None or effective is None:
        raise typer.BadParameter("say the kind of change and --effective DATE, or give --file")
    issued = decision["issued_on"]
    return {
        "kind": kind,
        "sources": list(sources),
        "targets": [_target(each) for each in targets],
        "name": name,
        "parent": parent,
        "decision": {**decision, "issued_on": day(issued) if issued else None},
        "effective_on": day(effective),
        "mail_to": None if mail_to == TRIAGE else mail_to,
        "triage": mail_to == TRIAGE,
        "queued": queued,
    }


def read_json(file: Path) -> Any:
    """The JSON of a file."""
    try:
        with file.open("rb") as form:
            raw = form.read(_MOST_BYTES)
        return json.loads(raw)
    except (OSError, ValueError) as cause:
        raise typer.BadParameter(f"{file} is no JSON that can be read: {cause}") from cause


def reform_of(told: Any) -> Reform:
    """What was said, with codes in capitals and names composed. BadParameter names the field that cannot be read."""
    from pydantic import TypeAdapter, ValidationError

    _check_size(told)
    if isinstance(told.get("steps"), list):
        _check_steps(told["steps"])
        whole = {name: told[name] for name in ("decision", "effective_on", "queued") if name in told}
        told = {**told, "kind": "reorganise", "steps": [{**whole, **step} for step in told["steps"]]}
    try:
        wanted: Reform = TypeAdapter(Reform).validate_python({**told, "base": ""})
    except ValidationError as cause:
        first = cause.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(each) for each in first["loc"])
        raise typer.BadParameter(f"{where}: {first['msg']}") from cause
    return replace(_as_written(wanted), steps=tuple(map(_as_written, wanted.steps)))


def _check_steps(steps: list[Any]) -> None:
    if len(steps) > MOST_STEPS:
        raise typer.BadParameter(f"one decision has at most {MOST_STEPS} steps")
    for step in steps:
        _check_size(step)


def _check_size(told: Any) -> None:
    if not isinstance(told, dict) or any(
        isinstance(told.get(part), list) and len(told[part]) > _LISTS for part in ("sources", "targets")
    ):
        raise typer.BadParameter(f"a change is one JSON object, with at most {_LISTS} sources and targets")


def _as_written(wanted: Reform) -> Reform:
    return replace(
        wanted,
        sources=tuple(map(_code, wanted.sources)),
        targets=tuple(
            replace(
                each,
                code=_code(each.code),
                name=each.name and _text(each.name),
                parent=each.parent and _code(each.parent),
                alias=each.alias and _code(each.alias),
            )
            for each in wanted.targets
        ),
        name=wanted.name and _text(wanted.name),
        parent=wanted.parent and _code(wanted.parent),
        mail_to=wanted.mail_to and _code(wanted.mail_to),
        decision=replace(
            wanted.decision, number=_text(wanted.decision.number), issuer=_text(wanted.decision.issuer)
        ),
    )


def record_shown(record: ReformRecord, today: date, names: Mapping[str, str]) -> dict[str, Any]:
    """The record for a program; `state` says also whether its day has come."""
    reform = record.reform
    state = "upcoming" if today < reform.effective_on else "in_force"
    is_undone = record.state is ReformState.UNDONE
    owes = not is_undone and record.reported_at is None
    return {
        "id": record.id,
        "kind": reform.kind,
        "state": "undone" if is_undone else state,
        "effective_on": reform.effective_on,
        "sources": list(reform.sources),
        "targets": [each.code for each in reform.targets],
        "name": reform.name,
        "parent": reform.parent,
        "mail_to": TRIAGE if reform.triage else reform.successor,
        "queued": str(reform.queued),
        "decision": output.fields(reform.decision, "number issued_on issuer"),
        "proposed_by": names.get(record.proposed_by, record.proposed_by),
        "approved_by": names.get(record.approved_by, record.approved_by),
        "approved_at": record.approved_at.isoformat(),
        "undone_at": record.undone_at and record.undone_at.isoformat(),
        "undone_why": record.undone_why,
        "reported_how": record.reported_how,
        "report_by": reform_words.report_due_on(reform) if owes else None,
        **({"steps": [_step(each) for each in reform.steps]} if reform.steps else {}),
    }


def _step(step: Reform) -> dict[str, Any]:
    return {
        "kind": str(step.kind),
        "sources": list(step.sources),
        "targets": [each.code for each in step.targets],
        "name": step.name,
        "parent": step.parent,
        "mail_to": step.successor,
    }


def life_shown(of: Life | None) -> dict[str, Any] | None:
    """One code, before or after."""
    if of is None:
        return None
    record = of.record
    return {
        "code": record.code,
        "name": record.name,
        "parent": record.parent,
        "valid_from": record.valid_from and record.valid_from.isoformat(),
        "valid_to": record.valid_to and record.valid_to.isoformat(),
        "successor": record.successor,
        "source": str(of.source),
        "former": [
            {"until": each.until.isoformat(), "name": each.name, "parent": each.parent} for each in of.former
        ],
    }


def _target(text: str) -> dict[str, str | None]:
    """`CODE`, `CODE=NAME` or `CODE=NAME@PARENT`."""
    code, _, rest = text.partition("=")
    name, _, parent = rest.rpartition("@") if "@" in rest else (rest, "", "")
    return {"code": code, "name": name or None, "parent": parent or None}


def _code(text: str) -> str:
    return text.strip().upper()


def _text(text: str) -> str:
    return nfc(text.strip())


_SHOWN = 100  # sentences of each sort, and codes, that are printed unasked
_NAMED = 5


def remark_sentence(call: Invocation, remark: Remark) -> str:
    return remark_text(remark.key, remark.params, call.lang)


def print_plan(call: Invocation, planned: ReformPlan, *, details: bool = False) -> None:
    parts: dict[str, Sequence[Remark]] = {
        "conflicts": planned.conflicts,
        "warnings": planned.warnings,
        "sentences": planned.sentences,
    }
    if call.output is not OutputFormat.TABLE:
        told: dict[str, Any] = {
            name: [{"key": each.key, "text": remark_sentence(call, each), **each.params} for each in remarks]
            for name, remarks in parts.items()
        }
        told["rows"] = [
            {
                "code": code,
                "before": life_shown(planned.before[code]),
                "after": life_shown(life),
            }
            for code, life in planned.after.items()
        ]
        output.document(told)
        return
    marks = {"conflicts": "✗", "warnings": "!", "sentences": "·"}
    lines: list[str] = []
    left = 0
    for name, remarks in parts.items():
        said = remarks if details else remarks[:_SHOWN]
        left += len(remarks) - len(said)
        lines += [f"{marks[name]} {remark_sentence(call, each)}" for each in said]
    lines += _changed(planned) if details or len(planned.after) <= _SHOWN else []
    output.lines(output.plain(line) for line in lines)
    if not details and (left or len(planned.after) > _SHOWN):
        call.say("cli.more_details", count=left + max(len(planned.after) - _SHOWN, 0))


def _changed(planned: ReformPlan) -> list[str]:
    """Code by code, each field that changes."""
    lines = []
    for code, life in planned.after.items():
        lines.append(f"{'~' if planned.before[code] else '+'} {code}  {life.record.name}")
        was = life_shown(planned.before[code]) or {}
        now = life_shown(life) or {}
        lines += [
            f"    {field}: {was.get(field) or '∅'} → {value or '∅'}"
            for field, value in now.items()
            if field not in ("code", "former") and was.get(field) != value
        ]
    return lines


def codes_on_a_line(reform: Reform) -> str:
    """Of many steps what ends and what takes over, so far as a line holds it."""
    gone = reform.sources or reform.ended
    heirs = [target.code for target in reform.targets] or list(reform.heirs)
    first = " ".join(gone[:_NAMED]) + (" …" if len(gone) > _NAMED else "")
    return f"{first} → {' '.join(heirs[:_NAMED]) or '–'}"

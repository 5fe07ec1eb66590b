"""`gateway registry change`: dated changes of the organisation. In: a change as JSON, a table of codes, a person. Out: its
effects, sentence by sentence, conflicts, and the result, code by code; the proposal; the registry changed once a second
person approved; or all of it undone. Input becomes a `Reform` in the registry's own spelling; unreadable input is refused
by field."""

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
from gateway.cli.command import Invocation, OutputFormat, argument, noun, option
from gateway.cli.node import operator_id
from gateway.cli.output import REFUSED
from gateway.cli.people import As, ForApprover, KeptReason, Proposer
from gateway.cli.registry import read_table
from gateway.deciding import approvals, registry_changes
from gateway.domain.person import Proposal, ProposalState
from gateway.domain.registry_change import Life
from gateway.domain.registry_reform import Reform, ReformRecord, ReformState, Remark
from gateway.domain.text import nfc
from gateway.domain.wall_clock import day_text
from gateway.errors import NotFound
from gateway.policy import recode_file, reform_words
from gateway.policy.reform import MOST_STEPS, ReformPlan, split_recodes
from gateway.words.labels import remark_text

if TYPE_CHECKING:
    from gateway.bootstrap.core import NodeCore
    from gateway.bootstrap.stored import OpenRegistry

_COLUMNS = output.columns(
    "id reform=kind:reform.kind effective=effective_on codes decision state:reform.state report_due",
)
_LEGACY = output.columns("code heir effective=since decision")
NOBODY: Mapping[str, str] = MappingProxyType({})
Id = Annotated[str, argument("Id of the change, from: gateway registry change list")]
Limit = Annotated[int, typer.Option(min=1, max=1000)]
CodeTable = Annotated[
    Path | None,
    option(
        "A table (CSV or XLSX) of many codes: columns old, new, and where they change, parent and name.",
        dir_okay=False,
        exists=True,
    ),
]
WithUnits = Annotated[
    bool,
    option(
        "Also move the units directly below the ending agency under its successor, in one decision.",
        "--with-units",
    ),
]
Details = Annotated[bool, option("Print every sentence and every code.", "--details")]

_change = noun("registry").noun(
    "change", "Dated changes of the organisation: planned, approved by two people, undone."
)
verb = _change.verb
TRIAGE = "triage"
_LISTS = 200
_MOST_BYTES = 4_000_000
_MOST_LINES = 100  # sentences of each sort, and codes, that are printed without --details
_MOST_CODES = 5


@verb(
    "--file merger.json --with-units --propose --as 'A. Clerk'",
    "--file decision.json --codes communes.csv",
    writes=True,
)
async def plan(
    call: Invocation,
    core: NodeCore,
    file: Annotated[Path, option("The change as JSON; - reads standard input.", dir_okay=False)],
    codes: CodeTable = None,
    with_units: WithUnits = False,
    details: Details = False,
    propose: Annotated[bool, option("Propose it to a second person.", "--propose")] = False,
    as_: Proposer = None,
    reason: ForApprover = "",
) -> None:
    """Show the effects of a change and the obstacles to it; with --propose hand it to a second person."""
    if propose and not as_:
        raise typer.BadParameter("--propose needs --as NAME")
    reform = parse_reform(read_json(file))
    if codes is not None:
        pairs = recode_file.read_pairs(read_table(call, codes))
        reform = await registry_changes.reform_with_codes(core.deciding, reform, pairs)
    if with_units:
        reform = await registry_changes.reform_with_units(core.deciding, reform)
    await _plan_and_propose(call, core, reform, as_ if propose else None, reason, details=details)


async def _plan_and_propose(
    call: Invocation, core: NodeCore, reform: Reform, as_: str | None, reason: str, *, details: bool
) -> None:
    """Show the plan, and propose it where a person is named."""
    reform_plan = await registry_changes.plan_reform(core.deciding, reform)
    if as_ is None or reform_plan.conflicts or call.output is OutputFormat.TABLE:
        print_plan(call, reform_plan, details=details)
    if reform_plan.conflicts:
        raise typer.Exit(REFUSED)
    if as_ is None:
        call.say("cli.reform.planned")
        return
    call.ask("cli.ask.reform_propose")
    person = await people.sign_in(call, core, as_)
    proposal = await registry_changes.propose_reform(core.deciding, person, reform_plan, reason)
    output.record(call, output.fields(proposal, "id digest expires_at"))
    call.say("cli.reform.next", id=proposal.id)


@verb("prp_01")
async def show(call: Invocation, core: NodeCore, id: Id) -> None:
    """Show a change: its effects, its approver, and whether it can be undone. A waiting one is planned again."""
    proposal = await _proposal(core, id, "show")
    if proposal.state is not ProposalState.APPROVED:
        print_plan(call, await registry_changes.plan_reform(core.deciding, proposal.content.reforms[0]))
        return
    record = await registry_changes.get_reform(core.deciding, id)
    async with core.deciding.decisions.read() as view:
        obstacles = await registry_changes.against_undoing_reform(view, id, core.clock.now())
        names = await view.people.names(record.people)
    undo = [remark_sentence(call, r) for r in obstacles]
    output.record(call, _reform_record(core, record, names) | {"undo": undo})


def _reform_record(core: NodeCore, record: ReformRecord, names: Mapping[str, str] = NOBODY) -> dict[str, Any]:
    return reform_record_json(record, output.today(core.clock.now()), names)


async def _proposal(core: NodeCore, id: str, act: str) -> Proposal:
    async with core.deciding.decisions.read() as view:
        proposal = await view.proposals.get(id)
    if not proposal.content.reforms:
        raise NotFound(f"the proposal {id} changes no agency", hint=f"try: gateway proposals {act} {id}")
    return proposal


@verb("prp_01 --as 'A. Leader'", "prp_01 --as 'A. Leader' --yes -o json", writes=True)
async def approve(call: Invocation, core: NodeCore, id: Id, as_: As) -> None:
    """Approve another person's proposal: type the number of the decision from the document itself."""
    proposal = await _proposal(core, id, "approve")
    if call.output is OutputFormat.TABLE:
        print_plan(call, await registry_changes.plan_reform(core.deciding, proposal.content.reforms[0]))
    call.ask("cli.ask.reform_approve", id=id)
    person = await people.sign_in(call, core, as_)
    answers = [people.ask(call, "cli.reform.number")]
    await approvals.approve(core.deciding, person, id, answers, proposal.digest)
    record = await registry_changes.get_reform(core.deciding, id)
    output.record(call, _reform_record(core, record))
    call.say("cli.reform.in_force", id=id, on=day_text(record.reform.effective_on))


@verb(
    "prp_01 --as 'A. Clerk' --reason 'Wrong day'",
    "prp_01 --as 'A. Clerk' --reason 'Wrong code' --yes",
    ask="cli.ask.reform_undo",
)
async def undo(call: Invocation, core: NodeCore, id: Id, as_: As, reason: KeptReason) -> None:
    """Undo a change as a whole, within seven days and unless later changes depend on it."""
    person = await people.sign_in(call, core, as_)
    record = await registry_changes.undo_reform(core.deciding, person, id, reason)
    output.record(call, _reform_record(core, record))


@verb("", "--code Z91.01 -o json")
async def list_(
    call: Invocation,
    core: NodeCore,
    code: Annotated[str | None, option("Only those that touch or name this code.")] = None,
    limit: Limit = 50,
) -> None:
    """List approved changes, the latest effective day first, with the last day on which each may be reported."""
    records = await registry_changes.list_reforms(core.deciding, limit, code and code.strip().upper())
    rows = [_reform_record(core, r) for r in records]
    cells = [
        {
            "codes": codes_on_a_line(record.reform),
            "decision": record.reform.decision.number,
            "report_due": day_text(row["report_by"]) or "–",
        }
        for record, row in zip(records, rows, strict=True)
    ]
    output.rows(call, rows, _COLUMNS, cells)


@verb("prp_01 --how 7/SNV", "prp_01 --how 7/SNV --yes -o json", writes=True, local=True)
async def report(
    call: Invocation,
    core: NodeCore,
    id: Id,
    how: Annotated[str, option("Number of the letter that reported it.")],
) -> None:
    """Record that a change was reported to the keeper of the codes, within fifteen days of its effect."""
    record = await registry_changes.report_reform(core.deciding, await operator_id(core.store), id, how)
    output.record(call, _reform_record(core, record))


@verb("", "Z91.01 -o json", local=True)
async def legacy(
    call: Invocation,
    core: OpenRegistry,
    code: Annotated[str | None, argument("Only this old code.")] = None,
) -> None:
    """List old codes with their successors, the day and the decision."""
    heirs = await core.directory.legacy(code)
    names = "code heir since decision=decision.number kind change=reform_id takes_mail=is_successor"
    rows = [output.fields(heir, names) for heir in heirs]
    cells = [{"heir": h.heir or "–", "decision": f"{h.decision.number} ({h.decision.issuer})"} for h in heirs]
    output.rows(call, rows, _LEGACY, cells)


def read_json(file: Path) -> Any:
    """Read the JSON of a file."""
    try:
        with file.open("rb") as form:
            raw = form.read(_MOST_BYTES)
        return json.loads(raw)
    except (OSError, ValueError) as cause:
        raise typer.BadParameter(f"{file} is no JSON that can be read: {cause}") from cause


def parse_reform(change: Any) -> Reform:
    """Make the reform, with upper-case codes and composed names. BadParameter names the unreadable field."""
    from pydantic import TypeAdapter, ValidationError

    _check_size(change)
    if isinstance(change.get("steps"), list):
        _check_steps(change["steps"])
        common = {name: change[name] for name in ("decision", "effective_on", "queued") if name in change}
        change = {**change, "kind": "reorganise", "steps": [{**common, **step} for step in change["steps"]]}
    try:
        reform: Reform = TypeAdapter(Reform).validate_python({**change, "base": ""})
    except ValidationError as cause:
        first = cause.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(p) for p in first["loc"])
        raise typer.BadParameter(f"{field}: {first['msg']}") from cause
    return split_recodes(replace(_normalise(reform), steps=tuple(map(_normalise, reform.steps))))


def _check_steps(steps: list[Any]) -> None:
    if len(steps) > MOST_STEPS:
        raise typer.BadParameter(f"one decision has at most {MOST_STEPS} steps")
    for step in steps:
        _check_size(step)


def _check_size(change_json: Any) -> None:
    if not isinstance(change_json, dict) or any(
        isinstance(change_json.get(part), list) and len(change_json[part]) > _LISTS
        for part in ("sources", "targets")
    ):
        raise typer.BadParameter(f"a change is one JSON object, with at most {_LISTS} sources and targets")


def _normalise(reform: Reform) -> Reform:
    return replace(
        reform,
        sources=tuple(map(_code, reform.sources)),
        targets=tuple(
            replace(
                t,
                code=_code(t.code),
                name=t.name and _text(t.name),
                parent=t.parent and _code(t.parent),
                alias=t.alias and _code(t.alias),
            )
            for t in reform.targets
        ),
        name=reform.name and _text(reform.name),
        parent=reform.parent and _code(reform.parent),
        mail_to=reform.mail_to and _code(reform.mail_to),
        decision=replace(
            reform.decision, number=_text(reform.decision.number), issuer=_text(reform.decision.issuer)
        ),
    )


def reform_record_json(record: ReformRecord, today: date, names: Mapping[str, str]) -> dict[str, Any]:
    """Return the record for programs; `state` also tells whether its day has come."""
    reform = record.reform
    state = "upcoming" if today < reform.effective_on else "in_force"
    is_undone = record.state is ReformState.UNDONE
    owes = not is_undone and record.reported_at is None
    return {
        "id": record.id,
        "kind": reform.kind,
        "state": "undone" if is_undone else state,
        "effective_on": reform.effective_on,
        **_step(reform),
        "mail_to": TRIAGE if reform.triage else reform.successor,
        "queued": reform.queued,
        "decision": output.fields(reform.decision, "number issued_on issuer"),
        "proposed_by": names.get(record.proposed_by, record.proposed_by),
        "approved_by": names.get(record.approved_by, record.approved_by),
        "approved_at": record.approved_at,
        "undone_at": record.undone_at,
        "undone_why": record.undone_why,
        "reported_how": record.reported_how,
        "report_by": reform_words.report_due_on(reform) if owes else None,
        **({"steps": [_step(s) for s in reform.steps]} if reform.steps else {}),
    }


def _step(step: Reform) -> dict[str, Any]:
    targets = [target.code for target in step.targets]
    return output.fields(step, "kind sources targets name parent mail_to=successor", targets=targets)


def life_json(life: Life | None) -> dict[str, Any] | None:
    """Return one code, before or after the change."""
    if life is None:
        return None
    former = [output.fields(f, "until name parent") for f in life.former]
    names = "code name parent valid_from valid_to successor"
    return output.fields(life.record, names, source=life.source, former=former)


def _code(text: str) -> str:
    return text.strip().upper()


def _text(text: str) -> str:
    return nfc(text.strip())


def remark_sentence(call: Invocation, remark: Remark) -> str:
    return remark_text(remark.key, remark.params, call.lang)


def print_plan(call: Invocation, planned: ReformPlan, *, details: bool = False) -> None:
    parts: dict[str, Sequence[Remark]] = {
        "conflicts": planned.conflicts,
        "warnings": planned.warnings,
        "sentences": planned.sentences,
    }
    if call.output is not OutputFormat.TABLE:
        plan_json: dict[str, Any] = {
            name: [{"key": r.key, "text": remark_sentence(call, r), **r.params} for r in remarks]
            for name, remarks in parts.items()
        }
        plan_json["rows"] = [
            {
                "code": code,
                "before": life_json(planned.lives_before[code]),
                "after": life_json(life),
            }
            for code, life in planned.lives_after.items()
        ]
        output.document(plan_json)
        return
    marks = {"conflicts": "✗", "warnings": "!", "sentences": "·"}
    lines: list[str] = []
    hidden = 0
    for name, remarks in parts.items():
        printed = remarks if details else remarks[:_MOST_LINES]
        hidden += len(remarks) - len(printed)
        lines += [f"{marks[name]} {remark_sentence(call, r)}" for r in printed]
    lines += _changed_lines(planned) if details or len(planned.lives_after) <= _MOST_LINES else []
    output.lines(output.plain(line) for line in lines)
    if not details and (hidden or len(planned.lives_after) > _MOST_LINES):
        call.say("cli.more_details", count=hidden + max(len(planned.lives_after) - _MOST_LINES, 0))


def _changed_lines(planned: ReformPlan) -> list[str]:
    """List each changed field, code by code."""
    lines = []
    for code, life in planned.lives_after.items():
        lines.append(f"{'~' if planned.lives_before[code] else '+'} {code}  {life.record.name}")
        old_life = life_json(planned.lives_before[code]) or {}
        new_life = life_json(life) or {}
        lines += [
            f"    {field}: {old_life.get(field) or '∅'} → {new_text or '∅'}"
            for field, new_text in new_life.items()
            if field not in ("code", "former") and old_life.get(field) != new_text
        ]
    return lines


def codes_on_a_line(reform: Reform) -> str:
    """Return ended codes and their heirs, as many as a line holds."""
    ended = reform.sources or reform.ended
    heirs = [target.code for target in reform.targets] or list(reform.heirs)
    first = " ".join(ended[:_MOST_CODES]) + (" …" if len(ended) > _MOST_CODES else "")
    return f"{first} → {' '.join(heirs[:_MOST_CODES]) or '–'}"

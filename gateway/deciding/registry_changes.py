"""Changes of the registry by two people: reforms of the organisation of agencies, and imports of codes from a file. In: a
reform as a person states it, or the file. Out: a plan, a proposal, or the registry changed whole with its event in one
transaction; or the conflicts. One person proposes a change of known agencies, another approves it; for seven days one
person may undo a whole change, because that only restores the earlier state. The rules are in `policy.reform` and
`policy.reform_words`; the duty to report a reform is recorded here too."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING

from gateway.deciding import DecisionServices, proposals
from gateway.domain.event import EventKind
from gateway.domain.person import ImportChange, Proposal, ProposalContent, SignedIn
from gateway.domain.registry_change import ImportRecord, Life, Plan, RegistryView
from gateway.domain.registry_reform import Reform, ReformRecord, ReformState, Remark
from gateway.domain.wall_clock import local
from gateway.errors import Clash
from gateway.policy import reform as reform_rules
from gateway.policy import reform_words
from gateway.policy.reform import BuiltOn, ReformPlan
from gateway.policy.reform_words import sentences
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.policy.recode_file import CodePair
    from gateway.registry.decisions import SqlDecision

CONFLICT, MOVED, FAST = "REG-CONFLICT", "REG-MOVED", "REG-BUILT-ON"
MOST_OWED = 1000
LARGEST_FILE_KEPT = 4 * 1024 * 1024
LONGEST_NUMBER = 100
_AT_ONCE = 500


async def plan_reform(services: DecisionServices, reform: Reform) -> ReformPlan:
    """Plan the reform on the present registry; nothing is written."""
    async with services.decisions.read() as view:
        return await _planned_reform(view, reform, _today(services))


async def reform_with_units(services: DecisionServices, reform: Reform) -> Reform:
    """Return the reform with further steps that move units directly below an ending agency to its successor."""
    async with services.decisions.read() as view:
        return reform_rules.add_unit_moves(reform, (await view.reforms.load_context(reform)).below)


async def reform_with_codes(services: DecisionServices, reform: Reform, pairs: Sequence[CodePair]) -> Reform:
    """Return the reform with further steps, for pairs of old and new codes."""
    from gateway.policy import recode_file

    async with services.decisions.read() as view:
        existing = await view.reforms.existing(sorted({pair.new for pair in pairs}))
    stated = reform.flat if reform.codes else ()
    steps = [*stated, *recode_file.make_steps(pairs, existing, reform)]
    if not steps:
        raise Clash("every code of the table stays as it is", code=CONFLICT)
    return reform_rules.join_steps(steps)


async def get_reform(services: DecisionServices, id: str) -> ReformRecord:
    async with services.decisions.read() as view:
        return await view.reforms.get(id)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReform:
    """Approved reform with its effects, in sentences and per code, and the reasons why it cannot be undone."""

    record: ReformRecord
    sentences: Sequence[Remark]
    lives_before: Mapping[str, Life | None]
    lives_after: Mapping[str, Life | None]
    against_undo: Sequence[Remark]


async def kept_reform(services: DecisionServices, id: str) -> KeptReform:
    """Load an approved reform with its effects as written then; waiting documents are not counted again."""
    async with services.decisions.read() as view:
        approved = await view.reforms.get(id)
        lives_before, lives_after = await view.reforms.lives_of(id)
        nearby = (await view.reforms.load_context(approved.reform)).lives
        against = await against_undoing_reform(view, id, services.clock.now())
    was = {code: life for code, life in nearby.items() if code not in lives_before}
    was |= {code: life for code, life in lives_before.items() if life is not None}
    lives_written = {code: life for code, life in lives_after.items() if life is not None}
    remarks = sentences(approved.reform, RegistryView(lives=was), lives_written)
    return KeptReform(
        record=approved,
        sentences=tuple(remarks),
        lives_before=lives_before,
        lives_after=lives_after,
        against_undo=against,
    )


async def list_reforms(
    services: DecisionServices, limit: int, code: str | None = None
) -> Sequence[ReformRecord]:
    """List reforms, latest to take effect first; with a code, only those that change or name it."""
    async with services.decisions.read() as view:
        return await view.reforms.listed(limit, code)


async def propose_reform(
    services: DecisionServices, actor: SignedIn, planned: ReformPlan, reason: str = ""
) -> Proposal:
    """Propose the planned reform to a second person. Raises Clash with every conflict."""
    _refuse(planned.conflicts)
    return await proposals.propose(services, actor, ProposalContent(reforms=(planned.ready,)), reason)


async def put_reform_in_force(
    work: SqlDecision, proposal: Proposal, reform: Reform, by: str, now: datetime
) -> None:
    """Apply the reform in the approving unit of work. It is planned again; the registry must not have changed."""
    await work.reforms.lock_registry()
    planned = await _planned_reform(work, reform, local(now).date())
    _refuse(planned.conflicts)
    if (moved := reform_rules.check_base(reform, planned)) is not None:
        raise Clash(in_english((moved,)), code=MOVED, hint="plan and propose it again")
    approved = ReformRecord(
        id=proposal.id,
        reform=reform,
        state=ReformState.APPROVED,
        proposed_by=proposal.proposed_by,
        approved_by=by,
        approved_at=now,
    )
    await work.reforms.apply(approved, planned.lives_before, planned.lives_after)
    await work.events.append(EventKind.REFORM_APPROVED, proposal.id, now, _reform_facts(approved))


async def undo_reform(services: DecisionServices, actor: SignedIn, id: str, reason: str) -> ReformRecord:
    """Restore the registry as it was before the reform. One person may, because that is only the earlier state. Raises
    Clash after seven days, or where later changes build on it."""
    now = services.clock.now()
    async with services.decisions.changing(actor.person.id) as work:
        await proposals.must_trust(work, actor, "undoes a change of the registry")
        await work.reforms.lock_registry()
        _refuse(await against_undoing_reform(work, id, now), FAST)
        await work.reforms.undo(id, actor.person.id, now, reason)
        undone = await work.reforms.get(id)
        facts = {**_reform_facts(undone), "reason": reason}
        await work.events.append(EventKind.REFORM_UNDONE, id, now, facts)
    return undone


async def against_undoing_reform(work: SqlDecision, id: str, now: datetime) -> Sequence[Remark]:
    """Return the reasons why the reform cannot be undone; empty when it can."""
    approved, leaning = await work.reforms.get(id), await work.reforms.leaning_on(id)
    lives_before, lives_after = await work.reforms.lives_of(id)
    begun = [code for code, life in lives_before.items() if life is None]
    built = BuiltOn(
        reforms=leaning.reforms,
        rows=leaning.rows,
        certificates=leaning.certificates,
        documents=(await work.waits.count_use(begun)).exchanged if begun else (),
    )
    lives_written = {code: life for code, life in lives_after.items() if life is not None}
    return reform_rules.undo_obstacles(
        approved, lives_before, lives_written, RegistryView(lives=leaning.lives), built, now
    )


async def report_reform(services: DecisionServices, by: str, id: str, how: str) -> ReformRecord:
    """Record the duty of R80 (report of reforms) as done; `how` names the letter of the report."""
    now = services.clock.now()
    async with services.decisions.changing(by) as work:
        await work.reforms.report(id, by, now, how)
        await work.events.append(EventKind.REFORM_REPORTED, id, now, {"how": how})
    return await get_reform(services, id)


async def duties(services: DecisionServices) -> Sequence[reform_words.ReportDuty]:
    """List every report that is owed today, by its due day."""
    today = _today(services)
    async with services.decisions.read() as view:
        return reform_words.report_duties(await view.reforms.unreported(today, MOST_OWED), today)


def in_english(remarks: Sequence[Remark]) -> str:
    """Return remarks as English text for an error message; screens and the command line use both languages."""
    return "; ".join(labels.remark_text(remark.key, remark.params, "en") for remark in remarks)


async def _planned_reform(view: SqlDecision, reform: Reform, today: date) -> ReformPlan:
    nearby = await view.reforms.load_context(reform)
    waiting = await view.waits.count_use(reform.ended)
    registry = replace(
        nearby, queued=waiting.queued, open_documents=waiting.open_documents, hosted=waiting.hosted
    )
    return reform_rules.plan_reform(reform, registry, today)


def _refuse(remarks: Sequence[Remark], code: str = CONFLICT) -> None:
    if remarks:
        raise Clash(in_english(remarks), code=code)


def _reform_facts(approved: ReformRecord) -> dict[str, object]:
    reform = approved.reform
    return {
        **_of_step(reform),
        **({"steps": [_of_step(step) for step in reform.steps]} if reform.steps else {}),
        "effective_on": reform.effective_on.isoformat(),
        "decision": {name: str(value) for name, value in asdict(reform.decision).items()},
    }


def _of_step(reform: Reform) -> dict[str, object]:
    return {
        "kind": str(reform.kind),
        "sources": list(reform.sources),
        "targets": [target.code for target in reform.targets],
    }


def _today(services: DecisionServices) -> date:
    return local(services.clock.now()).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptImport:
    """Applied import with its lines before and after, and the reasons why it cannot be undone."""

    record: ImportRecord
    lines: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]]
    begun: Sequence[str]
    against_undo: Sequence[Remark]


async def propose_import(
    services: DecisionServices,
    actor: SignedIn,
    plan: Plan,
    file: bytes,
    name: str,
    number: str,
    reason: str = "",
) -> Proposal:
    """Propose the planned import of this file. Raises Clash for a file with problems or without changes."""
    if plan.problems or not plan.rows:
        raise Clash("the file has problems, or changes nothing", code=CONFLICT)
    if not number.strip():
        raise Clash("name the document that decided it", code=CONFLICT)
    packed = await services.pool.run(lambda: base64.b64encode(zlib.compress(file, 9)).decode())
    if len(packed) > LARGEST_FILE_KEPT:
        raise Clash("the file is too large for one proposal; split it", code=CONFLICT)
    change = ImportChange(
        name=name[:200],
        number=number.strip()[:LONGEST_NUMBER],
        content=packed,
        effect=plan.effect,
        **_counts(plan),
    )
    return await proposals.propose(services, actor, ProposalContent(imports=(change,)), reason)


async def plan_import(services: DecisionServices, change: ImportChange) -> Plan:
    """Plan the proposed file on the present registry."""
    async with services.decisions.read() as view:
        return await view.imports.plan(change.file, _today(services))


async def put_import_in_force(
    services: DecisionServices, work: SqlDecision, proposal: Proposal, change: ImportChange, by: str
) -> None:
    """Apply the import in the approving unit of work. It is planned again, and must have the proposed effect."""
    now = services.clock.now()
    await work.imports.lock_registry()
    plan = await work.imports.plan(change.file, local(now).date())
    if plan.problems or plan.effect != change.effect:
        raise Clash(
            "the registry changed since, and the file would do something else now: import it again",
            code=MOVED,
        )
    await work.imports.apply(plan, proposal.id, by, now)
    facts = {
        "source": plan.source_digest,
        **_counts(plan),
        "number": change.number,
        "proposal": proposal.id,
        "digest": proposal.digest,
        "proposed_by": proposal.proposed_by,
    }
    await work.events.append(EventKind.CODES_IMPORTED, proposal.id, now, facts)


def _counts(plan: Plan) -> dict[str, int]:
    return {"added": len(plan.added), "changed": len(plan.changed), "closed": len(plan.closed)}


async def kept_import(services: DecisionServices, id: str) -> KeptImport:
    async with services.decisions.read() as view:
        imported = await view.imports.get(id)
        built = await view.imports.built_on(id)
        against = await _against_undoing_import(view, imported, services)
        lines = await view.imports.lines(id)
        return KeptImport(record=imported, lines=lines, begun=built.begun, against_undo=against)


async def undo_import(services: DecisionServices, actor: SignedIn, id: str, reason: str) -> ImportRecord:
    """Restore the registry as it was before the import, in one transaction. Raises Clash after seven days, or where later
    changes build on it."""
    now = services.clock.now()
    async with services.decisions.changing(actor.person.id) as work:
        await proposals.must_trust(work, actor, "undoes an import of codes")
        await work.imports.lock_registry()
        undone = await work.imports.get(id)
        if against := await _against_undoing_import(work, undone, services):
            raise Clash(in_english(against), code=FAST)
        await work.imports.undo(id, actor.person.id, now)
        facts = {"source": undone.source_digest, "reason": reason}
        await work.events.append(EventKind.CODES_UNDONE, id, now, facts)
    return undone


async def _against_undoing_import(
    view: SqlDecision, imported: ImportRecord, services: DecisionServices
) -> Sequence[Remark]:
    built = await view.imports.built_on(imported.id)
    exchanged: list[str] = []
    for start in range(0, len(built.begun), _AT_ONCE):
        exchanged += (await view.waits.count_use(built.begun[start : start + _AT_ONCE])).exchanged
    return reform_rules.import_undo_obstacles(imported, built, exchanged, services.clock.now())

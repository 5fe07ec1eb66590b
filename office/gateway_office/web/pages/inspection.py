"""The inspector's pages, which read and change nothing: all rules with their articles and state, beside them the sealed
log, its witnesses, the differences of packets and states, and the findings; one rule with its last instances; the dossier.
In: the state of rules to list, a rule's number, or the form of the file. Out: what `gateway.ops.dossier` reads of the
node."""

from __future__ import annotations

import io
from functools import partial

from aiohttp import web

from gateway.domain.diagnosis import Level, Tag
from gateway.domain.wall_clock import local
from gateway.errors import NotFound
from gateway.ops.dossier import DossierSource, LogExamination, bases_of, make_dossier, state_of
from gateway.ops.dossier_docx import write_docx
from gateway.ops.subject import Subject
from gateway.words import legal
from gateway_office.dossier_pdf import write_pdf
from gateway_office.web import answers, routes
from gateway_office.web.menu import INSPECTS
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.operations.findings import describe_findings
from gateway_office.web.routes import Access

KEY, PATH = "inspection", "/thanh-tra"
_WRITERS = {"docx": write_docx, "pdf": write_pdf}
_SECTIONS = ("log", "witnesses", "losses", "states")
get, *_ = routes.sharing(access=Access.READY, needs=INSPECTS, key=KEY)


async def show_rules(request: PageRequest) -> web.StreamResponse:
    source, chosen = await _source(request), request.ask("muc")
    rules = legal.read().rules.values()
    troubles = [finding for finding in source.findings if finding.level in (Level.RED, Level.YELLOW)]
    return await request.page(
        "inspection/rules.html",
        title=request.say("menu.inspection"),
        rules=[rule for rule in rules if rule.state == chosen] if chosen in legal.STATES else rules,
        bases_of=bases_of,
        state_of=state_of,
        states=legal.STATES,
        chosen=chosen,
        sections=(await make_dossier(source, _SECTIONS)).sections,
        troubles=describe_findings(troubles, request.lang, {}),
    )


async def show_rule(request: PageRequest) -> web.StreamResponse:
    """Show one rule as the dossier has it, with its last instances."""
    rule = legal.read().rules.get(request.path("rule"))
    if rule is None:
        raise NotFound("no rule has that number")
    source = await _source(request)
    source.rules = (rule,)
    facts, instances = (await make_dossier(source, ("rules", "instances"))).sections
    return await request.page(
        "inspection/rule.html",
        title=request.say("inspection.rule", rule=rule.id),
        facts=zip(facts.columns.values(), facts.rows[0], strict=True),
        section=instances,
        has_events=bool(rule.events),
    )


async def send_dossier(request: PageRequest) -> web.StreamResponse:
    kind = request.ask("dang")
    if kind not in _WRITERS:
        raise NotFound("the dossier has no such form")
    dossier, out = await make_dossier(await _source(request)), io.BytesIO()
    await request.deps.pool.run(partial(_WRITERS[kind], dossier, out))
    name = f"ho-so-{dossier.node}-{local(request.deps.clock.now()):%Y%m%d-%H%M}.{kind}"
    return answers.whole_file(name, kind, out.getvalue())


async def _source(request: PageRequest) -> DossierSource:
    """Return the open node with the checks of the last seconds, and the last examination of the log in this process."""
    deps = request.deps
    state = await deps.journal.state()
    exam = None
    if state.checked_at is not None and state.word in ("whole", "broken"):
        exam = LogExamination(at=state.checked_at, lines=state.lines, holds=state.word == "whole")
    return DossierSource(
        subject=Subject.within(deps),
        lang=request.lang,
        findings=await deps.health.list_findings(Tag.DOCTOR),
        examination=exam,
    )


ROUTES = (
    get(PATH, "inspection", show_rules),
    get(f"{PATH}/quy-tac/{{rule}}", "inspection_rule", show_rule),
    get(f"{PATH}/ho-so", "inspection_file", send_dossier),
)

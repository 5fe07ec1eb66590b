"""The wizard for a change of the organisation: kind, agencies, decision, consequences, preview; then a second person. What
was said travels in the address, so every step can be gone back to, and scripts are not needed. Nothing is written before
the proposal."""

from __future__ import annotations

from dataclasses import replace

from aiohttp import web

from gateway.deciding import reform as reforms
from gateway.domain.registry_reform import QueuedMail, Reform, ReformKind
from gateway.errors import Clash, Denied
from gateway.office.domain.right import Right
from gateway.office.web.pages.agencies import signing, stating, telling
from gateway.office.web.pages.agencies.signing import Problems
from gateway.office.web.pages.agencies.stating import MOVE_UNITS, STATED, STEPS, TRIAGE, Stated
from gateway.office.web.routes import Needs, Who, get, post
from gateway.office.web.visit import Visit, where
from gateway.policy.reform import ReformPlan
from gateway.words import labels

NEW = "/co-quan/thay-doi/moi"
CHANGES = (Needs(right=Right.CODES),)
_CONSEQUENCES = ("closed", "mail_", "queued_", "hosted", "certificate")


async def asked(visit: Visit) -> web.StreamResponse:
    """The step that was asked for, or the first one before it that lacks something."""
    stated = stating.read(visit.request.query, visit.deps.out.today())
    if (preset := visit.ask("ma")) and not stated.text("sources"):
        stated = replace(stated, fields={**stated.fields, "sources": preset})
    at = _step(visit.ask("back") or visit.ask("step") or visit.ask("at"))
    problems: Problems = []
    # To go back, or to type one more agency, nothing need be whole yet.
    if at > 3 or "step" in visit.request.query:
        stated, at, problems = await _as_far_as(visit, stated, at)
    if problems or at < 4:
        return await _page(visit, stated, at, problems)
    planned = await reforms.plan(visit.deps.deciding, await _whole(visit, stated, _meant(stated)))
    if at == 5:
        problems = _mail_rule(visit, stated)
        if problems or planned.conflicts:
            return await _page(visit, stated, 4, problems or _conflicts(visit, planned), planned)
    return await _page(visit, stated, at, [], planned)


async def proposed(visit: Visit) -> web.StreamResponse:
    """What the preview showed, in the hands of a second person."""
    form = visit.form
    stated = stating.read(form.flat(), visit.deps.out.today())
    stated, at, problems = await _as_far_as(visit, stated, 5)
    if problems:
        return await _page(visit, stated, at, problems)
    desk = visit.deps.deciding
    planned = await reforms.plan(desk, await _whole(visit, stated, stated.reform()))
    if planned.conflicts or _mail_rule(visit, stated):
        return await _page(visit, stated, 4, _conflicts(visit, planned), planned)
    if form.text("base") != planned.base:
        moved = [("", visit.say("clash.REG-MOVED"))]
        return await _page(visit, stated, 5, moved, planned)
    if missing := signing.missing(visit):
        return await _page(visit, stated, 5, missing, planned)
    try:
        made = await reforms.proposed(desk, await signing.here(visit), planned, form.text("reason"))
    except (Denied, Clash) as why:
        return await _page(visit, stated, 5, signing.refused(visit, why), planned)
    return visit.said(f"/co-quan/de-nghi/{made.id}", "reforms.proposed")


async def _as_far_as(visit: Visit, stated: Stated, wanted: int) -> tuple[Stated, int, Problems]:
    """The step to show, and what is wrong there. Codes are written as the registry writes them once they were typed."""
    for step in range(1, wanted):
        if faults := stated.faults(step):
            return stated, step, [(name, _fault(visit, name, key)) for name, key in faults]
        if step == 2:
            stated, problems = await _as_known(visit, stated)
            if problems:
                return stated, 2, problems
    return stated, wanted, []


async def _as_known(visit: Visit, stated: Stated) -> tuple[Stated, Problems]:
    """Whoever was named by an old code or by name is named by the code of today; nobody is guessed."""
    problems: Problems = []
    codes = []
    for text in stated.sources:
        code, fault = await _known(visit, text)
        codes.append(code)
        problems += [("sources", fault)] if fault else []
    fields = {**stated.fields}
    if codes:
        fields["sources"] = "\n".join(codes)
    singles = ["code_1"] if stated.has_known_target else []
    singles += ["parent"] if stated.kind is ReformKind.MOVE else []
    singles += [f"parent_{n}" for n in range(1, stated.rows + 1)]
    begun = {each.code for each in stated.targets}
    for name in singles:
        text = stated.text(name)
        if not text or (name.startswith("parent_") and text.upper() in begun):
            continue
        fields[name], fault = await _known(visit, text)
        problems += [(name, fault)] if fault else []
    return replace(stated, fields=fields), problems


async def _known(visit: Visit, text: str) -> tuple[str, str]:
    """Its code of today, and what is wrong: nobody is called so."""
    registry = visit.deps.registry
    if (entry := await registry.entry(text)) is not None:
        return entry.code, ""
    found = await registry.resolve(text, visit.deps.out.today())
    if found.entry is not None:
        return found.entry.code, ""
    if found.nearest:
        return text, visit.say("agencies.unknown", code=text, offer=found.nearest)
    return text, visit.say("agencies.unknown_alone", code=text)


async def _page(
    visit: Visit, stated: Stated, at: int, problems: Problems, planned: ReformPlan | None = None
) -> web.StreamResponse:
    return await visit.page(
        "agencies/wizard.html",
        422 if problems else 200,
        title=visit.say("agencies.changes"),
        stated=stated,
        at=at,
        steps=[(n, key, _link(stated, n) if n < at else "") for n, key in enumerate(STEPS, 1)],
        problems=problems,
        hidden=stated.hidden(at),
        kinds=[(each.value, visit.say(f"reform.kind.{each}")) for each in STATED],
        names=await _names(visit, stated) if at > 2 else {},
        action=NEW,
        planned=planned,
        **(_told(visit, stated, planned) if planned is not None else {}),
    )


def _told(visit: Visit, stated: Stated, planned: ReformPlan) -> dict[str, object]:
    """What the plan says, for the steps that have one."""
    reform = _meant(stated)
    asks_units = bool(stated.text("units")) or any(each.key == "units_below" for each in planned.warnings)
    takers = [(each.code, visit.say("reforms.mail.to", code=each.code)) for each in reform.targets]
    waiting = {
        each.params["code"]: each.params["count"]
        for each in planned.sentences
        if each.key.startswith("queued_")
    }
    return {
        "conflicts": [] if not planned.conflicts else telling.said(visit, planned.conflicts),
        "warnings": telling.said(visit, planned.warnings),
        "sentences": telling.said(visit, planned.sentences),
        "consequences": telling.said(
            visit, (each for each in planned.sentences if each.key.startswith(_CONSEQUENCES))
        ),
        "lines": telling.lines(planned.before, planned.after),
        "mail_waiting": [visit.say("reforms.waiting", code=code, count=n) for code, n in waiting.items()],
        "asks_units": asks_units and reform.successor is not None,
        "units": [(each, visit.say(f"reforms.units.{each or 'stay'}")) for each in ("", MOVE_UNITS)],
        "chosen_units": stated.text("units"),
        "asks_queued": bool(reform.ended),
        "asks_mail": reform.kind is ReformKind.SPLIT and bool(reform.ended),
        "queued": [(each.value, visit.say(f"reforms.queued.{each}")) for each in QueuedMail],
        "mail": [("", visit.say("reforms.mail.choose")), *takers, (TRIAGE, visit.say("reforms.mail.triage"))],
        "reform": planned.reform,
        "chosen_queued": str(reform.queued),
        "chosen_mail": stated.text("mail"),
    }


def _meant(stated: Stated) -> Reform:
    """As stated; while nobody has said who takes the mail of a split, a person decides, so that the rest can be judged."""
    reform = stated.reform()
    is_open = reform.kind is ReformKind.SPLIT and bool(reform.ended) and not stated.text("mail")
    return replace(reform, triage=True) if is_open else reform


async def _whole(visit: Visit, stated: Stated, reform: Reform) -> Reform:
    """With the units below what ends as further steps of the decision, where that was chosen."""
    if stated.text("units") != MOVE_UNITS or reform.successor is None:
        return reform
    return await reforms.with_units(visit.deps.deciding, reform)


def _mail_rule(visit: Visit, stated: Stated) -> Problems:
    reform = stated.reform()
    asks = reform.kind is ReformKind.SPLIT and bool(reform.ended)
    if asks and not reform.triage and reform.mail_to is None:
        return [("mail", visit.say("reform.mail_rule"))]
    return []


def _conflicts(visit: Visit, planned: ReformPlan) -> Problems:
    """They stand in full on the page; the box says that there are some."""
    return [("", each) for each in telling.said(visit, planned.conflicts)] or [
        ("mail", visit.say("reform.mail_rule"))
    ]


async def _names(visit: Visit, stated: Stated) -> dict[str, str]:
    names = {}
    for code in (*stated.sources, *(each.code for each in stated.targets)):
        entry = await visit.deps.registry.entry(code)
        names[code] = entry.name if entry is not None else ""
    return names | {each.code: each.name for each in stated.targets if each.name}


def _fault(visit: Visit, name: str, key: str) -> str:
    if key == "day":
        return visit.say("reforms.day.unreadable")
    own, of_target = f"reforms.{name}", f"reforms.target.{name.rpartition('_')[0]}"
    return visit.say("form.missing", field=visit.say(own if labels.has(own) else of_target))


def _link(stated: Stated, step: int) -> str:
    given = {name: value for name, value in stated.fields.items() if value and name != "base"}
    return where(NEW, **given, at=str(step))


def _step(text: str) -> int:
    return int(text) if text in ("1", "2", "3", "4", "5") else 1


ROUTES = (
    get(NEW, "reform_new", asked, who=Who.READY, needs=CHANGES, key="agencies"),
    post(NEW, "reform_propose", proposed, who=Who.READY, needs=CHANGES, key="agencies"),
)

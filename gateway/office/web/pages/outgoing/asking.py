"""Acts that ask something of recipients in the agency's name: the recall of a document, and urging. In: a page that says
what will happen and to whom, and its form with the reason. Out: the act, or what stands against it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial

from aiohttp import web

from gateway.office.letters import urge
from gateway.office.letters.urge import Urging
from gateway.office.web.forms import SHORTEST_REASON
from gateway.office.web.moments import moment
from gateway.office.web.pages.outgoing import acts, moving, recall_step, seen
from gateway.office.web.pages.outgoing.moving import Problems
from gateway.office.web.pages.outgoing.seen import Found
from gateway.office.web.visit import Visit
from gateway.outgoing import recall
from gateway.words import labels

_NOTICE, _TAKE_BACK = "notice", "take_back"
_MOST_LINES = 50


async def recalling(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    if why := acts.no_recall(found):
        return await moving.refused(visit, found, "recall", why)
    if (waits := await recall_step.latest(visit, found)) is not None and waits.is_open:
        return visit.go(found.path + recall_step.PLACE)
    return await _recall_page(visit, found, [each.recipient.code for each in acts.recallable(found)], [])


async def recalled(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    form, codes = visit.form, list(visit.form.all("to"))
    bare = form.text("form") == _TAKE_BACK
    heads = await recall_step.approvers(visit)
    again = partial(_recall_page, visit, found, codes)
    if problems := _missing(visit, codes, bare, by_name=not heads):
        return await again(problems)
    if heads:
        return await recall_step.asked(visit, found, again)
    act = partial(
        recall.recall,
        visit.deps.out,
        visit.scope(),
        found.document.id,
        reason=form.text("reason"),
        approved_by=form.text("approved_by") or None,
        notice_no=form.text("notice_no") or None,
        take_back=bare,
        recipients=codes,
        expect_version=found.document.version,
    )
    told = "outgoing.take_back" if bare else "outgoing.recalled"
    return await moving.taken(visit, found, act, told, again)


def _missing(visit: Visit, codes: Sequence[str], bare: bool, *, by_name: bool) -> Problems:
    form, problems = visit.form, Problems()
    if not codes:
        problems.append(("to", visit.say("outgoing.choose_one")))
    if len(form.text("reason")) < SHORTEST_REASON:
        problems.append(("reason", visit.say("form.reason.short")))
    for name in (*(("approved_by",) if by_name else ()), *(() if bare else ("notice_no",))):
        if not form.text(name):
            problems.append((name, visit.say("form.missing", field=visit.say(f"outgoing.recall.{name}"))))
    return problems


async def _recall_page(
    visit: Visit, found: Found, chosen: Sequence[str], problems: Problems
) -> web.StreamResponse:
    return await moving.form(
        visit,
        found,
        "recall",
        problems,
        chosen=chosen,
        can={each.id for each in acts.recallable(found)},
        heads=await recall_step.approvers(visit),
        forms=[(each, visit.say(f"outgoing.recall.{each}")) for each in (_NOTICE, _TAKE_BACK)],
    )


async def urging(visit: Visit) -> web.StreamResponse:
    return await moving.opened(
        visit,
        "urge",
        lambda found: acts.no_urging(found, visit.deps.clock.now()),
        lambda found: _urge_page(visit, found, visit.ask("noi-nhan"), []),
    )


async def urged(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    form, code = visit.form, visit.form.text("to")
    again = partial(_urge_page, visit, found, code)
    if len(form.text("text")) < SHORTEST_REASON:
        return await again([("text", visit.say("outgoing.urge.empty"))])
    if form.text("how") not in urge.HOWS:
        return await again([("how", visit.say("outgoing.urge.no_how"))])
    act = partial(
        urge.run,
        visit.deps.out,
        visit.scope(),
        code,
        by=visit.person.person.name,
        how=form.text("how"),
        text=form.text("text"),
        every=_every(visit),
    )
    return await moving.taken(visit, found, act, "outgoing.urged", again)


async def _urge_page(visit: Visit, found: Found, code: str, problems: Problems) -> web.StreamResponse:
    """Of one recipient everything that is late; the first one where none is named."""
    late = acts.late(found, visit.deps.clock.now())
    codes = {each.recipient.code: each.recipient.name or each.recipient.code for each in late}
    chosen = code if code in codes else next(iter(codes), "")
    stands = await urge.look(visit.deps.out, visit.scope(), chosen, _every(visit))
    office = await visit.deps.out.directory.find(chosen, visit.deps.out.today())
    return await moving.form(
        visit,
        found,
        "urge",
        problems,
        others=codes,
        stands=stands,
        office=office,
        text=visit.form.text("text") or _ready(visit, stands),
        how=visit.form.text("how") or urge.HOWS[0],
        hows=[(each, visit.say(f"outgoing.urge.how.{each}")) for each in urge.HOWS],
        days=visit.deps.options.urge_days,
    )


def _every(visit: Visit) -> timedelta:
    return timedelta(days=visit.deps.options.urge_days)


def _ready(visit: Visit, stands: Urging) -> str:
    """The text to read out or to send, with every late document of the recipient in it. To another agency: Vietnamese."""
    lines = [
        _say(
            "outgoing.urge.line",
            code=each.code,
            day=_day(each.issued_on),
            sent=moment(each.sent_at),
            due=moment(each.due_at),
        )
        for each in stands.late[:_MOST_LINES]
    ]
    head = _say(
        "outgoing.urge.text",
        agency=visit.here.name,
        recipient=stands.name or stands.code,
        count=len(stands.late),
    )
    return "\n".join(
        (head, *lines, _say("outgoing.urge.end", person=visit.person.person.name, agency=visit.here.name))
    )


def _say(key: str, **told: object) -> str:
    return labels.say(key, "vi", **told)


def _day(on: date | None) -> str:
    return on.strftime("%d/%m/%Y") if on is not None else ""

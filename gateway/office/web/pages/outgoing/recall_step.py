"""The head's approval of a recall as a step on pages: a clerk asks, the head approves or does not, the clerk may take it
back before. In: one document, and what was asked about it. Out: its page, and the acts; where the agency has no head who
could approve here, the form keeps asking for the approving leader's name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from gateway.domain.person import Person
from gateway.errors import Clash, NotFound, Refused
from gateway.office.accounts import heads
from gateway.office.accounts.acting import refused as no_right
from gateway.office.domain.recall_ask import AskState, RecallAsk
from gateway.office.domain.right import Manner, Right
from gateway.office.letters import recall_ask
from gateway.office.letters.recall_ask import Actor, Wanted
from gateway.office.policy import recalling
from gateway.office.policy.recalling import Objection
from gateway.office.web import failing
from gateway.office.web.pages.outgoing import moving, seen
from gateway.office.web.pages.outgoing.seen import HERE, Found
from gateway.office.web.routes import Needs, Route, get, post
from gateway.office.web.visit import Visit
from gateway.words import labels

STEP = "step"
PLACE = "/thu-hoi/de-nghi"
_LONGEST_NAME = 100
_EITHER = (Needs(right=Right.RECALL, manners=(Manner.RECORDED, Manner.APPROVE)),)
_SHOWN = frozenset({AskState.ASKED, AskState.REFUSED})


async def approvers(visit: Visit) -> Sequence[Person]:
    """The heads who would be asked; nobody where the name of who approved is entered instead."""
    if visit.deps.out.profile.recall_approval != STEP:
        return ()
    found = await heads.of(visit.deps.accounts, visit.here.id)
    return [each for each in found if each.id != visit.person.person.id]


async def latest(visit: Visit, found: Found) -> RecallAsk | None:
    """What the document's own page tells of: what waits, or was turned down the last time."""
    known = await recall_ask.of(visit.deps.out, visit.scope(), found.document.id)
    return known[0] if known and known[0].state in _SHOWN and _may_see(visit) else None


async def asked(
    visit: Visit, found: Found, again: Callable[[list[tuple[str, str]]], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """From the form of the recall: the head is asked, and nothing leaves."""
    form = visit.form
    wanted = Wanted(
        document_id=found.document.id,
        reason=form.text("reason"),
        notice_no=form.text("notice_no"),
        recipients=tuple(form.all("to")),
        take_back=form.text("form") == "take_back",
    )
    if sentence := await seen.conflict(visit, found):
        return await moving.conflicted(visit, found, sentence)
    try:
        await recall_ask.ask(visit.deps.out, _actor(visit), wanted, expect_version=found.document.version)
    except Refused as why:
        return await again(moving.reasons(visit, why))
    except Clash as why:
        return await again([("", failing.of_error(why, visit.lang).title)])
    return visit.said(found.path + PLACE, "recalls.asked")


async def shown(visit: Visit) -> web.StreamResponse:
    return await _page(visit, await seen.find(visit), [])


async def approved(visit: Visit) -> web.StreamResponse:
    _must_decide(visit)
    found, ask = await _named(visit)
    name = _name(visit, await _names(visit, [ask]), ask)

    async def act() -> None:
        await recall_ask.approve(visit.deps.out, _actor(visit), ask.id, name=name)

    told = "outgoing.take_back" if ask.take_back else "outgoing.recalled"
    return await _done(visit, found, act, found.path, told)


async def refused(visit: Visit) -> web.StreamResponse:
    _must_decide(visit)
    found, ask = await _named(visit)
    why = visit.form.text("why")
    if len(why) < recall_ask.LEAST_REASON:
        return await _page(visit, found, [("why", visit.say("form.reason.short"))])

    async def act() -> None:
        await recall_ask.refuse(visit.deps.out, _actor(visit), ask.id, why)

    return await _done(visit, found, act, found.path + PLACE, "recalls.refused")


async def withdrawn(visit: Visit) -> web.StreamResponse:
    if not _asks(visit):
        raise no_right(Right.RECALL)
    found, ask = await _named(visit)

    async def act() -> None:
        await recall_ask.withdraw(visit.deps.out, _actor(visit), ask.id)

    return await _done(visit, found, act, found.path, "recalls.withdrawn")


async def _done(
    visit: Visit, found: Found, act: Callable[[], Awaitable[None]], path: str, told: str
) -> web.StreamResponse:
    try:
        await act()
    except Refused as why:
        return await _page(visit, found, moving.reasons(visit, why))
    except Clash as why:
        return await _page(visit, found, [("", failing.of_error(why, visit.lang).title)])
    return visit.said(path, told)


async def _page(visit: Visit, found: Found, problems: list[tuple[str, str]]) -> web.StreamResponse:
    known = await recall_ask.of(visit.deps.out, visit.scope(), found.document.id)
    ask = known[0] if known else None
    names = await _names(visit, known)
    can = _can(visit, ask) if ask is not None else Objection.RIGHT
    by_code = {each.recipient.code: each.recipient.name or each.recipient.code for each in found.deliveries}
    return await visit.page(
        "outgoing/recall_ask.html",
        422 if problems else 200,
        title=visit.say("recalls.title"),
        found=found,
        ask=ask,
        earlier=known[1:],
        names=names,
        to=[(code, by_code.get(code, code)) for code in (ask.recipients if ask else ())],
        may_decide=not isinstance(can, Objection),
        is_own=can is Objection.SELF,
        may_withdraw=ask is not None and ask.is_open and _asks(visit),
        as_name=_name(visit, names, ask) if ask is not None else "",
        heads=", ".join(each.name for each in await heads.of(visit.deps.accounts, visit.here.id)),
        problems=problems,
        given=visit.form.flat(),
    )


async def _named(visit: Visit) -> tuple[Found, RecallAsk]:
    """The asking that the form was made for: another one may wait by now."""
    found = await seen.find(visit)
    known = await recall_ask.of(visit.deps.out, visit.scope(), found.document.id)
    ask = next((each for each in known if each.id == visit.form.text("ask")), None)
    if ask is None:
        raise NotFound("nobody asked for this recall")
    return found, ask


async def _names(visit: Visit, known: Sequence[RecallAsk]) -> dict[str, str]:
    ids = {id for each in known for id in (each.asked_by, each.asked_for, each.decided_by, each.decided_for)}
    me = visit.person
    lent = {each.delegation.from_id for each in me.rights.lent}
    return dict(await seen.names(visit, {id for id in ids | lent if id} | {me.person.id}))


def _name(visit: Visit, names: dict[str, str], ask: RecallAsk) -> str:
    """Who approves, as the notice says it: in Vietnamese, to whoever reads it."""
    person = visit.person.person
    own = ", ".join(each for each in (person.name, person.title) if each)
    granted = _can(visit, ask)
    behalf = None if isinstance(granted, Objection) else granted.on_behalf_of
    if behalf is not None:
        own = labels.say("recalls.behalf", "vi", person=person.name, other=names.get(behalf, behalf))
    return own[:_LONGEST_NAME]


def _can(visit: Visit, ask: RecallAsk) -> Objection | recalling.Granted:
    return recalling.deciding(ask, visit.person.rights, visit.here.id, visit.person.at)


def _asks(visit: Visit) -> bool:
    return recalling.asking(visit.person.rights, visit.here.id, visit.person.at) is not None


def _decides(visit: Visit) -> bool:
    me = visit.person
    return bool(me.rights.grants(Right.RECALL, visit.here.id, me.at, Manner.APPROVE))


def _must_decide(visit: Visit) -> None:
    if not _decides(visit):
        raise no_right(Right.RECALL)


def _may_see(visit: Visit) -> bool:
    return _asks(visit) or _decides(visit)


def _actor(visit: Visit) -> Actor:
    return Actor(scope=visit.scope(), rights=visit.person.rights)


_AT = {"needs": _EITHER, "key": "outgoing"}
ROUTES: tuple[Route, ...] = (
    get(HERE + PLACE, "out_recall_ask", shown, **_AT),
    post(HERE + PLACE + "/phe-duyet", "out_recall_approved", approved, **_AT),
    post(HERE + PLACE + "/khong-phe-duyet", "out_recall_refused", refused, **_AT),
    post(HERE + PLACE + "/rut-lai", "out_recall_withdrawn", withdrawn, **_AT),
)

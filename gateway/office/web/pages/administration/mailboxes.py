"""Mailboxes (R85): the names of desks, for which persons act under their own. In: an administrator. Out: each
mailbox with who acts for it now; a new one, its name suggested after the local rule; a closed one."""

from __future__ import annotations

from aiohttp import web

from gateway.errors import Clash, NotFound
from gateway.office.accounts import mailboxes
from gateway.office.domain.post import PostRole
from gateway.office.policy import login_names
from gateway.office.web.failing import of_error
from gateway.office.web.frame import ADMINISTERS
from gateway.office.web.pages.administration import place
from gateway.office.web.pages.administration.place import HOME, Place
from gateway.office.web.routes import Who, get, post
from gateway.office.web.visit import Visit

_HERE = f"{HOME}/hop-thu"
_ROLES = (PostRole.CLERK, PostRole.AGENCY_ADMIN)


async def listed(visit: Visit) -> web.StreamResponse:
    return await _page(visit, await _place(visit, visit.ask("co-quan")), {}, [])


async def made(visit: Visit) -> web.StreamResponse:
    form, here = visit.form, await _place(visit, visit.form.text("place"))
    role = next((each for each in _ROLES if each == form.text("role")), PostRole.CLERK)
    try:
        await mailboxes.make(visit.deps.accounts, place.by(visit), _id(here), form.text("name"), role)
    except Clash as why:
        return await _page(visit, here, form.flat(), [("name", of_error(why, visit.lang).title)])
    return visit.said(_HERE, "admin.mailbox_made", **{"co-quan": here.key})


async def to_close(visit: Visit) -> web.StreamResponse:
    here, name = await _place(visit, visit.ask("co-quan")), visit.path("name")
    found = await mailboxes.listed(visit.deps.accounts, _id(here))
    one = next(((box, people) for box, people in found if box.name == name and box.closed_at is None), None)
    if one is None:
        raise NotFound("there is no such mailbox")
    return await visit.page(
        "admin/close_mailbox.html",
        title=visit.say("admin.mailbox.close"),
        box=one[0],
        people=one[1],
        here=here,
    )


async def closed(visit: Visit) -> web.StreamResponse:
    here = await _place(visit, visit.form.text("place"))
    await mailboxes.close(visit.deps.accounts, place.by(visit), _id(here), visit.path("name"))
    return visit.said(_HERE, "admin.mailbox_closed", **{"co-quan": here.key})


async def _page(
    visit: Visit, here: Place, values: dict[str, str], problems: list[tuple[str, str]]
) -> web.Response:
    places = await place.open_to(visit, together=False, node=False)
    found = await mailboxes.listed(visit.deps.accounts, _id(here))
    taken = {box.name for box, _ in found}
    return await visit.page(
        "admin/mailboxes.html",
        422 if problems else 200,
        title=visit.say("admin.mailboxes"),
        found=found,
        here=here,
        places=[(each.key, each.name) for each in places],
        roles=[(each.value, visit.say(f"post.{each}")) for each in _ROLES],
        suggested=[each for each in _suggested(visit, here) if each not in taken],
        values=values,
        problems=problems,
    )


def _suggested(visit: Visit, here: Place) -> tuple[str, str]:
    short, options = login_names.short(here.name), visit.deps.options
    return (
        options.clerks_mailbox.replace("{abbr}", short),
        options.admins_mailbox.replace("{abbr}", short),
    )


async def _place(visit: Visit, given: str) -> Place:
    return place.chosen(visit, await place.open_to(visit, together=False, node=False), given)


def _id(here: Place) -> str:
    if not here.agency_id:
        raise NotFound("a mailbox is an agency's")
    return here.agency_id


_AT = {"who": Who.READY, "needs": ADMINISTERS, "key": "administration"}
ROUTES = (
    get(_HERE, "mailboxes", listed, **_AT),
    post(_HERE, "mailbox_made", made, **_AT),
    get(f"{_HERE}/{{name}}/dong", "mailbox_close", to_close, **_AT),
    post(f"{_HERE}/{{name}}/dong", "mailbox_closed", closed, **_AT),
)

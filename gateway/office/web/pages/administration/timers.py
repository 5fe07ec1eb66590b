"""The page of timers: each time limit that the node watches for an agency, its start, end, pause, steps, receivers and
basis, and whether it applies. In: the agency. Out: the table of timers in words; settings that change one have a link."""

from __future__ import annotations

from aiohttp import web

from gateway.bootstrap import guards
from gateway.document_view.timer_texts import list_timers
from gateway.domain.agency_profile import SETTINGS
from gateway.office.web.page_requests import ADMINISTERS, PageRequest
from gateway.office.web.pages.administration import accounts
from gateway.office.web.pages.administration.settings import PATH as SETTINGS_PATH
from gateway.office.web.routes import Access, get

PATH = f"{accounts.HOME}/dong-ho"


async def show_timers(request: PageRequest) -> web.StreamResponse:
    places, place = await accounts.list_agencies(request), await accounts.chosen_agency(request)
    office, settings = await request.deps.todo.office(place.id), request.deps.settings
    digest = (
        ", ".join(f"{at:%H:%M}" for at in office.digest_at) if office.digest_at else settings.mail.digest_at
    )
    return await request.page(
        "admin/timers.html",
        title=request.say("timer.page.title"),
        here=place,
        places=[(agency.key, agency.name) for agency in places],
        timers=list_timers(office, request.lang, guards.timer_lengths(settings)),
        settings_path=SETTINGS_PATH,
        profile_keys=frozenset(SETTINGS),
        hours=", ".join(f"{span.start:%H:%M}–{span.end:%H:%M}" for span in office.spans),
        digest=digest or "–",
        is_own=office.is_own,
        has_mail=bool(settings.mail.host),
    )


ROUTES = (get(PATH, "timers", show_timers, access=Access.READY, needs=ADMINISTERS, key="administration"),)

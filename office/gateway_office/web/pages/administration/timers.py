"""The page of timers: each time limit that the node watches for an agency, its start, end, pause, steps, receivers and
basis, and whether it applies; operators note here that the quarter's figures were sent (T27). In: the agency. Out: the
table of timers in words; settings that change one have a link."""

from __future__ import annotations

from datetime import date, timedelta

from aiohttp import web

from gateway.bootstrap import guards
from gateway.document_view.timer_texts import list_timers
from gateway.domain.agency_profile import SETTINGS
from gateway.errors import Clash
from gateway_office import duties
from gateway_office.domain.roles import Manner, Right
from gateway_office.web.forms import Problems
from gateway_office.web.menu import OPERATES
from gateway_office.web.page_requests import PageRequest, faults_on
from gateway_office.web.pages.administration import accounts
from gateway_office.web.pages.administration.accounts import both, get
from gateway_office.web.pages.administration.settings import PATH as SETTINGS_PATH

PATH = f"{accounts.HOME}/dong-ho"
FIGURES_PATH = f"{PATH}/so-lieu-quy"


async def show_timers(request: PageRequest) -> web.StreamResponse:
    places, place = await accounts.list_agencies(request), await accounts.chosen_agency(request)
    office, settings = await request.deps.todo.office(place.id), request.deps.settings
    digest = (
        ", ".join(f"{at:%H:%M}" for at in office.digest_at) if office.digest_at else settings.mail.digest_at
    )
    quarter = duties.first_of_quarter(request.today)
    owes_figures = request.may(Right.NOTICES, Manner.YES) and not await duties.are_figures_sent(
        request.deps.accounts, quarter
    )
    return await request.page(
        "admin/timers.html",
        figures_path=FIGURES_PATH if owes_figures else "",
        quarter=_quarter_text(quarter),
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


async def ask_figures(request: PageRequest, problems: Problems | None = None) -> web.StreamResponse:
    """Ask whether the figures of the quarter before were sent."""
    quarter = _quarter_text(duties.first_of_quarter(request.today))
    return await request.question(problems, "timer.figures", back=PATH, quarter=quarter)


@faults_on(ask_figures, Clash)
async def note_figures(request: PageRequest) -> web.StreamResponse:
    quarter = duties.first_of_quarter(request.today)
    await duties.note_figures_sent(request.deps.accounts, request.person.person.id, quarter)
    return request.confirm(PATH, "timer.figures")


def _quarter_text(due_in: date) -> str:
    """Return the name of the quarter before the one of this first day: `3/2026`."""
    last_day = due_in - timedelta(days=1)
    return f"{(last_day.month + 2) // 3}/{last_day.year}"


ROUTES = (
    get(PATH, "timers", show_timers),
    *both(FIGURES_PATH, "figures_sent_ask", "figures_sent", note_figures, needs=OPERATES),
)

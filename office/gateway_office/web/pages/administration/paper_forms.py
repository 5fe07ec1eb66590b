"""Forms about accounts, printed as PDF (R109, T22, T23) before they are handed in: the report of December with its figures,
and the half-yearly list of accounts without a sign-in. In:
an agency, what only the sender knows. Out: the page of the forms, a PDF."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import partial
from typing import IO

from aiohttp import web

from gateway.domain.agency_profile import Letterhead
from gateway.domain.wall_clock import local
from gateway_office.accounts import admin
from gateway_office.domain.roles import NODE
from gateway_office.policy import account_forms
from gateway_office.web import dates
from gateway_office.web.addresses import url_for
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.administration import accounts
from gateway_office.web.pages.administration.accounts import HOME, Place, get

PATH = f"{HOME}/ra-soat/mau-bieu"
# Fields of the page, and how long each may be.
_TEXTS = {"kinh-gui": 200, "dia-danh": 100, "so": 50, "vuong-mac": 4000, "lien-he": 500}


async def show_forms(request: PageRequest) -> web.StreamResponse:
    place = await _place_of(request)
    today = local(request.person.at).date()
    return await request.page(
        "admin/forms.html",
        title=request.say("admin.forms"),
        here=place,
        places=[(p.key, p.name) for p in await accounts.list_places(request, together=False)],
        year=today.year,
        since=account_forms.half_year_start(today),
        texts=_TEXTS,
        letterhead=await _letterhead(request, place),
        back=url_for(f"{HOME}/ra-soat", **{"co-quan": place.key}),
    )


async def give_form(request: PageRequest) -> web.StreamResponse:
    """Send a form as PDF."""
    form = request.path("form")
    place = await _place_of(request)
    print_form = await _printer(request, place, form)
    with request.deps.blobs.scratch() as scratch:
        await request.deps.pool.run(partial(print_form, scratch.file))
        return await request.send_scratch_file(scratch.file, f"mau-{form}-{place.key}.pdf", "pdf")


async def _printer(request: PageRequest, place: Place, form: str) -> Callable[[IO[bytes]], object]:
    from gateway_office.accounts import form_pdf

    letterhead = await _letterhead(request, place)
    texts = {name: request.ask(name)[:most].strip() for name, most in _TEXTS.items()}
    heading = form_pdf.FormHeading(
        agency=letterhead.agency,
        parent=letterhead.parent,
        emblem=letterhead.picture,
        receiver=texts["kinh-gui"],
        place=texts["dia-danh"],
        number=texts["so"],
        difficulties=texts["vuong-mac"],
        contact=texts["lien-he"],
    )
    today = local(request.person.at).date()
    lines = await admin.review_lines(request.deps.accounts, accounts.administrator(request), place.id)
    if form == account_forms.REPORT:
        figures = account_forms.count([line.person for line in lines], today.year)
        return partial(form_pdf.report, heading, figures, today.year, today)
    since = _since(request, today)
    unused = [
        form_pdf.UnusedAccount(
            person=line.person,
            units=", ".join(dict.fromkeys(p.unit for p in line.posts if p.unit)),
            traffic_at=line.traffic_at,
        )
        for line in lines
        if account_forms.is_unused(line.person, since)
    ]
    return partial(form_pdf.unused_list, heading, unused, since, today)


def _since(request: PageRequest, today: date) -> date:
    typed = request.ask("tu")
    return (dates.typed_day(typed, today) if typed else None) or account_forms.half_year_start(today)


async def _letterhead(request: PageRequest, place: Place) -> Letterhead:
    if place.id == NODE:
        return Letterhead(agency=place.name)
    return await request.deps.store.accounts.letterhead(place.id)


async def _place_of(request: PageRequest) -> Place:
    return accounts.chosen_place(request, await accounts.list_places(request, together=False))


ROUTES = (
    get(PATH, "account_forms", show_forms),
    get(f"{PATH}/{{form:{'|'.join(account_forms.FORMS)}}}.pdf", "account_form", give_form),
)

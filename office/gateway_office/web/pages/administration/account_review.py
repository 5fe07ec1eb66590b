"""The review of all accounts of an agency, or of the node: T22 (half-yearly list), T23 (yearly review). In: an
administrator. Out: the list to check and hand in, as a page and as a workbook, with posts and last use; operators see
which agencies have handed it in."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import IO

from aiohttp import web

from gateway.domain.wall_clock import local, midnight
from gateway_office.accounts import admin, requests
from gateway_office.accounts.admin import AccountLine
from gateway_office.book.table_files import XlsxColumn, XlsxWriter
from gateway_office.duties import half_of
from gateway_office.web import dates
from gateway_office.web.addresses import url_for
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.administration import accounts
from gateway_office.web.pages.administration.accounts import HOME, Place, get, post

_REVIEW = f"{HOME}/ra-soat"
_REVIEW_COLUMNS = (
    ("login", 22),
    ("name", 28),
    ("account_title", 20),
    ("agency", 34),
    ("roles", 30),
    ("factor", 20),
    ("last_login", 16),
    ("state", 18),
    ("until", 14),
    ("remark", 30),
)


async def list_review(request: PageRequest) -> web.StreamResponse:
    review_place = await _review_place(request)
    by, services = accounts.administrator(request), request.deps.accounts
    lines = await admin.review_lines(services, by, review_place.id)
    last_review = await admin.last_review(services, review_place.id)
    places = await accounts.list_places(request, together=False)
    half = midnight(half_of(local(request.person.at).date()))
    is_operator = accounts.is_everywhere(request)
    reports = await requests.reports_by_agency(services, by, half) if is_operator else {}
    return await request.page(
        "admin/review.html",
        title=request.say("admin.review"),
        found=lines,
        here=review_place,
        places=[(p.key, p.name) for p in places],
        last=last_review,
        half=half,
        is_done=last_review is not None and last_review.at >= half,
        handed_in=[(p, reports.get(p.id)) for p in places if p.id] if is_operator else (),
        file=url_for(f"{_REVIEW}/danh-sach.xlsx", **{"co-quan": review_place.key}),
        forms=url_for(f"{_REVIEW}/mau-bieu", **{"co-quan": review_place.key}),
    )


async def confirm_review(request: PageRequest) -> web.StreamResponse:
    """Hand in the list of accounts with its report."""
    review_place, form = await _review_place(request), request.form
    report = await requests.file_report(
        request.deps.accounts,
        accounts.administrator(request),
        review_place.id,
        number=form.text("number"),
        receiver=form.text("receiver"),
        place=form.text("town"),
        remarks=form.text("remarks"),
        contact=form.text("contact"),
    )
    return request.confirm(f"{HOME}/de-nghi/{report.id}", "admin.reviewed")


async def review_file(request: PageRequest) -> web.StreamResponse:
    review_place = await _review_place(request)
    lines = await admin.review_lines(request.deps.accounts, accounts.administrator(request), review_place.id)
    rows = [_review_cells(request, review_place, line) for line in lines]
    name = f"ra-soat-tai-khoan-{review_place.key}-{local(request.person.at).year}.xlsx"
    with request.deps.blobs.scratch() as scratch:
        await request.deps.pool.run(partial(_write_review, request, review_place, rows, scratch.file))
        return await request.send_scratch_file(scratch.file, name, "xlsx")


def _write_review(
    request: PageRequest, place: Place, rows: list[list[str | date | None]], out: IO[bytes]
) -> None:
    columns = [XlsxColumn(title=request.say(f"admin.{key}"), width=width) for key, width in _REVIEW_COLUMNS]
    writer = XlsxWriter(out, request.say("admin.review"), columns)
    for row in rows:
        writer.add(row)
    today = dates.day_text(local(request.person.at))
    writer.close([request.say("admin.review.below", name=place.name, count=len(rows), day=today)])


def _review_cells(request: PageRequest, place: Place, line: AccountLine) -> list[str | date | None]:
    person, end_times = line.person, [p.until for p in line.posts if p.until is not None]
    return [
        person.login or "",
        person.name,
        person.title,
        place.name,
        ", ".join(request.say(f"post.{p.role}") for p in line.posts),
        request.say("factor.totp" if line.has_factor else "factor.none"),
        local(person.last_login_at).date() if person.last_login_at else None,
        request.say(f"standing.{person.standing}"),
        local(min(end_times)).date() if end_times else None,
        "",
    ]


async def _review_place(request: PageRequest) -> Place:
    return accounts.chosen_place(request, await accounts.list_places(request, together=False))


ROUTES = (
    get(_REVIEW, "review", list_review),
    post(_REVIEW, "review_done", confirm_review),
    get(f"{_REVIEW}/danh-sach.xlsx", "review_file", review_file),
)

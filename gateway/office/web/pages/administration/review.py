"""The review of accounts (T22, T23): the list that an administrator looks through each December, as a page and as a
workbook; that it was looked through is told. In: an agency, or the node. Out: its accounts with posts and last use."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import IO

from aiohttp import web

from gateway.domain.wall_clock import local
from gateway.office.accounts import looking, review
from gateway.office.accounts.review import Line
from gateway.office.book.xlsx import XlsxColumn, XlsxWriter
from gateway.office.web.frame import ADMINISTERS
from gateway.office.web.pages.administration import place
from gateway.office.web.pages.administration.place import HOME, Place
from gateway.office.web.routes import Who, get, post
from gateway.office.web.visit import Visit, where

_HERE = f"{HOME}/ra-soat"
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_COLUMNS = (
    *(("login", 22), ("name", 28), ("account_title", 20), ("agency", 34), ("roles", 30), ("factor", 20)),
    *(("last_login", 16), ("state", 18), ("until", 14), ("remark", 30)),
)


async def listed(visit: Visit) -> web.StreamResponse:
    here = await _place(visit, visit.ask("co-quan"))
    found = await review.lines(visit.deps.accounts, place.by(visit), here.agency_id or "")
    last = await looking.reviewed(visit.deps.accounts, here.agency_id or "")
    today = local(visit.person.at).date()
    return await visit.page(
        "admin/review.html",
        title=visit.say("admin.review"),
        found=found,
        here=here,
        places=[(each.key, each.name) for each in await place.open_to(visit, together=False)],
        last=last,
        due=date(today.year, 12, 31),
        is_done=last is not None and last.data.get("year") == today.year,
        file=where(f"{_HERE}/danh-sach.xlsx", **{"co-quan": here.key}),
    )


async def confirmed(visit: Visit) -> web.StreamResponse:
    here = await _place(visit, visit.form.text("place"))
    year = local(visit.person.at).year
    await review.confirm(visit.deps.accounts, place.by(visit), here.agency_id or "", year)
    return visit.said(_HERE, "admin.reviewed", **{"co-quan": here.key})


async def file(visit: Visit) -> web.StreamResponse:
    here = await _place(visit, visit.ask("co-quan"))
    found = await review.lines(visit.deps.accounts, place.by(visit), here.agency_id or "")
    rows = [_cells(visit, here, each) for each in found]
    with visit.deps.blobs.scratch() as scratch:
        await visit.deps.pool.run(partial(_write, visit, here, rows, scratch.file))
        body = await visit.deps.pool.run(scratch.file.read)
    name = f"ra-soat-tai-khoan-{here.key}-{local(visit.person.at).year}.xlsx"
    return web.Response(
        body=body,
        content_type=_XLSX,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def _write(visit: Visit, here: Place, rows: list[list[str | date | None]], out: IO[bytes]) -> None:
    columns = [XlsxColumn(title=visit.say(f"admin.{each}"), width=width) for each, width in _COLUMNS]
    writer = XlsxWriter(out, visit.say("admin.review"), columns)
    for each in rows:
        writer.add(each)
    today = local(visit.person.at).strftime("%d/%m/%Y")
    writer.close([visit.say("admin.review.below", name=here.name, count=len(rows), day=today)])
    out.seek(0)


def _cells(visit: Visit, here: Place, line: Line) -> list[str | date | None]:
    person, ends = line.person, [each.until for each in line.posts if each.until is not None]
    return [
        person.login or "",
        person.name,
        person.title,
        here.name,
        ", ".join(visit.say(f"post.{each.role}") for each in line.posts),
        visit.say("factor.totp" if line.has_factor else "factor.none"),
        local(person.last_login_at).date() if person.last_login_at else None,
        visit.say(f"standing.{person.standing}"),
        local(min(ends)).date() if ends else None,
        "",
    ]


async def _place(visit: Visit, given: str) -> Place:
    return place.chosen(visit, await place.open_to(visit, together=False), given)


_AT = {"who": Who.READY, "needs": ADMINISTERS, "key": "administration"}
ROUTES = (
    get(_HERE, "review", listed, **_AT),
    post(_HERE, "review_done", confirmed, **_AT),
    get(f"{_HERE}/danh-sach.xlsx", "review_file", file, **_AT),
)

"""The paper dispatch list: what has to be carried to whom, a sheet of it to print and be signed on, and lines closed with
day and means. In: which list, or a form. Out: the page, or the list as it now is."""

from __future__ import annotations

from aiohttp import web

from gateway.domain.wall_clock import local
from gateway.errors import Clash, Refused
from gateway.office.domain.right import Manner, Right
from gateway.office.web import dates, failing
from gateway.office.web.routes import Needs, get, post
from gateway.office.web.visit import Visit
from gateway.outgoing import paper
from gateway.policy.paper import LONGEST_NOTE, HandedOver, Means

KEEPS = (Needs(right=Right.BOOK, manners=(Manner.YES,)),)
_PATH = "/so-van-ban/gui-giay"


async def shown(visit: Visit) -> web.StreamResponse:
    return await _page(visit)


async def closed(visit: Visit) -> web.StreamResponse:
    """One line of the list: one letter to one recipient."""
    form, today = visit.form, local(visit.deps.clock.now()).date()
    row = form.text("n")
    on, means = dates.day(form.text(f"on-{row}"), today), form.text(f"means-{row}")
    problems = [] if on else [(f"on-{row}", visit.say("books.day.unreadable"))]
    if means not in tuple(Means):
        problems.append((f"means-{row}", visit.say("form.missing", field=visit.say("paper.means"))))
    if on is not None and not problems:
        said = HandedOver(on=on, means=Means(means), note=form.text(f"note-{row}"))
        try:
            await paper.close(visit.deps.out, visit.scope(), visit.path("id"), said, form.all("to"))
        except Refused as why:
            problems = [
                (f"{pointer.strip('/')}-{row}", text) for pointer, text in failing.reasons(why, visit.lang)
            ]
        except Clash as why:
            problems = [("", failing.of_error(why, visit.lang).title)]
        else:
            return visit.said(_PATH, "paper.handed_over")
    return await _page(visit, problems)


async def _page(visit: Visit, problems: list[tuple[str, str]] | None = None) -> web.StreamResponse:
    today = local(visit.deps.clock.now()).date()
    since = dates.day(visit.ask("tu"), today) if visit.ask("tu") else None
    async with visit.deps.store.read(visit.scope()) as work:
        lines = await (paper.handed(work, since, today) if since else paper.waiting(work))
    return await visit.page(
        "books/paper.html",
        422 if problems else 200,
        title=visit.say("paper.list"),
        lines=lines,
        since=since,
        today=today.strftime("%d/%m/%Y"),
        means=[(each.value, visit.say(f"paper.means.{each}")) for each in Means],
        most_note=LONGEST_NOTE,
        problems=problems or [],
        given=visit.form.flat(),
        is_cut=len(lines) >= paper.MOST,
    )


ROUTES = (
    get(_PATH, "book_paper", shown, needs=KEEPS, key="books"),
    post(f"{_PATH}/{{id:msg_[0-9A-Za-z]{{1,40}}}}", "book_paper_closed", closed, needs=KEEPS, key="books"),
)

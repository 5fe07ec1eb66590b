"""The paper dispatch list: letters to carry with their recipients. In: the day since which lines are shown, or a line with
day and means. Out: the list, a sheet of it to print and be signed on, and the line closed."""

from __future__ import annotations

from aiohttp import web

from gateway.errors import Clash, Refused
from gateway.outgoing import manage
from gateway.policy.outgoing import LONGEST_NOTE, Handover, Means
from gateway_office.web import dates
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.books import get, post

_PAPER_PATH = "/so-van-ban/gui-giay"


async def close_paper_line(request: PageRequest) -> web.StreamResponse:
    """Close one line of the list: one letter to one recipient."""
    form, today = request.form, request.today
    row = form.text("n")
    on, means = dates.typed_day(form.text(f"on-{row}"), today), form.text(f"means-{row}")
    problems = [] if on else [(f"on-{row}", request.say("books.day.unreadable"))]
    if means not in tuple(Means):
        problems.append(request.missing(f"means-{row}", "paper.means"))
    if on is not None and not problems:
        handover = Handover(on=on, means=Means(means), note=form.text(f"note-{row}"))
        try:
            await manage.close_paper(*request.outgoing, request.path("id"), handover, form.all("to"))
        except (Refused, Clash) as error:
            problems = [(field and f"{field}-{row}", text) for field, text in request.problems_of(error)]
        else:
            return request.confirm(_PAPER_PATH, "paper.handed_over")
    return await show_paper_list(request, problems)


async def show_paper_list(request: PageRequest, problems: Problems | None = None) -> web.StreamResponse:
    today = request.today
    (since,), unread_days = request.query_days("tu")
    async with request.deps.store.read(request.scope()) as work:
        lines = await (manage.paper_handed_over(work, since, today) if since else manage.paper_waiting(work))
    return await request.form_page(
        "books/paper.html",
        [*(problems or ()), *unread_days],
        title=request.say("paper.list"),
        lines=lines,
        since=since,
        asked_since=dates.day_text(since) if since else request.ask("tu"),
        today=dates.day_text(today),
        means=[(m.value, request.say(f"paper.means.{m}")) for m in Means],
        most_note=LONGEST_NOTE,
        is_cut=len(lines) >= manage.MOST_PAPER_LINES,
    )


ROUTES = (
    get(_PAPER_PATH, "book_paper", show_paper_list),
    post(f"{_PAPER_PATH}/{{id:msg_[0-9A-Za-z]{{1,40}}}}", "book_paper_closed", close_paper_line),
)
